"""From finished runs to bands, verdicts and published results, through the real command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mirl.paper import main
from mirl.suite import experiments as registry
from mirl.suite import runner
from mirl.suite.selection import select
from toy.__main__ import PAPER
from toy.whole import vouch_anew

EIGHT = "0,1,2,3,4,5,6,7"


def finish(root: Path, budget: str, seeds: list[int] | None = None, save_every: int = 1000) -> None:
    """Finish runs as `mirl run` would, without its processes."""
    experiments = registry.load(root / "reproduce.yaml")
    for spec in select(experiments, budget, "toy", seeds=seeds):
        words = runner.train_arguments(experiments, spec)
        directory = root / "results/runs" / str(spec)
        assert (
            main(PAPER, [*words, "--run-dir", str(directory), "--no-tensorboard", "--save-every", str(save_every)]) == 0
        )


def test_bands_are_recorded_with_a_reason_and_hold_the_next_runs(mirl, root: Path):
    finish(root, "tiny", list(range(8)))
    recorded = mirl("regress", "--paper", "toy", "--update", "--why", "first bands", "--seeds", EIGHT)
    assert recorded.returncode == 0, recorded.stderr
    tables = "results/regression/toy.csv", "results/regression/toy-first.csv"
    assert f"{' and '.join(tables)} are renewed from 16 runs" in recorded.stdout
    assert [(root / table).read_text().count("first bands") for table in tables] == [2, 16]
    judged = mirl("regress", "--paper", "toy")
    assert judged.returncode == 0
    assert judged.stdout.count("within") == 8
    assert mirl("check", "results").returncode == 0


def test_a_value_outside_its_band_is_named_and_fails(mirl, root: Path):
    finish(root, "tiny", list(range(8)))
    assert mirl("regress", "--update", "--why", "first bands", "--seeds", EIGHT).returncode == 0
    metrics = root / "results/runs/tiny/toy/line/drift/seed1/metrics.csv"
    metrics.write_text(metrics.read_text() + "200,1.0,eval/return,1000000.0\n")
    vouch_anew(metrics.parent)
    judged = mirl("regress", "--paper", "toy")
    assert judged.returncode == 1
    assert [line.split()[:2] for line in judged.stdout.splitlines() if line.rstrip().endswith("  outside")] == [
        ["eval/return", "1"]
    ]


def test_a_first_value_that_is_two_percent_off_is_named_and_fails(mirl, root: Path):
    finish(root, "tiny", list(range(8)))
    assert mirl("regress", "--update", "--why", "first bands", "--seeds", EIGHT).returncode == 0
    metrics = root / "results/runs/tiny/toy/line/drift/seed1/metrics.csv"
    rows = metrics.read_text().splitlines()
    where = next(number for number, row in enumerate(rows) if ",train/return," in row)
    before, value = rows[where].rsplit(",", 1)
    rows[where] = f"{before},{1.02 * float(value)!r}"
    metrics.write_text("\n".join(rows) + "\n")
    vouch_anew(metrics.parent)
    judged = mirl("regress", "--paper", "toy")
    assert judged.returncode == 1
    assert [line.split()[:3] for line in judged.stdout.splitlines() if line.rstrip().endswith("  outside")] == [
        ["train/return", "(first)", "1"]
    ]
    assert "2.00% from what seed 1 recorded first" in judged.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--update",), "--update needs --why"),
        (("--update", "--why", "few", "--seeds", "0,1"), "at least 5 are needed"),
        (("--update", "--why", "x", "--seeds", "0;1"), "--seeds must be whole numbers"),
    ],
)
def test_bands_without_a_reason_or_from_few_seeds_are_refused_in_one_line(mirl, root: Path, words, message):
    finish(root, "tiny")
    refused = mirl("regress", "--paper", "toy", *words)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (root / "results/regression").exists()


def test_a_comparison_prints_its_rows_and_writes_verdict_json(mirl, root: Path):
    finish(root, "paper")
    shown = mirl("compare", "--paper", "toy")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("no reference") == 2
    verdict = json.loads((root / "results/runs/paper/toy/verdict.json").read_text())
    assert [row["ours"]["n"] for row in verdict["rows"]] == [5, 5]
    assert verdict["claims"][0]["verdict"] == "holds"
    assert len(verdict["registration_sha256"]) == 64


def test_published_runs_are_small_valid_and_the_same_bytes_again(mirl, root: Path):
    finish(root, "tiny", save_every=100)
    assert mirl("publish", "--paper", "toy", "--budget", "tiny").returncode == 0
    folder = root / "results/published/toy"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    films = 2 * 3  # of each method's first seed
    assert len(before) == 4 * (3 + 3) + films + 1  # manifest, tables and policy of each run, and the summary
    assert mirl("publish", "--paper", "toy", "--budget", "tiny").returncode == 0
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert mirl("check", "results/published").returncode == 0


def test_the_policy_of_a_published_run_is_tested_and_filmed(mirl, root: Path):
    finish(root, "tiny", save_every=100)
    published = mirl("publish", "--paper", "toy", "--budget", "tiny", "--method", "drift")
    assert published.stdout.splitlines()[0].startswith(
        "results/published/toy/tiny/line/drift/seed0  policy after 200 env steps, "
    )
    assert "; film after 200 env steps, " in published.stdout.splitlines()[0]
    run = root / "results/runs/tiny/toy/line/drift/seed1"
    before = evaluated(root, run)
    shutil.rmtree(root / "results/runs")
    watched = mirl("watch", "toy", "line", "drift", "--seed", "1", "--episodes", "3", "--out", "film.mp4")
    assert watched.returncode == 0, watched.stderr
    assert watched.stdout.startswith(before)
    assert watched.stdout.endswith("film.mp4 shows tiny/toy/line/drift/seed1\n")
    assert (root / "film.mp4").stat().st_size > 500


def test_the_film_of_another_seed_is_published_from_its_policy(mirl, root: Path):
    finish(root, "tiny", save_every=100)
    assert mirl("publish", "--paper", "toy", "--budget", "tiny").returncode == 0
    first, second = (root / f"results/published/toy/tiny/line/drift/seed{seed}/film/film.json" for seed in (0, 1))
    shutil.rmtree(root / "results/runs")
    assert not second.exists()
    watched = mirl("watch", "toy", "line", "drift", "--seed", "1", "--publish")
    assert watched.returncode == 0, watched.stderr
    assert watched.stdout.startswith("tiny/toy/line/drift/seed1: film after 200 env steps, ")
    assert json.loads(second.read_text())["caption"] == json.loads(first.read_text())["caption"]
    assert mirl("check", "results/published").returncode == 0
    first.with_name("film.webm").write_bytes(b"another film")
    (root / "papers/toy/.venv/bin/python").unlink()
    failed = mirl("watch", "toy", "line", "drift", "--publish")
    assert failed.returncode == 1
    assert failed.stdout.endswith("no film (papers/toy/.venv is not set up; run: make setup PAPER=toy)\n")


def evaluated(root: Path, run: Path) -> str:
    """What the toy's own `evaluate` prints of a run directory."""
    command = [str(root / "papers/toy/.venv/bin/python"), "-m", "toy", "evaluate", "--run-dir", str(run)]
    return subprocess.run([*command, "--episodes", "3"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("line", "drift"), "no policy of toy/line/drift is published (none of toy is)"),
        (("lime", "drift"), "no task 'lime' in paper toy; did you mean line?"),
        (("line", "drift", "--budget", "huge"), "no budget 'huge'"),
        (("line", "drift", "--publish", "--out", "film.webm"), "--publish keeps the film beside the published run"),
        (("line", "drift", "--out", "film.gif"), "a film is a .mp4 or a .webm file, got film.gif"),
    ],
)
def test_a_policy_that_is_not_there_is_one_line(mirl, words, message):
    refused = mirl("watch", "toy", *words)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_run_whose_paper_is_not_set_up_is_published_without_its_policy(mirl, root: Path):
    finish(root, "tiny")
    (root / "papers/toy/.venv/bin/python").unlink()
    published = mirl("publish", "--paper", "toy", "--budget", "tiny", "--method", "drift")
    assert published.returncode == 0
    assert published.stdout.count("no policy (papers/toy/.venv is not set up; run: make setup PAPER=toy)") == 2
    assert not list(root.glob("results/published/**/policy"))


def test_only_finished_runs_are_published(mirl):
    refused = mirl("publish", "--paper", "toy", "--task", "line")
    assert refused.returncode == 2
    assert refused.stderr.endswith("is not finished; only finished runs are published\n")


def test_the_list_shows_every_experiment_with_its_cost(mirl):
    listed = mirl("list", "--all").stdout
    assert listed.count("not run") == 2
    assert "10 s" in listed  # 1000 steps at 100 a second
    assert mirl("list", "--paper", "toy").stdout == listed


def test_the_list_opens_with_a_summary_and_leaves_out_what_was_not_run(mirl):
    listed = mirl("list").stdout.splitlines()
    assert listed[0].split()[:2] == ["paper", "registered"]
    assert listed[1].split() == ["toy", "2", "0", "0"]
    assert listed[-1] == "2 more experiments, not run here: mirl list --all, or --paper with one of them"
    assert not [line for line in listed if "drift" in line]


def test_the_readmes_table_shows_what_was_run_and_counts_the_rest(mirl, root: Path):
    nothing = mirl("list", "--markdown").stdout
    assert nothing.rstrip().endswith("Not run at the paper's budget: 2 of 2 rows.")
    finish(root, "workstation")
    table = [line for line in mirl("list", "--markdown").stdout.splitlines() if line.startswith("| toy")]
    assert [line.split(" | ")[2:4] for line in table] == [["random_walk", "workstation"], ["drift", "workstation"]]


def test_the_settings_of_a_task_are_judged_published_and_shown_side_by_side(mirl, root: Path):
    registered = root / "reproduce.yaml"
    extreme = (
        "setting: near\n        settings: {far: {metric: {name: train/return, unit: reward per episode}, margin: 2.0}}"
    )
    registered.write_text(registered.read_text().replace("margin: 1.0", f"margin: 1.0\n        {extreme}"))
    finish(root, "tiny")
    shown = mirl("compare", "--budget", "tiny").stdout
    heads = next(line.split() for line in shown.splitlines() if "far" in line)
    assert heads == ["method", "near", "far"]
    assert mirl("publish", "--paper", "toy", "--budget", "tiny").returncode == 0
    summary = (root / "results/published/toy/summary.csv").read_text().splitlines()
    assert len(summary) == 1 + 4 * 2
    assert mirl("check", "results/published").returncode == 0


def test_a_plot_of_learning_curves_is_written(mirl, root: Path):
    finish(root, "tiny")
    drawn = mirl("plot", "--paper", "toy", "--task", "line", "--budget", "tiny", "--out", "curves.png")
    assert drawn.returncode == 0, drawn.stderr
    assert (root / "curves.png").read_bytes().startswith(b"\x89PNG")
    words = ("plot", "--paper", "toy", "--task", "line", "--budget", "tiny", "--out", "other.png", "--metric")
    near, far = mirl(*words, "eval/retrun"), mirl(*words, "speed")
    assert (near.returncode, far.returncode) == (2, 2)
    assert near.stderr == "mirl: no metric 'eval/retrun' in these runs; did you mean eval/return?\n"
    assert far.stderr.endswith("(metrics: eval/return, loss/distance, time/now, train/return)\n")
    assert not (root / "other.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--paper", "toy", "--out", "curves.png"), "--paper and --task are needed"),
        (("--paper", "toy", "--task", "line", "--out", "curves.txt"), "--out must end in .png, .svg or .pdf"),
        (("--paper", "toy", "--task", "line", "--out", "curves.png"), "no run of this budget is finished"),
    ],
)
def test_a_plot_that_cannot_be_drawn_is_one_line(mirl, root: Path, words, message):
    refused = mirl("plot", *words)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_bench_asks_the_paper_itself(mirl):
    measured = mirl("bench", "--paper", "toy", "--json")
    assert measured.returncode == 0, measured.stderr
    assert {row["name"] for row in json.loads(measured.stdout)["rows"]} >= {"end to end", "update"}


def write_authors(root: Path) -> None:
    """What the toy's authors released of one method, and a p and a t of which the p is wrong."""
    folder = root / "results/reference"
    folder.mkdir(parents=True)
    head = "task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note"
    means = {"random_walk": 12, "drift": 6}
    rows = [
        f"line,{name},,eval/return,,{mean},1.58,sd,5,points,result,paper_table,Table 1," for name, mean in means.items()
    ]
    (folder / "toy.csv").write_text("\n".join([head, *rows, ""]))
    head = "task,method,setting,metric,seed,value,provenance,source"
    rows = [f"line,random_walk,,eval/return,{seed},{10 + seed},author_data,a file" for seed in range(5)]
    (folder / "toy-seeds.csv").write_text("\n".join([head, *rows, ""]))
    head = "task,setting,method,against,statistic,of,value,provenance,source,note"
    rows = [
        f"line,,random_walk,drift,{name},eval/return,{value},paper_table,Table 2,"
        for name, value in (("p", 0.04), ("t", 6.0))
    ]
    (folder / "toy-stated.csv").write_text("\n".join([head, *rows, ""]))


def test_the_authors_own_seeds_are_judged_and_their_statements_recomputed(mirl, root: Path):
    write_authors(root)
    shown = mirl("compare", "--paper", "toy", "--authors")
    assert shown.returncode == 0, shown.stderr
    assert "the seeds that its authors released" in shown.stdout
    assert "4 stated numbers: 3 match, 1 do not match, 0 cannot be recomputed" in shown.stdout
    (p,) = [line for line in shown.stdout.splitlines() if " p " in line and "0.04 " in line]
    assert p.rstrip().endswith("does not match")
    assert not (root / "results/runs").exists()
    told = json.loads(mirl("compare", "--paper", "toy", "--authors", "--json").stdout)
    assert [row["method"] for row in told["comparison"]["rows"]] == ["random_walk"]
    assert [one["finding"] for one in told["stated"]] == ["matches", "matches", "does not match", "matches"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--authors",), "--authors needs --paper (papers: toy)"),
        (("--authors", "--paper", "toy"), "nothing is recorded of toy: no results/reference/toy-seeds.csv"),
        (("--authors", "--paper", "toy", "--published"), "takes neither --published nor another --budget"),
        (("--authors", "--paper", "toy", "--budget", "tiny"), "takes neither --published nor another --budget"),
        (("--authors", "--paper", "toy", "--task", "lime"), "no task 'lime' in paper toy; did you mean line?"),
    ],
)
def test_authors_that_cannot_be_judged_are_one_line(mirl, words, message):
    refused = mirl("compare", *words)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_simulation_tells_every_rate_and_the_same_again(mirl):
    first = mirl("simulate", "--repetitions", "100", "--json")
    assert first.returncode == 0, first.stderr
    printed = json.loads(first.stdout)
    rates, covered = printed["verdicts"], printed["coverage"]
    assert all(one["share"] > 0.8 for one in covered if one["law"] == "normal")
    assert {rate["truth"]["name"] for rate in rates} >= {"equal", "better by the margin", "four seeds of ours"}
    assert all(0 <= rate["error"] <= 1 and sum(rate["shares"].values()) >= 0.99 for rate in rates)
    assert mirl("simulate", "--repetitions", "100", "--json").stdout == first.stdout
    refused = mirl("simulate", "--repetitions", "5")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_check_of_the_whole_results_asks_the_papers_what_they_know(mirl, root: Path):
    (root / "results/reference").mkdir(parents=True)
    assert mirl("check", "results").returncode == 0
    registered, tiny = root / "reproduce.yaml", "tiny: {env_steps: 200,"
    registered.write_text(registered.read_text().replace(tiny, f"{tiny} overrides: {{pace: 2}},"))
    found = mirl("check", "results")
    assert found.returncode == 1
    assert "registration-fields" in found.stdout
    assert "has no field pace, which budget tiny sets" in " ".join(found.stdout.split())
    assert mirl("check", "results/reference").returncode == 0
    python = root / "papers/toy/.venv/bin/python"
    python.write_text('#!/bin/sh\necho "PYTHONPATH=$PYTHONPATH" >&2\nexit 1\n')
    clean = mirl("check", "results", PYTHONPATH="/theirs")
    assert "`describe --json` ends with PYTHONPATH= " in " ".join(clean.stdout.split()) + " "
    python.unlink()
    unasked = mirl("check", "results")
    assert (unasked.returncode, "registration-asked" in unasked.stdout) == (0, True)
