"""Every method on a card that is not there: train, checkpoint, resume, evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_device.runs import same_on_both, whole_life

from sami.__main__ import PAPER

SMALL = (
    "--task halfcheetah --seed 0 --horizon 4 --learning-starts 5 --train-freq 6 --slots 2 --batch-size 4 "
    "--gradient-steps 1 --buffer-size 6 --hidden-sizes 8 8 --evaluation-episodes 1 --checkpoint-every 0 "
    "--total-env-steps 36"
)
CONTRAST = "--contrast-batch-size 4 --adversarial-loss-coef 0.5"


@pytest.mark.parametrize("method", PAPER.methods)
def test_a_method_lives_on_the_device(tmp_path: Path, method: str):
    contrast = [] if method == "tesac" else CONTRAST.split()
    whole_life(PAPER, [*SMALL.split(), "--method", method, *contrast], tmp_path / "run")


@pytest.mark.parametrize("change", ["--first-context clean", "--contrastive-loss softmax", "--task panda"])
def test_what_else_a_config_asks_for_lives_there(tmp_path: Path, change: str):
    whole_life(PAPER, [*SMALL.split(), "--method", "saccm", *CONTRAST.split(), *change.split()], tmp_path / "run")


@pytest.mark.parametrize("method", PAPER.methods)
def test_an_update_comes_to_the_same_there(method: str):
    same_on_both(PAPER, "halfcheetah", method)
