"""Runs in images: what is asked of the container tool, and that the files are those of a virtual environment.

The tool is a stand-in that writes down its words and runs the toy paper in this interpreter; real images are built and
checked by docker/check.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from suite.test_reproduce import rows

from mirl.suite import containers
from mirl.suite.results import run_directory
from mirl.suite.selection import RunSpec

STAND_IN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path

state, root, words = Path(__file__).parent / "state", Path(os.environ["TOY_ROOT"]), sys.argv[1:]
with (state / "log").open("a") as log:
    log.write(json.dumps(words) + "\\n")
if words[:2] == ["image", "inspect"]:
    sys.exit(print("abc") if (state / words[-1].replace("/", "_")).exists() else 1)
if words[:2] == ["container", "inspect"]:
    sys.exit(0 if (state / words[-1]).exists() else 1)
if words[0] == "rm":
    (state / words[-1]).unlink()
if words[0] == "run":
    image = next(number for number, word in enumerate(words) if word.startswith("mirl/"))
    options = words[1:image]
    given = [options[number + 1] for number, word in enumerate(options) if word == "--env"]
    os.environ.update(dict(one.split("=", 1) for one in given))
    inside = [word.replace("/results/", f"{{root}}/results/") for word in words[image + 1 :]]
    python = str(root / "papers/toy/.venv/bin/python")
    os.execv(python, [python, "-m", "toy", *inside])
"""
SPEC = RunSpec(budget="tiny", paper="toy", task="line", method="drift", seed=0)


@pytest.fixture
def state(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for docker, first on the path, and its folder: a file there is an image or a container."""
    tool = tmp_path / "bin/docker"
    tool.parent.mkdir()
    tool.write_text(STAND_IN)
    tool.chmod(0o755)
    (tmp_path / "bin/state").mkdir()
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TOY_ROOT", str(root))
    return tmp_path / "bin/state"


def said(state: Path, first: str) -> list[list[str]]:
    """The stand-in's calls that begin with a word."""
    calls = [json.loads(line) for line in (state / "log").read_text().splitlines()]
    return [words for words in calls if words[0] == first]


def test_an_image_gives_the_files_of_a_virtual_environment(mirl, root: Path, state: Path):
    (state / "mirl_toy:cpu").touch()
    directory = run_directory(root, SPEC)
    assert mirl("run", str(SPEC)).returncode == 0
    directory.rename(root / "in-venv")
    done = mirl("reproduce", "--paper", "toy", "--budget", "tiny", "--runner", "docker")
    assert done.returncode == 0, done.stderr
    assert rows(directory) == rows(root / "in-venv")
    before, now = (json.loads((place / "manifest.json").read_text()) for place in (root / "in-venv", directory))
    assert (before["image"], now["image"]) == ("venv", "sha256:abc")
    assert now["command"] == before["command"]


def test_a_container_has_this_user_no_network_and_nothing_else_to_write(mirl, root: Path, state: Path):
    (state / "mirl_toy:cpu").touch()
    assert mirl("run", str(SPEC), "--runner", "docker").returncode == 0
    [words] = said(state, "run")
    line = " ".join(words)
    assert f"--user {os.getuid()}:{os.getgid()} --network none --read-only --tmpfs /tmp:exec" in line
    assert words.count("--volume") == 1
    assert f"--volume {root}/results:/results" in line
    assert "--gpus" not in line


def test_what_a_killed_runner_left_is_ended_before_its_run_goes_on(mirl, root: Path, state: Path):
    (state / "mirl_toy:cpu").touch()
    name = containers.container_name(run_directory(root, SPEC))
    (state / name).touch()
    assert mirl("run", str(SPEC), "--runner", "docker").returncode == 0
    order = [json.loads(line)[0] for line in (state / "log").read_text().splitlines()]
    assert order.index("stop") < order.index("rm") < order.index("run")
    assert said(state, "stop")[0][-1] == said(state, "rm")[0][-1] == name
    assert name in said(state, "run")[0]


def test_a_missing_image_is_named_with_the_command_that_makes_it(mirl, root: Path, state: Path):
    done = mirl("run", str(SPEC), "--runner", "docker")
    assert done.returncode == 2
    assert done.stderr.strip() == "mirl: mirl/toy:cpu is not built; run: make image PAPER=toy DEVICE=cpu"


def test_another_runner_is_refused_before_anything_begins(mirl, root: Path):
    for words in (("reproduce", "--paper", "toy"), ("run", str(SPEC))):
        done = mirl(*words, "--runner", "cloud")
        assert done.returncode == 2
        assert done.stderr.strip() == "mirl: no runner 'cloud' (runners: venv, docker)"
    assert not (root / "results").exists()


def test_no_container_tool_is_one_line(mirl, root: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = mirl("run", str(SPEC), "--runner", "docker", PATH=str(tmp_path / "empty"))
    assert done.returncode == 2
    assert done.stderr.startswith("mirl: no container tool answers (docker or podman)")


@pytest.mark.parametrize(
    ("tool", "cards", "options"),
    [
        ("docker", "1", ["--gpus", '"device=1"']),
        ("docker", "0,1", ["--gpus", '"device=0,1"']),
        ("podman", "0,1", ["--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=1"]),
        ("docker", "", []),
    ],
)
def test_a_container_gets_the_cards_it_was_given(tool: str, cards: str, options: list[str]):
    assert containers.gpu_options(tool, cards) == options


def test_runs_on_another_disk_are_seen_in_a_container_too(mirl, root: Path, state: Path, tmp_path: Path):
    (state / "mirl_toy:cpu").touch()
    disk = tmp_path / "disk/of mine"
    disk.mkdir(parents=True)
    (root / "results").mkdir()
    (root / "results/runs").symlink_to(disk)
    assert mirl("run", str(SPEC), "--runner", "docker").returncode == 0
    assert (disk / "tiny/toy/line/drift/seed0/manifest.json").exists()
    [words] = said(state, "run")
    volumes = [words[number + 1] for number, word in enumerate(words) if word == "--volume"]
    assert volumes == [f"{root}/results:/results", f"{disk}:{disk}"]


def test_a_relative_link_is_mounted_where_it_points_inside(root: Path):
    (root / "disk").mkdir()
    (root / "results").mkdir()
    (root / "results/runs").symlink_to("../disk")
    assert containers.mounts(root, run_directory(root, SPEC))[-1] == f"{root}/disk:/disk"


def test_a_run_behind_another_link_is_refused(mirl, root: Path, state: Path, tmp_path: Path):
    (state / "mirl_toy:cpu").touch()
    (tmp_path / "disk").mkdir()
    (root / "results/runs").mkdir(parents=True)
    (root / "results/runs/tiny").symlink_to(tmp_path / "disk")
    done = mirl("run", str(SPEC), "--runner", "docker")
    assert done.returncode == 2
    assert done.stderr.endswith("is behind a link that a container does not see; only results/runs may be one\n")


def test_a_link_to_nowhere_is_one_line(mirl, root: Path):
    (root / "results").mkdir()
    (root / "results/runs").symlink_to("/nowhere")
    done = mirl("reproduce", "--paper", "toy", "--budget", "tiny")
    assert (done.returncode, done.stderr) == (
        2, f"mirl: {root}/results/runs is a link to /nowhere, which is no folder here\n"
    )  # fmt: skip


def test_a_card_without_a_container_toolkit_is_told(mirl, root: Path, state: Path):
    (state / "mirl_toy:gpu").touch()
    smi = state.parent / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\necho 'GPU 0: a card (UUID: GPU-{root.parent.name}-{os.getpid()})'\n")
    smi.chmod(0o755)
    refused = mirl("run", str(SPEC), "--runner", "docker")
    assert refused.returncode == 2
    assert refused.stderr == (
        "mirl: this host has a GPU, and docker cannot give it to a container: install the NVIDIA Container Toolkit, "
        "or run on the processor with CUDA_VISIBLE_DEVICES=-1\n"
    )
    (state.parent / "nvidia-ctk").symlink_to("/bin/true")
    assert mirl("run", str(SPEC), "--runner", "docker").returncode == 0
    for lock in Path("/tmp").glob(f"mirl-gpus-*/GPU-{root.parent.name}-{os.getpid()}.lock"):
        lock.unlink()
