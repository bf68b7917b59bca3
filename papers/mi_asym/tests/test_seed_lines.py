"""The command lines that the original's README prints, with values in their places: each runs, with every flag."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mi_asym.__main__ import PAPER
from mi_asym.collect import load_data
from mi_asym.pretrain import ENCODER_FILES
from mi_asym.representation.learner import make_encoder
from mi_asym.streams import generator
from mirl.folder import read_record
from mirl.paper import main

COLLECT_GRID = (
    "python3 main_collect_data.py --config_env configs/envs/<env_name>.py --episodes <episodes> "
    "--random_episodes <random_episodes>"
)
COLLECT_ROBOT = f"{COLLECT_GRID} --aug --n_aug <n_aug>"
PRETRAIN = (
    "python3 main_pretrain_representations_cv_mim.py --data_path <data_path> --config_env configs/envs/<env_name>.py "
    "--config_repr configs/repr/<env_name>.py --num_epochs <num_epochs> --seed <seed> --cuda <cuda> "
    "--log_freq <log_freq> --wandb --wandb_name <wandb_name> --init_model <init_model>"
)
TRAIN = (
    "python3 main.py --config_env configs/envs/<env_name>.py --config_rl configs/rl/<rl_name>.py --config_seq "
    "configs/seq/<seq_name>.py --config_repr configs/repr/<repr_name>.py --state_embedder_dir <state_embedder_dir> "
    "--obs_embedder_dir <obs_embedder_dir> --group <group> --train_episodes <train_episodes>"
)


def run(line: str, **values: object) -> int:
    """A printed line with its places filled; `python3 X` is `python -m mi_asym X` here."""
    for name, value in values.items():
        line = line.replace(f"<{name}>", str(value))
    assert "<" not in line
    return main(PAPER, shlex.split(line)[1:])


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the package, and what it was told."""
    told: dict[str, Any] = {"rows": []}
    run = SimpleNamespace(log=lambda row, **more: told["rows"].append(row), finish=lambda *a, **k: None)

    def init(**options: Any) -> SimpleNamespace:
        told.update(options)
        return run

    module = SimpleNamespace(init=init, log=run.log, finish=run.finish, Image=None, __spec__=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_the_lines_of_the_gridworlds_run_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wandb: dict[str, Any]
):
    monkeypatch.chdir(tmp_path)
    assert run(COLLECT_GRID, env_name="heaven_hell", episodes=20, random_episodes=20) == 0
    data = capsys.readouterr().out.strip().splitlines()[-1]
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in ENCODER_FILES:
        torch.save(make_encoder("heaven_hell", generator(7, 0, "begun")).state_dict(), begun / name)
    places: dict[str, object] = {"env_name": "heaven_hell", "data_path": data, "num_epochs": 2, "seed": 3, "cuda": 0}
    assert run(PRETRAIN, **places, log_freq=1, wandb_name="mine", init_model=begun) == 0
    folder = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert folder == Path("pretrained_encoders/heaven_hell/s3_end1_cv_mim")
    assert Path("pretrained_encoders/heaven_hell/s3_end0_cv_mim/s_encoder.pt").exists()  # --log_freq 1
    assert wandb["name"].startswith("mine")
    assert len(wandb["rows"]) == 2
    files = {"state_embedder_dir": folder / "s_encoder.pt", "obs_embedder_dir": folder / "o_encoder.pt"}
    names = {"env_name": "heaven_hell", "repr_name": "heaven_hell", "rl_name": "dqn_zero_off_default"}
    assert run(TRAIN, **names, seq_name="mlp_default", **files, group="mine", train_episodes=1) == 0
    record = read_record(tmp_path / "logs" / "heaven_hell_zero_off_s42")
    assert record is not None
    assert (record["status"], record["config"]["total_env_steps"]) == ("finished", 550)
    assert record["config"]["state_embedder"] == str(folder / "s_encoder.pt")


def test_the_line_of_the_robots_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert run(COLLECT_ROBOT, env_name="block_pushing", episodes=2, random_episodes=1, n_aug=2) == 0
    data = load_data(Path(capsys.readouterr().out.strip().splitlines()[-1]))
    assert data.num_episodes == 1 + 1 * 3


def test_wandb_that_is_not_installed_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    places: dict[str, object] = {"env_name": "heaven_hell", "data_path": "x", "num_epochs": 2, "seed": 3, "cuda": 0}
    assert run(PRETRAIN, **places, log_freq=1, wandb_name="mine", init_model="x") == 2
    said = capsys.readouterr().err
    assert "--wandb needs the package wandb" in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
