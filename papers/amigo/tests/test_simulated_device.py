"""Every method on a card that is not there: train, checkpoint, resume, evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_device import simulated_device
from simulated_device.runs import same_on_both, whole_life
from toys import small

from amigo.__main__ import PAPER
from amigo.agent import Agent
from amigo.groups import Groups

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


def test_groups_of_actors_live_there_too(tmp_path: Path):
    words = [*SMALL.split(), "--method", "amigo", "--generator-batch-size", "6", "--actor-groups", "2"]
    whole_life(PAPER, words, tmp_path / "run", "--episodes", "1")


@pytest.mark.parametrize("groups", [1, 2])
def test_each_group_waits_once_a_step_and_for_what_its_lstm_holds_once_an_unroll(groups: int):
    config = small(num_actors=4, actor_groups=groups)
    with simulated_device() as counts:
        agent, actors = Agent("Empty-5x5", config, 0, "cuda"), Groups("Empty-5x5", config, 0)
        actors.collect(agent, 0)
        before = counts.copy()
        actors.collect(agent, 1)
        asked = counts.since(before)
    turns = config.unroll_length * groups
    assert dict(asked.waits) == {"event": turns, "copy to the host": groups}
    assert dict(asked.copies) == {"copy to the device": turns, "copy to the host": turns + groups}


@pytest.mark.parametrize("method", PAPER.methods)
def test_an_update_comes_to_the_same_there(method: str):
    same_on_both(PAPER, "Empty-5x5", method)
