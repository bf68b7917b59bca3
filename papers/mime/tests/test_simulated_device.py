"""Every method on a card that is not there: train, checkpoint, resume, evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_device.runs import same_on_both, whole_life

from mime.__main__ import PAPER

GRADIENT_BASED = (
    "--task wide_ring --seed 0 --fast-batch-size 2 --meta-batch-size 2 --evaluation-batches 1 --evaluation-steps 1 "
    "--total-env-steps 1600"
)
PEARL = (
    "--task wide_ring --seed 0 --total-env-steps 1400 --num-initial-steps 100 --num-tasks-sample 1 --meta-batch 2 "
    "--n-train-tasks 2 --max-path-length 100 --num-train-steps-per-itr 2 --batch-size 8 "
    "--embedding-batch-size 8 --net-size 16 --num-steps-prior 100 "
    "--num-extra-rl-steps-posterior 100 --evaluation-batches 1"
)


@pytest.mark.parametrize("method", PAPER.methods)
def test_a_method_lives_on_the_device(tmp_path: Path, method: str):
    exploring = ["--dyn-first-updates", "2", "--pre-epochs", "0"] if method in ("mime", "maml_expl") else []
    sizes = PEARL if method == "pearl" else GRADIENT_BASED
    whole_life(PAPER, [*sizes.split(), "--method", method, *exploring], tmp_path / "run")


@pytest.mark.parametrize("method", PAPER.methods)
def test_an_update_comes_to_the_same_there(method: str):
    same_on_both(PAPER, "wide_ring", method)
