"""Every method on a card that is not there: train, checkpoint, resume, evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_device.runs import same_on_both, whole_life

from amigo.__main__ import PAPER

SMALL = (
    "--task Empty-5x5 --seed 0 --num-actors 2 --batch-size 2 --unroll-length 4 --evaluation-episodes 1 --log-every 16 "
    "--total-env-steps 32 --evaluation-every 0"
)


@pytest.mark.parametrize("method", PAPER.methods)
def test_a_method_lives_on_the_device(tmp_path: Path, method: str):
    teacher = [] if method == "impala" else ["--generator-batch-size", "6"]
    whole_life(PAPER, [*SMALL.split(), "--method", method, *teacher], tmp_path / "run", "--episodes", "1")


def test_an_lstm_lives_there_too(tmp_path: Path):
    words = [*SMALL.split(), "--method", "amigo", "--generator-batch-size", "6", "--use-lstm"]
    whole_life(PAPER, words, tmp_path / "run", "--episodes", "1")


@pytest.mark.parametrize("method", PAPER.methods)
def test_an_update_comes_to_the_same_there(method: str):
    same_on_both(PAPER, "Empty-5x5", method)
