"""A reader's own runs against a paper's, through the real command line; docs/own-method.md as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mirl import results
from mirl.config import ConfigError
from mirl.suite import publish
from mirl.suite.results import published_directory, run_directory
from mirl.suite.selection import RunSpec
from toy.whole import write_manifest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/own-method.md").read_text(encoding="utf-8")
WITH = ("compare", "--paper", "toy", "--task", "line", "--with", "mine")
REFERENCE = (
    "task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note\n"
    "line,drift,,eval/return,,10,0.3,sd,10,points,result,paper_table,Table 1,\n"
)


@pytest.fixture
def repository(root: Path) -> Path:
    """The toy's repository with five published seeds of drift, and a number that is reported of it."""
    for seed in range(5):
        spec = RunSpec.parse(f"paper/toy/line/drift/seed{seed}")
        directory = run_directory(root, spec)
        directory.mkdir(parents=True)
        rows = "".join(f"{step},1.0,eval/return,{step / 100 + seed / 10}\n" for step in (500, 1000))
        (directory / "metrics.csv").write_text(f"env_step,wall_s,name,value\n{rows}")
        write_manifest(directory, spec, {"total_env_steps": 1000, "threads": 1})
        publish.copy_small(directory, published_directory(root, spec))
    (root / "results/reference").mkdir()
    (root / "results/reference/toy.csv").write_text(REFERENCE)
    return root


def bring(root: Path, finals: list[float], header: str = "env_step,name,value", end: int = 1000) -> Path:
    """A folder with a table a seed."""
    folder = root / "mine"
    folder.mkdir()
    for seed, value in enumerate(finals):
        name = "eval/return," if "name" in header else ""
        rows = "".join(f"{step},{name}{value * step / end}\n" for step in (end // 2, end))
        (folder / f"seed{seed}.csv").write_text(f"{header}\n{rows}")
    return folder


def test_own_seeds_are_judged_against_the_reported_number_and_the_published_runs(mirl, repository: Path):
    bring(repository, [12.1, 12.3, 12.0, 12.2, 12.4])
    registration = (repository / "reproduce.yaml").read_bytes()
    told = json.loads(mirl(*WITH, "--json").stdout)
    rows = {row["method"]: row for row in told["methods"]}
    assert list(told["seeds"].values()) == [12.1, 12.3, 12.0, 12.2, 12.4]
    assert rows["drift"]["verdict"] == "better"
    assert (rows["drift"]["probability"], rows["drift"]["p"]) == (1.0, pytest.approx(2 / 252))
    assert rows["drift"]["finding"].startswith("yours is better: a run of yours is better than a published one")
    assert rows["random_walk"]["verdict"] == "no reference"
    assert rows["random_walk"]["finding"] == "no published run of random_walk at this budget"
    shown = mirl(*WITH, "--picture", "mine.png")
    assert shown.returncode == 0, shown.stderr
    assert "yours: 12.20 ± 0.16" in shown.stdout
    assert (repository / "mine.png").read_bytes().startswith(b"\x89PNG")
    assert (repository / "reproduce.yaml").read_bytes() == registration
    assert not (repository / "results/runs/paper/toy/verdict.json").exists()


def test_two_columns_of_other_names_and_other_steps_are_told(mirl, repository: Path):
    bring(repository, [10.0, 10.1, 9.9, 10.2, 9.8], header="steps,score", end=250)
    mapped = ("--columns", "steps,score", "--env-steps-per-step", "4", "--json")
    found = mirl(*WITH, *mapped)
    assert found.returncode == 0, found.stderr
    drift = next(row for row in json.loads(found.stdout)["methods"] if row["method"] == "drift")
    assert drift["verdict"] == "equivalent"


def test_three_seeds_are_shown_and_inconclusive(mirl, repository: Path):
    bring(repository, [12.1, 12.3, 12.0])
    drift = next(r for r in json.loads(mirl(*WITH, "--json").stdout)["methods"] if r["method"] == "drift")
    assert (drift["verdict"], drift["reason"]) == ("inconclusive", "3 seeds; at least 5 can carry a verdict")
    assert drift["finding"].startswith("inconclusive: 3 seeds against 5, at least 5 carry a conclusion")


def test_a_seed_that_may_be_there_twice_is_told(mirl, repository: Path):
    bring(repository, [12.1, 12.3, 12.1])
    told = json.loads(mirl(*WITH, "--json").stdout)["warning"]
    assert told == "seed2.csv has the rows of seed0.csv: one seed that is brought twice would count twice"
    (repository / "mine/seed2.csv").unlink()
    assert json.loads(mirl(*WITH, "--json").stdout)["warning"] == ""


def no_column(root: Path) -> None:
    bring(root, [1.0], header="step,name,value")


def no_number(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_text("env_step,name,value\n500,eval/return,1\n1000,eval/return,high\n")


def half_a_step(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_text("env_step,name,value\n0.5,eval/return,1\n")


def more_than_anybody_takes(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_text("env_step,name,value\n1e30,eval/return,1\n")


def no_step_at_all(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_text("env_step,name,value\n0,eval/return,1\n")


def two_seeds_in_a_table(root: Path) -> None:
    seed = bring(root, [1.0]) / "seed0.csv"
    seed.write_text(seed.read_text() + "500,eval/return,0.4\n1000,eval/return,0.9\n")


def other_metric(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_text("env_step,name,value\n1000,eval/retrun,1\n")


def no_table(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_bytes(b"\x89PNG\x00\xff\n")


def no_rows(root: Path) -> None:
    (bring(root, [1.0]) / "seed0.csv").write_text("env_step,name,value\n")


@pytest.mark.parametrize(
    ("damage", "words", "message"),
    [
        (no_column, (), "has no column env_step; did you mean step? (columns: step, name, value)"),
        (no_number, (), "line 3: value must be a number, got 'high'"),
        (half_a_step, (), "line 2: env_step must be a whole number of steps, 1e+12 at most, got 0.5"),
        (more_than_anybody_takes, (), "line 2: env_step must be a whole number of steps, 1e+12 at most, got 1e+30"),
        (no_step_at_all, (), "ends at env step 0, the budget has 1,000\n"),
        (two_seeds_in_a_table, (), "has eval/return twice at env step 500; a table is one seed, with one value a step"),
        (other_metric, (), "never recorded eval/return (it has eval/retrun)"),
        (no_table, (), "is not a table"),
        (no_rows, (), "has no rows"),
        (lambda root: (root / "mine").mkdir(), (), "holds no table"),
        (lambda root: None, (), "--with mine is not a folder"),
        (
            lambda root: bring(root, [1.0], end=250),
            (),
            "ends at env step 250, the budget has 1,000; if one of its steps",
        ),
        (lambda root: bring(root, [1.0], end=4000), (), "ends at env step 4,000, the budget has 1,000"),
        (lambda root: bring(root, [1.0]), ("--columns", "steps"), "--columns must name two columns"),
        (lambda root: bring(root, [1.0]), ("--columns", "steps,score"), "has no column steps; did you mean env_step?"),
        (lambda root: bring(root, [1.0]), ("--columns", "value,value"), "--columns must name two columns"),
        (lambda root: bring(root, [1.0]), ("--env-steps-per-step", str(10**19)), "less than or equal to 1000000"),
        (lambda root: bring(root, [1.0]), ("--setting", "hard"), "task line has one test condition alone"),
        (lambda root: bring(root, [1.0]), ("--picture", "reproduce.yaml/a.png"), "reproduce.yaml is a file"),
        (lambda root: bring(root, [1.0]), ("--picture", "a.txt"), "--picture must end in .png, .svg or .pdf"),
        (lambda root: bring(root, [1.0]), ("--published",), "--with judges your own runs; it takes neither"),
    ],
)
def test_what_cannot_be_judged_is_one_line(mirl, repository: Path, damage, words, message):
    damage(repository)
    refused = mirl(*WITH, *words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_results_are_tidy_frames_and_a_damaged_run_is_left_out(repository: Path):
    broken = published_directory(repository, RunSpec.parse("paper/toy/line/drift/seed3")) / "metrics.csv.gz"
    broken.write_bytes(broken.read_bytes()[:-4])
    found = results.load("toy", "line", root=repository)
    assert found.runs["seed"].tolist() == [0, 1, 2, 3, 4]
    assert found.runs["value"].tolist()[:3] == [10.0, 10.1, 10.2]
    assert found.runs["fault"].tolist()[3] == "damaged (metrics.csv.gz is not a whole gzip archive)"
    assert sorted(found.curves["seed"].unique()) == [0, 1, 2, 4]
    assert list(found.episodes.columns) == list(results.EPISODES)
    with pytest.raises(ConfigError, match="no task 'lime'"):
        results.load("toy", "lime", root=repository)
    with pytest.raises(ConfigError, match="no run of toy/line at budget workstation"):
        results.load("toy", "line", "workstation", root=repository)


def test_the_page_does_what_it_says(tmp_path: Path):
    bring_them, from_python = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (command,) = re.findall(r"^    mirl (compare .*)$", PAGE, re.MULTILINE)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", bring_them], cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "mirl.suite.cli", *shlex.split(command), "--root", str(ROOT)],
        cwd=tmp_path, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "my-runs on mime wide_ring, budget paper" in done.stdout
    assert (tmp_path / "my-runs.png").exists()
    told = subprocess.run(
        [sys.executable, "-c", from_python], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert "maml" in told.stdout
