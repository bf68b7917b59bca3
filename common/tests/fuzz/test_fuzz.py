"""Damaged inputs through the real commands: no traceback, no hang, one line where the input is refused.

Seeds are fixed: the same inputs each time. More of them: pytest common/tests/fuzz --inputs 20000
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import watching
import yaml
from commands import RUN, mirl, toy
from mutations import damaged_bytes, damaged_file, damaged_table, damaged_words
from watching import Outcome

from mirl.checkpoint import SEAL, seal_of
from mirl.files import sha256
from mirl.suite import venvs

Case = Callable[[], Path]
RUN_DIR = "results/runs/tiny/toy/line/drift/seed0"
PUBLISHED = "results/published/toy/tiny/line/drift/seed0"
OF_LINE = ("--paper", "toy", "--task", "line", "--budget", "tiny")
HALF_DONE = "results/runs/tiny/toy/line/drift/seed1"
LOOKS = (
    ("list",), ("list", "--published"), ("plan", "--budget", "tiny"), ("status", "--all"), ("check", "results"),
    ("compare", "--paper", "toy", "--budget", "tiny"), ("compare", "--paper", "toy"),
    ("findings",), ("findings", *OF_LINE),
    ("plot", *OF_LINE, "--metric", "eval/return", "--published", "--out", "curves.png"),
    ("compare", *OF_LINE, "--with", "results/runs/tiny/toy/line/drift"),
)  # fmt: skip
"""Commands that read the whole repository and start nothing."""


def share(inputs: int, of_a_thousand: int) -> range:
    return range(max(1, inputs * of_a_thousand // 1000))


def behaves(outcome: Outcome, what: object) -> None:
    assert not outcome.fault, f"{what}: {outcome.fault}"


@pytest.mark.parametrize(("name", "of_a_thousand"), [("reproduce.yaml", 120), ("cluster.yaml", 80)])
def test_settings(fresh: Case, inputs: int, name: str, of_a_thousand: int):
    root = fresh()
    content = (root / name).read_bytes()
    commands = LOOKS if name == "reproduce.yaml" else (SUBMIT,)
    for seed in share(inputs, of_a_thousand):
        chance = random.Random(f"{name} {seed}")
        (root / name).write_bytes(damaged_file(chance, content, yaml.safe_load(content)))
        words = chance.choice(commands)
        behaves(mirl(root, *words), (name, seed, words))


SUBMIT = ("reproduce", "--paper", "toy", "--budget", "tiny", "--executor", "slurm", "--dry-run")
TABLES = (
    "results/reference/toy.csv",
    "results/reference/toy-seeds.csv",
    f"{RUN_DIR}/metrics.csv",
    f"{RUN_DIR}/episodes.csv",
)


@pytest.mark.parametrize("name", TABLES)
def test_tables(fresh: Case, inputs: int, name: str):
    root = fresh()
    content = (root / name).read_bytes()
    for seed in share(inputs, 50):
        chance = random.Random(f"{name} {seed}")
        (root / name).write_bytes(damaged_table(chance, content))
        words = chance.choice(LOOKS)
        behaves(mirl(root, *words), (name, seed, words))


@pytest.mark.parametrize("place", [RUN_DIR, PUBLISHED])
def test_manifests(fresh: Case, inputs: int, place: str):
    root = fresh()
    path = root / place / "manifest.json"
    content = path.read_bytes()
    for seed in share(inputs, 60):
        chance = random.Random(f"{place} {seed}")
        path.write_bytes(damaged_file(chance, content, json.loads(content)))
        words = chance.choice(LOOKS)
        behaves(mirl(root, *words), (seed, words))


@pytest.mark.parametrize(
    "name", ["run.json", "checkpoint/latest.json", "checkpoint/*/counters.json", "checkpoint/*/parameters.npz"]
)
def test_runs_that_are_to_go_on(fresh: Case, inputs: int, name: str):
    """The trainer refuses in one line, or ends; half of the damaged checkpoints have checksums that fit them."""
    for seed in share(inputs, 60):
        if seed % 20 == 0:
            root = fresh()
        chance = random.Random(f"{name} {seed}")
        [path] = (root / HALF_DONE).glob(name)
        latest = root / HALF_DONE / "checkpoint/latest.json"
        content, vouching = path.read_bytes(), latest.read_bytes()
        said = json.loads(content) if path.suffix == ".json" else None
        path.write_bytes(damaged_bytes(chance, content) if said is None else damaged_file(chance, content, said))
        if chance.random() < 0.5:
            vouch(latest)
        command = chance.choice(("train", "train", "evaluate", "status", "check"))
        if command == "train":
            outcome = toy(root, *RUN, "--seed", "1", "--run-dir", HALF_DONE)
        elif command == "evaluate":
            outcome = toy(root, "evaluate", "--run-dir", HALF_DONE)
        else:
            outcome = mirl(root, *(("check", HALF_DONE) if command == "check" else ("status",)))
        behaves(outcome, (name, seed, command))
        if path.exists() and latest.read_bytes() != vouching:  # else the run went on, and has newer ones
            latest.write_bytes(vouching)
        if path.exists():
            path.write_bytes(content)


def vouch(latest: Path) -> None:
    """Give a checkpoint, as it lies there now, the checksums that belong to it."""
    try:
        said = json.loads(latest.read_bytes())
        for name in said["files"]:
            said["files"][name] = sha256(latest.parent / said["folder"] / name)
        latest.write_text(json.dumps(said | {SEAL: seal_of(said)}))
    except (ValueError, TypeError, KeyError, OSError):  # it is damaged too much to be vouched for
        return


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (lambda: [][1], "IndexError"),
        (lambda: print("Traceback (most recent call last)") or 1, "it printed a traceback"),
        (lambda: print("two\nlines", file=sys.stderr) or 2, "exit code 2 with other than one line"),
        (lambda: 139, "exit code 139"),
        (lambda: exec("while True: pass"), "Hung"),
    ],
)
def test_a_command_that_misbehaves_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command, fault: str):
    monkeypatch.setattr(watching, "PATIENCE_S", 0.5)
    assert fault in watching.watch(command, tmp_path).fault
    assert watching.watch(lambda: 0, tmp_path).fault == ""


SUITE_LINES = (
    *LOOKS, SUBMIT,
    ("plan", "--paper", "toy", "--task", "line", "--method", "drift@slow", "--seeds", "0,1", "--jobs", "2"),
    (*SUBMIT, "--task", "line", "--retries", "1", "--jobs", "3"),
    ("run", "tiny/toy/line/drift/seed0", "--runs-per-gpu", "2", "--wait-s", "0", "--patience-s", "0"),
    ("plot", "--paper", "toy", "--task", "line", "--metric", "train/return", "--out", "out.xyz"),
    ("compare", *OF_LINE, "--with", "results/runs", "--columns", "env_step,value", "--env-steps-per-step", "2"),
    ("findings", *OF_LINE, "--metric", "train/return"),
    ("watch", "toy", "line", "drift", "--seed", "0", "--budget", "tiny", "--episodes", "1", "--out", "film.webm"),
    ("repeat", "toy", "line", "drift", "--seed", "0", "--budget", "tiny", "--out", "again"),
    ("new", "sixth"),
    ("reference", "add", "--paper", "toy", "--task", "line", "--method", "drift"),
)  # fmt: skip
PAPER_LINES = (
    (*RUN, "--seed", "0", "--run-dir", "runs/a"),
    (
        "train",
        "--task",
        "plane",
        "--method",
        "random_walk",
        "--seed",
        "3",
        "--run-dir",
        "runs/b",
        "--total-env-steps",
        "40",
    ),
    ("evaluate", "--run-dir", RUN_DIR, "--episodes", "2", "--setting", "moderate"),
    ("describe", "--task", "line", "--json"),
    ("film", "--run-dir", RUN_DIR, "--out", "film", "--episodes", "1"),
    ("policy", "--run-dir", RUN_DIR, "--out", "policy"),
    ("walk.py", "--env", "line", "--logdir", "runs/c", "--steps", "40"),
    ("--env", "plane", "--logdir", "runs/d", "--steps", "40"),
)


def test_command_lines_of_the_suite(fresh: Case, inputs: int):
    root = fresh()
    for seed in share(inputs, 120):
        chance = random.Random(f"suite {seed}")
        words = damaged_words(chance, chance.choice(SUITE_LINES)) or ["help"]  # no word at all is asked for help
        behaves(mirl(root, *words), words)


def test_command_lines_of_a_paper(fresh: Case, inputs: int):
    root = fresh()
    for seed in share(inputs, 90):
        chance = random.Random(f"paper {seed}")
        words = damaged_words(chance, chance.choice(PAPER_LINES))
        behaves(toy(root, *words), words)


REPOSITORY = Path(__file__).parents[3]
PAPERS = sorted(path.parent.name for path in REPOSITORY.glob("papers/*/pyproject.toml"))


@pytest.mark.parametrize("paper", PAPERS)
def test_command_lines_of_all_papers(paper: str, inputs: int, tmp_path: Path):
    """Its own command line and the original's, in its own environment, without training."""
    python = REPOSITORY / "papers" / paper / ".venv/bin/python"
    if not python.exists():
        pytest.skip(f"papers/{paper} is not set up")
    script = Path(__file__).parent / "paper_lines.py"
    done = subprocess.run(
        [str(python), str(script), paper, str(len(share(inputs, 24)))],
        cwd=tmp_path, capture_output=True, text=True, env=venvs.clean_environment(), timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []
