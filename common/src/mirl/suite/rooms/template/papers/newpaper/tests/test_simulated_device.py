"""Every method on a card that is not there: train, checkpoint, resume, evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_device.runs import same_on_both, whole_life

from newpaper.__main__ import PAPER

SMALL = (
    "--task cartpole --seed 0 --episodes-per-update 2 --evaluation-episodes 2 --evaluation-every 0 "
    "--total-env-steps 200"
)


@pytest.mark.parametrize("method", PAPER.methods)
def test_a_method_lives_on_the_device(tmp_path: Path, method: str):
    whole_life(PAPER, [*SMALL.split(), "--method", method], tmp_path / "run", "--episodes", "1")


@pytest.mark.parametrize("method", PAPER.methods)
def test_an_update_comes_to_the_same_there(method: str):
    same_on_both(PAPER, "cartpole", method)
