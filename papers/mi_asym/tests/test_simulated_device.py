"""Every method on a card that is not there, grids and robots: stages, train, checkpoint, resume, evaluate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from simulated_device import simulated_device
from simulated_device.runs import same_on_both, whole_life
from test_robot_agents import TASK, made_up, updates

from mi_asym.__main__ import PAPER
from mi_asym.config.tables import ROBOT_CONFIGS
from mi_asym.envs import task_spec
from mi_asym.experience import View
from mi_asym.streams import generator
from mirl.paper import main

SMALL = (
    "--task heaven_hell --seed 0 --total-env-steps 120 --start-training 1 --batch-size 2 --eval-interval 1 "
    "--eval-episodes 1 --updates-per-step 0.02"
)
STAGES = "--collect-episodes 6 --collect-random-episodes 6 --smaller-stages tiny"
WITHOUT_STAGES = ("drqn", "dtqn", "zp_gru", "zp_gpt", "ba", "ua", "mdp")
ROBOT = (
    "--task block_pulling --method ours_gru --seed 0 --total-env-steps 110 --start-training 1 --batch-size 2 "
    "--eval-interval 1 --eval-episodes 1 --updates-per-step 0.01 --smaller-stages tiny"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the stages before training leave, made once, on the device, by the method that comes first."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("method", PAPER.methods)
def test_a_method_lives_on_the_device(tmp_path: Path, cache: str, method: str):
    stages = [] if method in WITHOUT_STAGES else [*STAGES.split(), "--cache", cache]
    whole_life(PAPER, [*SMALL.split(), "--method", method, *stages], tmp_path / "run", "--episodes", "1")


@pytest.mark.parametrize("method", ROBOT_CONFIGS)
def test_a_robots_method_learns_acts_and_is_kept_there(method: str):
    with simulated_device() as counts:
        agent, told = updates(method, count=1, device="cuda")
        assert told
        assert counts.launches
        noise = generator(0, 0, "acting", "cuda")
        seen = torch.rand(2, 2, task_spec(TASK).observation_size, device="cuda", generator=noise)
        action, _ = agent.act(View(*seen), agent.start(2), noise)
        assert action.is_cuda
        fresh = made_up(method, device="cuda")[1]
        fresh.load(agent.state())
        again, _ = fresh.act(View(*seen), fresh.start(2), None)
        assert torch.equal(again, agent.act(View(*seen), agent.start(2), None)[0])


def test_stages_alone_run_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with simulated_device() as counts:
        words = ["collect", "--task", "heaven_hell", "--folder", str(tmp_path), "--episodes", "6"]
        assert main(PAPER, words) == 0
        data = capsys.readouterr().out.splitlines()[-1]
        sizes = ["--pretrain-epochs", "1", "--pretrain-batch-size", "20", "--folder", str(tmp_path / "encoders")]
        assert main(PAPER, ["pretrain", "--task", "heaven_hell", "--data", data, "--device", "cuda", *sizes]) == 0
    assert counts.launches
    written = list(tmp_path.glob("encoders/**/*_encoder.pt"))
    assert len(written) == 2
    for encoder in written:  # a host without a card reads them
        assert torch.load(encoder, weights_only=True)


def test_a_robots_run_lives_there(tmp_path: Path):
    whole_life(PAPER, ROBOT.split(), tmp_path / "run", "--episodes", "1")


@pytest.mark.parametrize("method", PAPER.methods)
def test_an_update_comes_to_the_same_there(method: str):
    same_on_both(PAPER, "heaven_hell", method)
