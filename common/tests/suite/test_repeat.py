"""`mirl repeat`, on the toy paper: a published run is made again and held against what was published."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirl.config import digest
from mirl.suite import experiments as registry
from mirl.suite import venvs
from mirl.suite.results import published_directory, run_directory
from mirl.suite.runner import paper_python, train_arguments
from mirl.suite.selection import RunSpec
from toy.driver import contents

Mirl = Callable[..., subprocess.CompletedProcess[str]]
LINE = ("toy", "line", "drift")
Change = Callable[[list[str]], list[str]]


@pytest.fixture
def published(root: Path, mirl_here: Mirl) -> Path:
    """A published tiny run of one seed."""
    return publish(root, mirl_here, "drift")


def publish(root: Path, mirl_here: Mirl, method: str) -> Path:
    spec = RunSpec.parse(f"tiny/toy/line/{method}/seed0")
    words = train_arguments(registry.load(root / "reproduce.yaml"), spec)
    command = [paper_python(root, "toy"), "-m", "toy", *words, "--run-dir", run_directory(root, spec)]
    subprocess.run(command, check=True, capture_output=True, env=venvs.clean_environment())
    done = mirl_here("publish", "--paper", "toy", "--method", method, "--budget", "tiny", "--seeds", "0")
    assert done.returncode == 0, done.stderr
    return published_directory(root, spec)


def rewrite(published: Path, change: Change | None = None, **fields: Any) -> None:
    """Change the rows of a published run's metrics.csv and fields of its manifest, which vouches for them again."""
    table, manifest = published / "metrics.csv.gz", published / "manifest.json"
    header, *rows = gzip.decompress(table.read_bytes()).decode().splitlines()
    content = ("\n".join([header, *(change(rows) if change else rows)]) + "\n").encode()
    table.write_bytes(gzip.compress(content, 9, mtime=0))
    said = json.loads(manifest.read_text()) | fields
    said["files"]["metrics.csv"] = hashlib.sha256(content).hexdigest()
    manifest.write_text(json.dumps(said))


def times(factor: float, first: int, metric: str = "train/return") -> Change:
    """Multiply the values of a metric from its n-th row on."""

    def change(rows: list[str]) -> list[str]:
        places = [number for number, row in enumerate(rows) if row.split(",")[2] == metric][first:]
        for place in places:
            step, wall, name, value = rows[place].split(",")
            rows[place] = f"{step},{wall},{name},{float(value) * factor}"
        return rows

    return change


def test_a_published_run_repeats_bit_for_bit_and_is_not_made_twice(root: Path, published: Path, mirl_here: Mirl):
    done = mirl_here("repeat", *LINE, "--budget", "tiny")
    assert done.returncode == 0, done.stderr
    assert "tiny/toy/line/drift/seed0: all " in done.stdout
    assert "rows are equal, bit for bit" in done.stdout
    manifest = root / "results/runs/repeated/tiny/toy/line/drift/seed0/manifest.json"
    before = manifest.stat().st_mtime_ns
    assert mirl_here("repeat", *LINE).returncode == 0  # the only budget that is published
    assert manifest.stat().st_mtime_ns == before


def test_what_time_took_is_not_compared(published: Path, mirl_here: Mirl):
    rewrite(published, times(2, 0, "time/now"))
    assert "bit for bit" in mirl_here("repeat", *LINE).stdout


def test_one_other_row_does_not_repeat_and_is_named(published: Path, mirl_here: Mirl):
    rewrite(published, times(1.25, 3))
    rewrite(published, lambda rows: [row for row in rows if ",loss/distance," not in row])
    done = mirl_here("repeat", *LINE)
    assert done.returncode == 1
    assert "rows are equal; beside them the repetition has loss/distance\n" in done.stdout
    assert "the first that differs: train/return " in done.stdout
    assert "it does not repeat (docs/runs.md)" in done.stdout


def test_a_row_too_many_does_not_repeat(published: Path, mirl_here: Mirl):
    rewrite(published, lambda rows: [*rows, "900,9.0,train/return,1.0"])
    done = mirl_here("repeat", *LINE)
    assert done.returncode == 1
    assert "does not repeat" in done.stdout


def test_metrics_that_a_later_version_writes_beside_the_others_are_named_and_not_compared(
    published: Path, mirl_here: Mirl
):
    rewrite(published, lambda rows: [row for row in rows if ",loss/distance," not in row])
    done = mirl_here("repeat", *LINE)
    assert done.returncode == 0
    assert "rows are equal, bit for bit; beside them the repetition has loss/distance\n" in done.stdout


@pytest.mark.parametrize(
    ("factor", "first", "code", "words"),
    [
        (1.25, 3, 0, "it agrees as far as can be asked of another host"),
        (1.0005, 0, 0, "it agrees as far as can be asked of another host"),
        (1.002, 0, 1, "it does not repeat"),
        (float("nan"), 0, 1, "it does not repeat"),
    ],
)
def test_of_another_host_the_first_values_are_asked(
    published: Path, mirl_here: Mirl, factor: float, first: int, code: int, words: str
):
    rewrite(published, times(factor, first), cpu="another one")
    done = mirl_here("repeat", *LINE)
    assert (done.returncode, words in done.stdout) == (code, True), done.stdout
    assert "  cpu there another one, here " in done.stdout


def test_another_config_is_another_run(published: Path, mirl_here: Mirl):
    config = json.loads((published / "manifest.json").read_text())["config"] | {"drift": 0.5}
    rewrite(published, times(1.25, 3), cpu="another one", config=config, config_sha256=digest(config))
    done = mirl_here("repeat", *LINE)
    assert done.returncode == 1
    assert "  drift there 0.5, here " in done.stdout


def test_a_stopped_repetition_goes_on(root: Path, mirl_here: Mirl):
    publish(root, mirl_here, "drift@slow")
    words = [sys.executable, "-m", "mirl.suite.cli", "repeat", "toy", "line", "drift@slow"]
    directory = root / "results/runs/repeated/tiny/toy/line/drift@slow/seed0"
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as repeating:
        while not (directory / "checkpoint/latest.json").exists():
            assert repeating.poll() is None
            time.sleep(0.05)
        repeating.send_signal(signal.SIGTERM)
    done = mirl_here("repeat", "toy", "line", "drift@slow")
    assert (done.returncode, "bit for bit" in done.stdout) == (0, True), done.stdout + done.stderr
    attempts = json.loads((directory / "manifest.json").read_text())["attempts"]
    assert attempts > 1


def test_a_repetition_whose_manifest_breaks_the_contract_goes_on(root: Path, published: Path, mirl_here: Mirl):
    assert mirl_here("repeat", *LINE).returncode == 0
    manifest = root / "results/runs/repeated/tiny/toy/line/drift/seed0/manifest.json"
    manifest.write_text(manifest.read_text().replace('"env_steps": 200', '"env_steps": "many"'))
    done = mirl_here("repeat", *LINE)
    assert (done.returncode, "bit for bit" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "got 'many' and is now manifest.json.aside-1; the run goes on" in done.stdout


def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(root: Path, published: Path):
    theirs = root / "theirs"
    theirs.mkdir()
    (theirs / "manifest.json").write_text("{}")
    words = [sys.executable, "-m", "mirl.suite.cli", "repeat", *LINE, "--out", "theirs"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True)
    complaint = "toy: theirs holds files of something else (manifest.json); choose another folder\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", complaint)
    assert contents(theirs) == {"manifest.json": b"{}"}


def damaged(published: Path) -> None:
    (published / "metrics.csv.gz").write_bytes(gzip.compress(b"nothing"))


def with_a_file(published: Path) -> None:
    command = json.loads((published / "manifest.json").read_text())["command"]
    rewrite(published, command=[*command, "--weights", "<own.pt>"])


def no_change(published: Path) -> None:
    """As it was published."""


@pytest.mark.parametrize(
    ("change", "words", "code", "complaint"),
    [
        (no_change, ["toy", "line", "random_walk"], 2, "no run of toy/line/random_walk is published"),
        (no_change, [*LINE, "--seed", "7"], 2, "(seed 7) is published (there are: tiny/toy/line/drift/seed0)"),
        (no_change, [*LINE, "--budget", "paper"], 2, "(paper) is published"),
        (no_change, ["toy", "line", "drfit"], 2, "drfit"),
        (no_change, ["toi", "line", "drift"], 2, "toi"),
        (no_change, [*LINE, "--out", "reproduce.yaml/again"], 2, "reproduce.yaml is a file"),
        (with_a_file, [*LINE], 2, "was trained with files that are not published: <own.pt>"),
        (damaged, [*LINE], 1, "does not have the sha256 that the run's manifest records"),
    ],
)
def test_what_cannot_be_repeated_is_one_line(
    root: Path,
    published: Path,
    mirl_here: Mirl,
    change: Callable[[Path], None],
    words: list[str],
    code: int,
    complaint: str,
):
    change(published)
    done = mirl_here("repeat", *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (root / "results/runs/repeated").exists()
