"""Commands on terminals that are narrow, or that cannot show every sign."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mirl.suite import experiments as registry
from mirl.suite import listing, plan, status
from mirl.suite.results import run_directory
from mirl.suite.selection import RunSpec, select
from toy.driver import ENVIRONMENT
from toy.whole import write_manifest


def shown(content: object, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(content)
    return stream.getvalue()


SPEC = "workstation/toy/a_task_with_a_long_name/a_method_with_a_long_name@and_a_variant/seed12"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_status_never_cuts_what_names_a_run(width: int):
    spec = RunSpec.parse(SPEC)
    reason = "loss/value became nan at env step 4,000 of a long sentence that needs more than one line of a terminal"
    run = status.Progress(spec, "failed", env_step=4_000, total_env_steps=10_000, env_steps_per_s=12.0, note=reason)
    lines = shown(status.table([run]), width).splitlines()
    assert max(map(len, lines)) <= width
    assert SPEC.replace("/", "") in "".join("".join(lines).split()).replace("/", "")
    assert "".join(reason.split()) in "".join("".join(line.split()) for line in lines)
    assert any("4,000" in line for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_the_list_never_cuts_what_names_an_experiment(root: Path, width: int):
    experiments = registry.load(root / "reproduce.yaml")
    listed = list(listing.entries(root, experiments, ["toy"], "runs"))
    lines = shown(listing.render(listed, show_all=True), width).splitlines()
    assert max(map(len, lines)) <= width
    for name in ("random_walk", "drift"):
        assert [line for line in lines if "toy" in line and "line" in line and name in line and "paper" in line]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "words",
    [("list", "--all"), ("status",), ("compare", "--paper", "toy"), ("plan", "--paper", "toy", "--task", "line")],
)
def test_no_command_ends_in_an_encoding_error(root: Path, words: tuple[str, ...], encoding: str):
    for seed in range(5):
        spec = RunSpec.parse(f"paper/toy/line/drift/seed{seed}")
        directory = run_directory(root, spec)
        directory.mkdir(parents=True)
        (directory / "metrics.csv").write_text(f"env_step,wall_s,name,value\n1000,1.0,eval/return,{seed}.5\n")
        write_manifest(directory, spec, {"total_env_steps": 1000, "threads": 1})
    done = subprocess.run(
        [sys.executable, "-m", "mirl.suite.cli", *words],
        cwd=root, capture_output=True, timeout=120, env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert "drift" in text
    if words[0] == "compare":
        assert "+-" in text if encoding == "ascii" else "±" in text


def test_the_plan_cuts_no_word_on_80_columns(root: Path):
    experiments = registry.load(root / "reproduce.yaml")
    text = shown(plan.render(list(plan.estimate_all(root, experiments, select(experiments, "paper", "toy")))), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert [line.split() for line in text.splitlines() if "drift" in line] == [
        ["drift", "0,", "1,", "2,", "3,", "4", "1,000", "22", "s", "200", "MiB", "not", "measured"]
    ]
    assert text.rstrip().endswith("time and disk a run: registered cost")


@pytest.mark.parametrize(
    ("program", "words", "code"),
    [
        ("mirl.suite.cli", ["list"], 0),
        ("mirl.suite.cli", ["lst"], 2),
        ("toy", ["describe"], 0),
        ("toy", ["describ"], 2),
    ],
)  # fmt: skip
def test_a_reader_who_leaves_or_a_full_disk_changes_no_other_exit_code(
    root: Path, program: str, words: list[str], code: int
):
    """As `mirl list | head -1` and `mirl list > /full/list.txt`; on a full disk what was to be read is missing: 1."""
    command = [sys.executable, "-m", program, *words]
    reading, writing = os.pipe()
    os.close(reading)
    gone = subprocess.run(command, cwd=root, env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, text=True)
    deaf = subprocess.run(command, cwd=root, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    with open("/dev/full", "wb") as disk:
        full = subprocess.run(command, cwd=root, env=ENVIRONMENT, stdout=disk, stderr=subprocess.PIPE, text=True)
        mute = subprocess.run(command, cwd=root, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=disk)
    assert [gone.returncode, deaf.returncode, full.returncode, mute.returncode] == [code or 1, code, code or 1, code]
    assert gone.stderr.count("\n") == bool(code)
    assert full.stderr.count("\n") == 1
    assert code or full.stderr.endswith(": No space left on device\n")


def test_a_stop_that_cannot_be_told_ends_with_its_own_code():
    program = """if True:
        from mirl.signals import Stopped
        from mirl.suite import cli
        def stop(): raise Stopped("stopped " * 2000)  # more than a buffer holds
        raise SystemExit(cli.guarded(stop))
    """
    with open("/dev/full", "wb") as disk:
        done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, stdout=disk, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"")
