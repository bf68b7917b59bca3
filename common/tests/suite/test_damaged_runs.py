"""Every kind of damage to published runs and to our own, through every command that reads them.

One tree holds a run of each kind beside whole ones, and each command reads it once: a bad run is named, hides no other
one and carries no verdict.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mirl.suite import cli, publish
from mirl.suite.results import published_directory, run_directory
from mirl.suite.selection import RunSpec
from toy.whole import write_manifest

SEEDS = 20
REPRODUCE = f"""
version: 1
papers:
  toy:
    title: Toy
    citation: nobody, nowhere
    fidelities: [faithful]
    fidelity: faithful
    regression: {{ours: {{last: [eval/return]}}, theirs: {{last: [eval/return]}}}}
    tasks:
      line: &line
        title: a line
        methods: [ours, theirs]
        metric: {{name: eval/return, unit: points}}
        margin: 2.0
        budgets: {{tiny: &many {{env_steps: 20, seeds: {list(range(SEEDS))}}}, workstation: *many, paper: *many}}
        cost: {{ours: &cost {{env_steps_per_s: 10, memory_mib: 10}}, theirs: *cost}}
      hill:
        <<: *line
        title: a hill
        budgets: {{tiny: &five {{env_steps: 20, seeds: [0, 1, 2, 3, 4]}}, workstation: *five, paper: *five}}
    claims:
      - {{id: on-the-line, statement: better, source: T1, tasks: [line], better: ours, worse: theirs}}
      - {{id: on-the-hill, statement: better, source: T1, tasks: [hill], better: ours, worse: theirs}}
"""


@dataclass(frozen=True)
class Kind:
    """One way in which a run is damaged."""

    damage: Callable[[Path, Path], object]
    """Of its folder; the second one is that of the seed after it."""
    file: str
    """Which is named."""
    fault: str
    """What is said of it."""


def repack(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    path = folder / f"{name}.gz"
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes())), mtime=0))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def change_manifest(folder: Path, **fields: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def rewrite(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "manifest.json"
    path.write_bytes(change(path.read_bytes()))


CHANGED = "does not have the sha256 that the run's manifest records"
KINDS = {
    "changed value": Kind(
        lambda run, _: repack(run, "metrics.csv", lambda text: text.replace(b"eval/return,5", b"eval/return,9")),
        "metrics.csv.gz", CHANGED,
    ),
    "flipped bit": Kind(lambda run, _: flip(run / "metrics.csv.gz"), "metrics.csv.gz", ""),
    "truncated archive": Kind(
        lambda run, _: os.truncate(run / "metrics.csv.gz", 40), "metrics.csv.gz", "is not a whole gzip archive"
    ),
    "plain text as archive": Kind(
        lambda run, _: (run / "metrics.csv.gz").write_text("env_step"), "metrics.csv.gz", "is not a whole gzip archive"
    ),
    "other encoding": Kind(
        lambda run, _: repack(run, "metrics.csv", lambda text: text.decode().encode("utf-16")),
        "metrics.csv.gz", CHANGED,
    ),
    "shortened table": Kind(
        lambda run, _: repack(run, "episodes.csv", lambda text: text[:-3]), "episodes.csv.gz", CHANGED
    ),
    "table of the next seed": Kind(
        lambda run, other: shutil.copy(other / "metrics.csv.gz", run), "metrics.csv.gz", CHANGED
    ),
    "folder of another seed": Kind(exchange, "manifest.json", "is that of the run toy/line/ours/seed"),
    "no table": Kind(lambda run, _: (run / "metrics.csv.gz").unlink(), "metrics.csv", "is missing"),
    "no manifest": Kind(lambda run, _: (run / "manifest.json").unlink(), "manifest.json", "is missing"),
    "empty manifest": Kind(lambda run, _: rewrite(run, lambda _: b""), "manifest.json", "is empty"),
    "torn manifest": Kind(lambda run, _: rewrite(run, lambda text: text[:300]), "manifest.json", "is not valid JSON"),
    "manifest of brackets": Kind(lambda run, _: rewrite(run, lambda _: b"[" * 99_999), "manifest.json", "is not"),
    "manifest in Latin-1": Kind(
        lambda run, _: rewrite(run, lambda text: text.replace(b"a processor", b"a proc\xe9")),
        "manifest.json", "is not valid JSON",
    ),
    "text for a number": Kind(
        lambda run, _: change_manifest(run, env_steps="many"),
        "manifest.json", "env_steps: Input should be a valid integer",
    ),
    "list for a dictionary": Kind(
        lambda run, _: change_manifest(run, config=[1]), "manifest.json", "config: Input should be an object"
    ),
    "changed config": Kind(
        lambda run, _: change_manifest(run, config={"total_env_steps": 21}), "manifest.json", "config"
    ),
}  # fmt: skip
WITHOUT_MANIFEST = [name for name, kind in KINDS.items() if kind.file == "manifest.json"]
PLACES = {name: seed for seed, name in enumerate(KINDS)}
"""Which seed of toy/line/ours is damaged so; the one after the last kind is whole."""
COMMANDS = {
    "compare": ("compare", "--paper", "toy", "--published"),
    "list": ("list", "--published"),
    "plot": (
        "plot", "--paper", "toy", "--task", "line", "--metric", "eval/return", "--published", "--out", "curves.png",
    ),
    "report": ("report", "--paper", "toy", "--out", "site"),
    "check": ("check", "results/published"),
    "findings": ("findings",),
    "findings of a task": ("findings", "--paper", "toy", "--task", "line"),
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    code: object
    shown: str
    """Both streams, each line cleared of the padding and the line breaks of tables."""
    lines: list[str]
    """Of stderr."""


def ask(root: Path, *words: str) -> Answer:
    """The command line in this process: what it prints, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    arguments, sys.argv = sys.argv, ["mirl", *words]
    try:
        streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with contextlib.chdir(root), streams[0], streams[1], pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = arguments
    shown = " ".join((out.getvalue() + err.getvalue()).split())
    return Answer(ended.value.code, shown, err.getvalue().splitlines())


def finish(root: Path, text: str, value: float) -> None:
    spec = RunSpec.parse(text)
    directory = run_directory(root, spec)
    directory.mkdir(parents=True)
    rows = "".join(f"{step},{value},eval/return,{value + step / 100}\n" for step in range(1, 21))
    (directory / "metrics.csv").write_text(f"env_step,wall_s,name,value\n{rows}")
    episodes = "env_step,setting,episode,return,length,success\n"
    (directory / "episodes.csv").write_text(f"{episodes}20,test,0,{value},20,nan\n")
    write_manifest(directory, spec, {"total_env_steps": 20, "threads": 1})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods on two tasks, many seeds on the first, finished and published; `ours` is always better."""
    root = tmp_path_factory.mktemp("whole")
    (root / "reproduce.yaml").write_text(REPRODUCE)
    for task, seeds in (("line", SEEDS), ("hill", 5)):
        for method, level in (("ours", 5.0), ("theirs", 2.0)):
            for seed in range(seeds):
                text = f"paper/toy/{task}/{method}/seed{seed}"
                finish(root, text, level + seed / 1000)
                spec = RunSpec.parse(text)
                publish.copy_small(run_directory(root, spec), published_directory(root, spec))
    return root


def of_line(root: Path, seed: int) -> Path:
    return published_directory(root, RunSpec.parse(f"paper/toy/line/ours/seed{seed}"))


@pytest.fixture(scope="module")
def damaged(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind of damage; the folders of two seeds are exchanged, so two more runs are damaged."""
    root = Path(shutil.copytree(whole, tmp_path_factory.mktemp("damaged") / "root"))
    for name, seed in PLACES.items():
        folder, after = of_line(root, seed), of_line(root, len(KINDS))
        KINDS[name].damage(folder, after)
    return root


@pytest.fixture(scope="module")
def answers(damaged: Path) -> dict[str, Answer]:
    return {name: ask(damaged, *words) for name, words in COMMANDS.items()}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_run_is_named_with_its_file_and_its_fault(
    answers: dict[str, Answer], kind: str, command: str
) -> None:
    answer, place = answers[command], f"results/published/toy/paper/line/ours/seed{PLACES[kind]}"
    file, fault = KINDS[kind].file, KINDS[kind].fault
    assert answer.code == 1
    assert "Traceback" not in answer.shown
    if command == "check":
        _, _, after = answer.shown.partition(f"{place} ")
        assert file.removesuffix(".gz").split(".")[0] in after.partition(" results/")[0]
        return
    (line,) = [line for line in answer.lines if f"{place}/" in line]
    assert line.startswith(f"mirl: {place}/{file} ")
    assert fault in line


def test_the_whole_runs_are_judged_and_shown_all_the_same(answers: dict[str, Answer]) -> None:
    compared = answers["compare"].shown
    assert "on-the-hill 1.00 1.00 … 1.00" in compared
    assert compared.count(" holds") == 1
    assert f"ours on line: seeds 0, 4, 6 damaged (metrics.csv.gz {CHANGED})" in compared
    for command in ("compare", "list", "plot", "report", "findings", "findings of a task"):
        assert len(answers[command].lines) == len(KINDS) + 1  # exchanged folders damage two runs
    assert "curves.png shows ours, theirs" in answers["plot"].shown
    assert "open site/index.html in a browser" in answers["report"].shown
    assert f"| {2 * (SEEDS + 5) - len(WITHOUT_MANIFEST) - 1} |" in answers["findings"].shown
    assert "| `theirs` | 2.2 | 2.2 |" in answers["findings of a task"].shown


@pytest.fixture
def hill(whole: Path, tmp_path: Path) -> Path:
    """Five published seeds of two methods on one task."""
    shutil.copy(whole / "reproduce.yaml", tmp_path)
    place = "results/published/toy/paper/hill"
    shutil.copytree(whole / place, tmp_path / place)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_no_claim_holds_on_a_damaged_seed(hill: Path, kind: str) -> None:
    published = hill / "results/published/toy/paper/hill/ours"
    KINDS[kind].damage(published / "seed0", published / "seed1")
    answer = ask(hill, "compare", "--paper", "toy", "--published", "--task", "hill")
    assert answer.code == 1
    assert " holds " not in answer.shown
    assert "ours on hill: seed" in answer.shown


@pytest.mark.parametrize("kind", WITHOUT_MANIFEST)
def test_the_policy_of_a_run_without_a_whole_manifest_is_not_filmed(hill: Path, kind: str) -> None:
    published = hill / "results/published/toy/paper/hill/ours"
    for seed in (0, 1):
        (published / f"seed{seed}/policy").mkdir()
    KINDS[kind].damage(published / "seed0", published / "seed1")
    answer = ask(hill, "watch", "toy", "hill", "ours", "--seed", "0")
    (line,) = answer.lines
    assert answer.code == 1
    assert line.startswith(f"mirl: {published}/seed0/manifest.json ")


def test_whole_runs_are_no_damage(hill: Path) -> None:
    answer = ask(hill, "compare", "--paper", "toy", "--published", "--task", "hill")
    assert (answer.code, answer.lines) == (0, [])
    assert " holds " in answer.shown


RECORDS = {
    "empty": "", "torn": '{"status": ', "list": "[]", "text for a number": '{"env_step": "many"}',
    "attempts of numbers": '{"attempts": [1]}', "rate that is no number": '{"env_steps_per_s": NaN}',
}  # fmt: skip


def test_status_names_every_damaged_run_and_shows_the_others(whole: Path) -> None:
    folders = {}
    for seed, (name, text) in enumerate(RECORDS.items()):
        folders[name] = run_directory(whole, RunSpec.parse(f"tiny/toy/line/ours/seed{seed}"))
        folders[name].mkdir(parents=True)
        (folders[name] / "run.json").write_text(text)
    for seed, text in ((6, "{}"), (7, ""), (8, "[]")):
        folders[f"manifest {seed}"] = run_directory(whole, RunSpec.parse(f"tiny/toy/line/ours/seed{seed}"))
        folders[f"manifest {seed}"].mkdir(parents=True)
        (folders[f"manifest {seed}"] / "manifest.json").write_text(text)
    try:
        answer, checked = ask(whole, "status", "--all"), ask(whole, "check", "results/runs")
    finally:
        shutil.rmtree(whole / "results/runs/tiny")
    assert answer.code == 1
    for seed in range(len(folders)):
        file = "run.json" if seed < len(RECORDS) else "manifest.json"
        place = f"results/runs/tiny/toy/line/ours/seed{seed}"
        named = [line for line in answer.lines if line.startswith(f"mirl: {place}/{file} is ")]
        assert f"{place} " in checked.shown
        goes_on = [line.endswith("; the run is not finished, and the same mirl command goes on") for line in named]
        assert goes_on == [file == "manifest.json"]
    assert "9 damaged, 50 finished" in answer.shown
    assert checked.code == 1


def test_a_changed_run_of_ours_is_neither_compared_nor_published(whole: Path) -> None:
    path = run_directory(whole, RunSpec.parse("paper/toy/line/ours/seed3")) / "metrics.csv"
    before = path.read_text()
    path.write_text(before.replace("5.2", "9.2"))
    try:
        compared = ask(whole, "compare", "--paper", "toy")
        published = ask(whole, "publish", "--paper", "toy", "--task", "line", "--method", "ours")
    finally:
        path.write_text(before)
    assert compared.code == 1
    assert compared.lines == [f"mirl: results/runs/paper/toy/line/ours/seed3/metrics.csv {CHANGED}"]
    assert published.code == 2
    assert published.lines[0].endswith(f"metrics.csv {CHANGED}; only whole runs are published")
