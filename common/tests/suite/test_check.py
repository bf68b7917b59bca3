"""A good results tree passes; each of the broken ones is named by the check that it breaks."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mirl import config as configs
from mirl.config import ConfigError
from mirl.suite import check as checking
from mirl.suite.check import CHECKS, check, run_checks
from mirl.suite.check.loader import DescribedPaper
from mirl.suite.experiments import Experiments
from mirl.verdict import comparison

REFERENCE = """task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note
line,any,,eval/return,,9,,,,points,ceiling,computed,by hand,
line,drift,,eval/return,,3,0.5,sd,5,points,result,paper_table,Table 1,
"""
SEEDS = """task,method,setting,metric,seed,value,provenance,source
line,drift,,eval/return,0,3.0,author_data,a file
"""
STATED = """task,setting,method,against,statistic,of,value,provenance,source,note
line,,drift,,mean,eval/return,3.0,paper_table,Table 1,
"""
BANDS = f"""task,method,metric,n,mean,sd,low,high,alpha,lock_sha256,recorded,why
line,drift,eval/return,5,3.0,0.5,1.0,5.0,0.001,{"a" * 64},2026-01-01,first record
"""
FIRST = f"""task,method,seed,metric,value,tolerance,lock_sha256,recorded,why
line,drift,0,train/return,2.0,0.01,{"a" * 64},2026-01-01,first record
"""
METRICS = "env_step,wall_s,name,value\n10,0.5,train/return,2.0\n20,1.0,train/grasp,nan\n20,1.0,eval/return,3.0\n"
EPISODES = "env_step,setting,episode,return,length,success\n20,test,0,3.0,10,nan\n20,test,1,2.5,10,1\n"
HERE, PUBLISHED = "runs/tiny/toy/line/drift/seed0", "published/toy/tiny/line/drift/seed0"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest() -> dict[str, Any]:
    who = {"task": "line", "method": "drift", "seed": 0, "fidelity": "faithful", "device": "cpu", "variant": ""}
    config = {**who, "total_env_steps": 20, "speed": 1.5}
    return {
        "schema_version": 1, "run_id": "toy/line/drift/seed0", "status": "finished", "paper": "toy", **who,
        "config": config, "config_sha256": configs.digest(config), "command": ["python", "-m", "toy", "train"],
        "git_revision": "c" * 40, "git_dirty": False, "lock_sha256": "a" * 64, "image": "venv", "python": "3.11.7",
        "platform": "Linux x86_64", "cpu": "a processor", "cpu_count": 2, "versions": {"numpy": "2.4"},
        "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T00:01:00+00:00", "wall_s": 60.0, "env_steps": 20,
        "attempts": 1, "files": {"metrics.csv": sha(METRICS), "episodes.csv": sha(EPISODES), "policy.th": sha("w")},
    }  # fmt: skip


@pytest.fixture(scope="module")
def experiments() -> Experiments:
    seeds = {budget: {"env_steps": 20, "seeds": [0]} for budget in ("tiny", "workstation", "paper")}
    task = {
        "title": "a line", "methods": ["drift"], "metric": {"name": "eval/return", "unit": "points"}, "margin": 0.9,
        "budgets": seeds, "cost": {"drift": {"env_steps_per_s": 10, "memory_mib": 10}},
    }  # fmt: skip
    paper = {
        "title": "Toy", "citation": "nobody", "fidelities": ["faithful", "fixed"], "fidelity": "faithful",
        "regression": {"drift": {"last": ["eval/return"], "first": ["train/return"]}}, "tasks": {"line": task},
    }  # fmt: skip
    return Experiments.model_validate({"version": 1, "papers": {"toy": paper}})


@pytest.fixture
def results(tmp_path: Path, good: Path) -> Path:
    """A results tree of its own for every test."""
    return Path(shutil.copytree(good, tmp_path / "results"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, experiments: Experiments) -> Path:
    """A results tree in which everything is as it should be."""
    root = tmp_path_factory.mktemp("good")
    tree = root / "results"
    for place in (HERE, PUBLISHED):
        (tree / place).mkdir(parents=True)
        (tree / place / "manifest.json").write_text(json.dumps(manifest()))
    for name, text in (("metrics.csv", METRICS), ("episodes.csv", EPISODES), ("policy.th", "w")):
        (tree / HERE / name).write_text(text)
    pack(tree / PUBLISHED, "metrics.csv", METRICS)
    pack(tree / PUBLISHED, "episodes.csv", EPISODES)
    summary = "budget,task,method,seed,metric,value,env_steps,wall_s\ntiny,line,drift,0,eval/return,3.0,20,60.0\n"
    for name, text in (
        ("reference/toy.csv", REFERENCE), ("reference/toy-seeds.csv", SEEDS), ("reference/toy-stated.csv", STATED),
        ("regression/toy.csv", BANDS), ("regression/toy-first.csv", FIRST),
        ("published/toy/summary.csv", summary),
    ):  # fmt: skip
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(text)
    comparison.write(root, comparison.build(root, experiments, "toy", "tiny"))
    return tree


def question(table: str, last: str) -> str:
    """The table with the column `questioned`, empty but in its last row."""
    header, *rows = table.splitlines()
    return "\n".join([f"{header},questioned", *(f"{row}," for row in rows[:-1]), f"{rows[-1]},{last}"]) + "\n"


def pack(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def change(run: Path, **fields: Any) -> None:
    """Change fields of a manifest; None drops a field."""
    content = {**json.loads((run / "manifest.json").read_text()), **fields}
    (run / "manifest.json").write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def rewrite(tree: Path, name: str, text: str) -> None:
    """Change a table of the run, and its sha256 with it, so that only its content is wrong."""
    (tree / HERE / name).write_text(text)
    change(tree / HERE, files={**manifest()["files"], name: sha(text)})


def another_gym(tree: Path) -> None:
    """A run whose shell brought a gym of its own; its numpy and its build of torch are the locked ones."""
    lock = tree.parent / "papers/toy/poetry.lock"
    lock.parent.mkdir(parents=True)
    (tree.parent / "reproduce.yaml").write_text("")
    locked = {"gym": "0.17.2", "numpy": "2.4.6", "torch": "2.13.0"}
    lock.write_text(
        "".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n' for name, version in locked.items())
    )
    imported = {**locked, "gym": "0.26.2", "torch": "2.13.0+cpu", "threads": 1}
    change(tree / HERE, lock_sha256=sha(lock.read_text()), versions=imported)


def with_policy(tree: Path, content: bytes = b"weights", **changes: Any) -> Path:
    """Give the published run a policy."""
    folder = tree / PUBLISHED / "policy"
    folder.mkdir()
    (folder / "state.pt.gz").write_bytes(content)
    files = {"state.pt.gz": hashlib.sha256(content).hexdigest()}
    checkpoint = "d" * 64
    change(tree / PUBLISHED, files={**manifest()["files"], "checkpoint/latest.json": checkpoint})
    facts = {"checkpoint_sha256": checkpoint, "env_step": 20, "files": files, **changes}
    (folder / "policy.json").write_text(json.dumps(facts))
    return folder


def with_film(tree: Path, moving: bytes = b"film", **changes: Any) -> Path:
    """Give the published run a film."""
    folder = tree / PUBLISHED / "film"
    folder.mkdir()
    files = {"film.webm": moving, "film.webp": b"its last picture"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    checkpoint = "d" * 64
    change(tree / PUBLISHED, files={**manifest()["files"], "checkpoint/latest.json": checkpoint})
    facts = {
        "checkpoint_sha256": checkpoint, "env_step": 20, "caption": "A walk.", "alternative": "Film of a walk.",
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}, **changes,
    }  # fmt: skip
    (folder / "film.json").write_text(json.dumps(facts))
    return folder


def changed_config(tree: Path) -> None:
    change(tree / HERE, config={**manifest()["config"], "speed": 2.0})


def other_seed(tree: Path) -> None:
    config = {**manifest()["config"], "seed": 4}
    change(tree / HERE, config=config, config_sha256=configs.digest(config))


def moved(tree: Path) -> None:
    shutil.move(tree / HERE, tree / "runs/tiny/toy/line/drift/seed1")


def failed_run(tree: Path) -> None:
    (tree / HERE / "manifest.json").unlink()
    (tree / HERE / "run.json").write_text('{"status": "failed", "attempts": [{"reason": "loss/value became nan"}]}')


def misplaced(tree: Path) -> None:
    shutil.move(tree / HERE, tree / "runs/toy/seed0")


def reconfigure(run: Path, **fields: Any) -> None:
    """Change fields of the config, with its sha256, and of the manifest where it has them."""
    config = {**manifest()["config"], **fields}
    shared = {name: value for name, value in fields.items() if name in manifest()}
    change(run, config=config, config_sha256=configs.digest(config), **shared)


def renamed(tree: Path) -> None:
    """A run of a method that nobody registered, whole in itself."""
    shutil.move(tree / "runs/tiny/toy/line/drift", tree / "runs/tiny/toy/line/crawl")
    run = tree / "runs/tiny/toy/line/crawl/seed0"
    reconfigure(run, method="crawl")
    change(run, run_id="toy/line/crawl/seed0")


def published_without_manifest(tree: Path) -> None:
    (tree / PUBLISHED / "manifest.json").unlink()
    edit(tree / "published/toy/summary.csv", "tiny,line,drift,0,eval/return,3.0,20,60.0\n", "")


BROKEN: list[tuple[str, str, Callable[[Path], object]]] = [
    ("run-place", "seed1 by its folder", moved),
    ("run-place", "must lie at runs/<budget>/<paper>", misplaced),
    ("run-known", "no method crawl for toy/line", renamed),
    ("run-finished", "failed: loss/value became nan",
     failed_run),
    ("manifest-schema", "manifest.json is not valid JSON",
     lambda tree: (tree / HERE / "manifest.json").write_text('{"schema_version": 1, ')),
    ("manifest-schema", "manifest.json is empty", lambda tree: (tree / HERE / "manifest.json").write_text("")),
    ("published-policy", "policy/policy.json is of another run's checkpoint",
     lambda tree: with_policy(tree, checkpoint_sha256="e" * 64)),
    ("published-policy", "policy/state.pt.gz does not have the sha256 that policy.json records",
     lambda tree: (with_policy(tree) / "state.pt.gz").write_bytes(b"others")),
    ("published-policy", "policy/more.pt is not named in policy.json",
     lambda tree: (with_policy(tree) / "more.pt").write_bytes(b"others")),
    ("published-policy", "policy/policy.json or a file that it names cannot be read",
     lambda tree: (with_policy(tree) / "policy.json").write_text("")),
    ("published-policy", "5,000,000 are allowed",
     lambda tree: with_policy(tree, bytes(5_000_000))),
    ("published-film", "film/film.json is of another run's checkpoint",
     lambda tree: with_film(tree, checkpoint_sha256="e" * 64)),
    ("published-film", "film/film.webm does not have the sha256 that film.json records",
     lambda tree: (with_film(tree) / "film.webm").write_bytes(b"another")),
    ("published-film", "film/film.json has no alternative", lambda tree: with_film(tree, alternative=" ")),
    ("published-film", "film/film.json names no film.webm", lambda tree: with_film(tree, files={})),
    ("published-film", "500,000 are allowed", lambda tree: with_film(tree, bytes(500_000))),
    ("run-record", "run.json is not as the contract says: env_step: Input should be a valid integer, got 'many'",
     lambda tree: (tree / HERE / "run.json").write_text('{"env_step": "many"}')),
    ("manifest-complete", "config has total_env_steps 'many'",
     lambda tree: reconfigure(tree / HERE, total_env_steps="many")),
    ("manifest-schema", "wall_s is missing", lambda tree: change(tree / HERE, wall_s=None)),
    ("manifest-schema", "seed:", lambda tree: change(tree / HERE, seed="first")),
    ("manifest-schema", "lies outside the run directory",
     lambda tree: change(tree / HERE, files={**manifest()["files"], "../../secret": "a" * 64})),
    ("manifest-schema", "has no manifest.json", published_without_manifest),
    ("manifest-run-id", "the other fields say toy/line/drift/seed0",
     lambda tree: change(tree / HERE, run_id="toy/line/drift/seed9")),
    ("manifest-config", "does not have the sha256", changed_config),
    ("manifest-config", "config has seed 4, the manifest 0", other_seed),
    ("manifest-versions", "imported gym 0.26.2, the lock that it names has 0.17.2", another_gym),
    ("manifest-files", "metrics.csv does not have the sha256",
     lambda tree: edit(tree / HERE / "metrics.csv", "3.0", "9.0")),
    ("manifest-files", "policy.th is missing", lambda tree: (tree / HERE / "policy.th").unlink()),
    ("manifest-files", "episodes.csv does not have the sha256",
     lambda tree: pack(tree / PUBLISHED, "episodes.csv", EPISODES.replace("2.5", "2.6"))),
    ("manifest-complete", "ended after 20 of 50 env steps",
     lambda tree: reconfigure(tree / HERE, total_env_steps=50)),
    ("published-fidelity", "verdicts use faithful", lambda tree: reconfigure(tree / PUBLISHED, fidelity="fixed")),
    ("published-revision", "not committed", lambda tree: change(tree / PUBLISHED, git_dirty=True)),
    ("published-small", "holds checkpoint.pt", lambda tree: (tree / PUBLISHED / "checkpoint.pt").touch()),
    ("published-small", "not a whole gzip archive",
     lambda tree: (tree / PUBLISHED / "metrics.csv.gz").write_bytes(b"no archive")),
    ("metrics-columns", "must begin with env_step,wall_s,name,value",
     lambda tree: rewrite(tree, "metrics.csv", METRICS.replace("wall_s", "seconds"))),
    ("metrics-rows", "line 3: 3 cells where 4 belong",
     lambda tree: rewrite(tree, "metrics.csv", METRICS.replace("train/grasp,nan", "train/grasp"))),
    ("metrics-rows", "value must be a number, got 'high'",
     lambda tree: rewrite(tree, "metrics.csv", METRICS.replace("3.0", "high"))),
    ("metrics-rows", "line 5 is torn", lambda tree: rewrite(tree, "metrics.csv", METRICS + "20,1.0,eval/re")),
    ("metrics-steps", "env_step falls from 20 to 15",
     lambda tree: rewrite(tree, "metrics.csv", METRICS + "15,1.5,eval/return,3.0\n")),
    ("metrics-steps", "30 is beyond the run's 20",
     lambda tree: rewrite(tree, "metrics.csv", METRICS + "30,1.5,eval/return,3.0\n")),
    ("metrics-names", "'reward' is not <group>/<name>",
     lambda tree: rewrite(tree, "metrics.csv", METRICS + "20,1.5,reward,3.0\n")),
    ("metrics-finite", "value of eval/return is infinite at env step 20",
     lambda tree: rewrite(tree, "metrics.csv", METRICS + "20,1.5,eval/return,inf\n")),
    ("metrics-finite", "loss/value is NaN at env step 20",
     lambda tree: rewrite(tree, "metrics.csv", METRICS + "20,1.5,loss/value,nan\n")),
    ("metrics-registered", "metrics.csv has no eval/return",
     lambda tree: rewrite(tree, "metrics.csv", METRICS.replace("eval/return", "eval/score"))),
    ("manifest-files", "episodes.csv is missing", lambda tree: (tree / HERE / "episodes.csv").unlink()),
    ("episodes-columns", "must begin with env_step,setting,episode",
     lambda tree: rewrite(tree, "episodes.csv", EPISODES.replace("setting", "condition"))),
    ("episodes-rows", "length must be a whole number, got '10.5'",
     lambda tree: rewrite(tree, "episodes.csv", EPISODES.replace("3.0,10,", "3.0,10.5,"))),
    ("episodes-steps", "env_step falls",
     lambda tree: rewrite(tree, "episodes.csv", EPISODES + "10,test,0,1.0,10,1\n")),
    ("episodes-values", "success is not between 0 and 1",
     lambda tree: rewrite(tree, "episodes.csv", EPISODES + "20,test,2,1.0,10,7\n")),
    ("table-columns", "must begin with task,method,setting",
     lambda tree: edit(tree / "reference/toy.csv", "provenance", "origin")),
    ("table-columns", "must begin with task,method,seed,metric,value",
     lambda tree: edit(tree / "regression/toy-first.csv", "seed", "run")),
    ("reference-rows", "line 3: source", lambda tree: edit(tree / "reference/toy.csv", "Table 1", "")),
    ("reference-rows", "line 3: provenance", lambda tree: edit(tree / "reference/toy.csv", "paper_table", "recalled")),
    ("reported-seed-rows", "line 2: seed:",
     lambda tree: edit(tree / "reference/toy-seeds.csv", "return,0,", "return,a,")),
    ("reported-seed-rows", "line 2: source:", lambda tree: edit(tree / "reference/toy-seeds.csv", "a file", "")),
    ("reference-rows", "line 3: questioned: must be one line of at most 300 characters, has 301",
     lambda tree: (tree / "reference/toy.csv").write_text(question(REFERENCE, "why" + "?" * 298))),
    ("reference-rows", "line 2: only a number with role result can be questioned",
     lambda tree: (tree / "reference/toy.csv").write_text(question(REFERENCE.rpartition("line,")[0], "why?"))),
    ("reported-seed-rows", "line 2: questioned: must be one line",
     lambda tree: (tree / "reference/toy-seeds.csv").write_text(question(SEEDS, '"two\nlines"'))),
    ("stated-rows", "line 2: statistic:", lambda tree: edit(tree / "reference/toy-stated.csv", ",mean,", ",mode,")),
    ("stated-rows", "a test, and nothing else, is against another method",
     lambda tree: edit(tree / "reference/toy-stated.csv", ",mean,", ",p,")),
    ("regression-rows", "line 2: n:", lambda tree: edit(tree / "regression/toy.csv", "return,5,", "return,4,")),
    ("regression-rows", "low <= mean <= high does not hold",
     lambda tree: edit(tree / "regression/toy.csv", "0.5,1.0,5.0", "0.5,3.5,5.0")),
    ("regression-metrics", "loss/other", lambda tree: edit(tree / "regression/toy.csv", "eval/return", "loss/other")),
    ("regression-metrics", "has a value for eval/return of line/drift, which is not judged",
     lambda tree: edit(tree / "regression/toy-first.csv", "train/return", "eval/return")),
    ("first-rows", "line 2: seed:", lambda tree: edit(tree / "regression/toy-first.csv", "drift,0,", "drift,all,")),
    ("first-rows", "line 2: value:", lambda tree: edit(tree / "regression/toy-first.csv", "2.0,", "nan,")),
    ("first-rows", "line 2: tolerance:", lambda tree: edit(tree / "regression/toy-first.csv", "0.01", "0")),
    ("summary-rows", "line 2: value", lambda tree: edit(tree / "published/toy/summary.csv", "3.0", "three")),
    ("summary-runs", "says 2.5 for tiny/line/drift/seed0, its metrics.csv 3",
     lambda tree: edit(tree / "published/toy/summary.csv", "3.0", "2.5")),
    ("summary-runs", "has no line for tiny/line/drift/seed0",
     lambda tree: edit(tree / "published/toy/summary.csv", "tiny,line,drift,0,eval/return,3.0,20,60.0\n", "")),
    ("summary-runs", "which is not published", lambda tree: shutil.rmtree(tree / PUBLISHED)),
    ("table-known", "no method crawl", lambda tree: edit(tree / "reference/toy.csv", "line,drift", "line,crawl")),
    ("table-known", "a paper other",
     lambda tree: shutil.move(tree / "regression/toy.csv", tree / "regression/other.csv")),
    ("table-known", "no method crawl",
     lambda tree: edit(tree / "regression/toy-first.csv", "line,drift", "line,crawl")),
    ("table-known", "a paper other",
     lambda tree: shutil.move(tree / "regression/toy-first.csv", tree / "regression/other-first.csv")),
    ("table-unique", "two rows for line, drift, 0, train/return",
     lambda tree: (tree / "regression/toy-first.csv").write_text(FIRST + FIRST.splitlines()[-1] + "\n")),
    ("table-unique", "two rows for line, drift, -, eval/return",
     lambda tree: (tree / "reference/toy.csv").write_text(REFERENCE + REFERENCE.splitlines()[-1] + "\n")),
    ("registration-margins", "line has the margin 0.9, the rule gives 2",
     lambda tree: edit(tree / "reference/toy.csv", ",,9,", ",,20,")),
    ("verdict-schema", "is missing", lambda tree: edit(tree / "runs/tiny/toy/verdict.json", '"rows"', '"lines"')),
    ("verdict-registration", "reproduce.yaml has changed since",
     lambda tree: edit(tree / "runs/tiny/toy/verdict.json", '"registration_sha256": "', '"registration_sha256": "0')),
    ("published-secrets", "line 3 holds what looks like a token",
     lambda tree: edit(tree / "reference/toy.csv", "Table 1", "Table 1 ghp_" + "a1" * 18)),
    ("published-secrets", "an address with a password",
     lambda tree: edit(tree / "reference/toy.csv", "Table 1", "https://me:pass@example.org")),
    ("published-paths", "the absolute path /home/somebody/thesis.pdf",
     lambda tree: edit(tree / "reference/toy.csv", "Table 1", "Table 1 in /home/somebody/thesis.pdf")),
    ("published-host", 'has a field "hostname"',
     lambda tree: change(tree / PUBLISHED, versions={"hostname": "x"})),
    ("published-host", "names this host or its user",
     lambda tree: edit(tree / "regression/toy.csv", "first record", "first record on desktop-7")),
]  # fmt: skip


def test_a_budget_may_register_a_fidelity_of_its_own(results: Path, experiments: Experiments) -> None:
    def complaints(**overrides: str) -> list[str]:
        content = experiments.model_dump()
        content["papers"]["toy"]["fidelity"] = "fixed"
        content["papers"]["toy"]["tasks"]["line"]["budgets"]["tiny"]["overrides"] = overrides
        findings = check(results, Experiments.model_validate(content))
        return [finding.sentence for finding in findings if finding.check == "published-fidelity"]

    assert complaints() == ["has fidelity faithful, verdicts use fixed"]
    assert complaints(fidelity="faithful") == []


def test_a_good_tree_passes(results: Path, experiments: Experiments) -> None:
    assert check(results, experiments) == []


@pytest.mark.parametrize("add", [with_policy, with_film])
def test_a_whole_policy_or_film_passes(results: Path, experiments: Experiments, add: Callable[[Path], Path]) -> None:
    add(results)
    assert check(results, experiments) == []


@pytest.mark.parametrize("path", [HERE, PUBLISHED, "runs", "published", "reference", "regression"])
def test_a_part_of_a_good_tree_passes(results: Path, experiments: Experiments, path: str) -> None:
    assert check(results / path, experiments) == []


@pytest.mark.parametrize(
    ("name", "sentence", "damage"), BROKEN, ids=[f"{name}-{n}" for n, (name, *_) in enumerate(BROKEN)]
)
def test_a_broken_tree_fails_its_own_check_and_no_other(
    results: Path, experiments: Experiments, monkeypatch: pytest.MonkeyPatch,
    name: str, sentence: str, damage: Callable[[Path], object],
) -> None:  # fmt: skip
    monkeypatch.setattr("socket.gethostname", lambda: "desktop-7")
    damage(results)
    found = check(results, experiments)
    assert {finding.check for finding in found} == {name}
    assert any(sentence in finding.sentence for finding in found), [finding.sentence for finding in found]


def described(**changes: Any) -> dict[str, Any]:
    """What the toy paper says of itself."""
    fields = [{"name": name, "default": value} for name, value in {"total_env_steps": 20, "threads": 1}.items()]
    said = {"tasks": ["line"], "methods": ["drift"], "fidelities": ["faithful", "fixed"]}
    return {**said, "config": {"line": {"drift": fields}}, **changes}


DISAGREEING: list[tuple[str, str, DescribedPaper]] = [
    ("registration-asked", "is not set up", DescribedPaper(Path("papers/toy"), "toy", not_set_up="is not set up")),
    ("registration-described", "ends with", DescribedPaper(Path("papers/toy"), "toy", fault="ends with KeyError")),
    *(
        (name, sentence, DescribedPaper(Path("papers/toy"), "toy", said))
        for name, sentence, said in (
            ("registration-described", "does not say its methods",
             {key: value for key, value in described().items() if key != "methods"}),
            ("registration-names", "has no task line", described(tasks=["circle"])),
            ("registration-names", "has no method drift", described(methods=["crawl"])),
            ("registration-names", "has no fidelity fixed", described(fidelities=["faithful"])),
            ("registration-fields", "drift on line has no field threads, which budget tiny sets",
             described(config={"line": {"drift": [{"name": "total_env_steps", "default": 20}]}})),
            ("registration-budget", "drift on line runs 30 env steps, reproduce.yaml says 20",
             described(config={"line": {"drift": [{"name": "total_env_steps", "default": 30},
                                                  {"name": "threads", "default": 1}]}})),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sentence", "paper"), DISAGREEING)
def test_a_paper_that_says_otherwise_than_reproduce_yaml_fails_its_own_check(
    experiments: Experiments, name: str, sentence: str, paper: DescribedPaper
) -> None:
    found = run_checks(checking.Tree(papers=[paper]), experiments)
    assert {finding.check for finding in found} == {name}
    assert sentence in found[0].sentence


def test_a_paper_that_agrees_with_reproduce_yaml_passes(experiments: Experiments) -> None:
    paper = DescribedPaper(Path("papers/toy"), "toy", described())
    assert run_checks(checking.Tree(papers=[paper]), experiments) == []


def test_a_variant_sets_fields_that_a_config_has(experiments: Experiments) -> None:
    content = experiments.model_dump(mode="json")
    content["papers"]["toy"]["variants"] = {"slow": {"pace": 0.1}}
    paper = DescribedPaper(Path("papers/toy"), "toy", described())
    (found,) = run_checks(checking.Tree(papers=[paper]), Experiments.model_validate(content))
    assert found.sentence == "no method has a field pace, which variant slow sets"


def test_every_check_has_a_broken_tree() -> None:
    broken = {name for name, *_ in BROKEN} | {name for name, *_ in DISAGREEING}
    assert broken | {"registration-claims", "registration-written"} == set(CHECKS)


def test_what_a_new_room_leaves_to_be_written_is_a_warning(experiments: Experiments) -> None:
    content = experiments.model_dump(mode="json")
    content["papers"]["toy"]["citation"] = "TODO: authors, title, venue and year"
    paper = DescribedPaper(Path("papers/toy"), "toy", described())
    (found,) = run_checks(checking.Tree(papers=[paper]), Experiments.model_validate(content))
    assert (found.check, found.severity) == ("registration-written", "warning")
    assert "its citation in reproduce.yaml is still to be written: TODO: authors" in found.sentence


def test_a_claim_that_separated_seeds_could_not_make_hold_is_named(experiments: Experiments) -> None:
    content = experiments.model_dump(mode="json")
    toy = content["papers"]["toy"]
    toy["tasks"]["line"]["methods"].append("crawl")
    toy["tasks"]["line"]["cost"]["crawl"] = toy["tasks"]["line"]["cost"]["drift"]
    toy["tasks"]["line"]["budgets"]["paper"]["seeds"] = [0, 1, 2]
    toy["regression"]["crawl"] = toy["regression"]["drift"]
    toy["claims"] = [
        {"id": "faster", "statement": "", "source": "", "tasks": ["line"], "better": "drift", "worse": "crawl"}
    ]
    paper = DescribedPaper(Path("papers/toy"), "toy", not_set_up="is not set up")
    found = run_checks(checking.Tree(papers=[paper]), Experiments.model_validate(content))
    (refused,) = [one for one in found if one.check == "registration-claims"]
    assert "claim faster cannot hold: the least p of its seeds, corrected for 1 claims, is 0.100" in refused.sentence
    toy["tasks"]["line"]["budgets"]["paper"]["methods"] = {name: {"seeds": [0, 1, 2, 3]} for name in ("drift", "crawl")}
    found = run_checks(checking.Tree(papers=[paper]), Experiments.model_validate(content))
    assert {one.check for one in found} == {"registration-asked"}  # 2/70 can hold


def test_a_margin_may_say_where_it_comes_from(results: Path, experiments: Experiments) -> None:
    edit(results / "reference/toy.csv", ",,9,", ",,20,")
    content = experiments.model_dump(mode="json")
    content["papers"]["toy"]["tasks"]["line"]["margin_source"] = "a step of the line"
    found = check(results / "reference", Experiments.model_validate(content))
    assert [one for one in found if one.check == "registration-margins"] == []


def test_a_finding_names_its_folder(results: Path, experiments: Experiments) -> None:
    edit(results / HERE / "metrics.csv", "3.0", "9.0")
    assert check(results, experiments)[0].path == results.resolve() / HERE


def test_a_run_outside_any_tree_can_be_checked(results: Path, experiments: Experiments, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(results / HERE, tmp_path / "my-run"))
    assert check(alone, experiments) == []
    (alone / "metrics.csv").write_text("torn")
    assert {"metrics-columns", "manifest-files"} <= {finding.check for finding in check(alone, experiments)}


def test_a_run_that_still_writes_its_last_line_is_no_fault(results: Path, experiments: Experiments) -> None:
    (results / HERE / "manifest.json").unlink()
    (results / HERE / "metrics.csv").write_text(METRICS + "20,1.0,eval/re")
    found = check(results / HERE, experiments)
    assert {finding.severity for finding in found} == {"warning"}


def test_a_folder_moved_aside_is_not_a_run(results: Path, experiments: Experiments) -> None:
    (results / HERE).with_name("seed0.aside-1").mkdir()
    assert check(results, experiments) == []


def test_other_folders_are_refused(tmp_path: Path, experiments: Experiments) -> None:
    with pytest.raises(ConfigError, match="neither a results folder"):
        check(tmp_path, experiments)
    with pytest.raises(ConfigError, match="is not a folder"):
        check(tmp_path / "nowhere", experiments)


def test_the_report_names_place_check_and_counts(results: Path, experiments: Experiments) -> None:
    edit(results / "regression/toy.csv", "return,5,", "return,4,")
    change(results / PUBLISHED, git_dirty=True)
    findings = check(results, experiments)
    console = Console(width=100, file=io.StringIO(), highlight=False)
    console.print(checking.render(findings, checking.load(results).census, results))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "regression/toy.csv\n  error  regression-rows" in text
    assert f"2 run directories, 6 tables, 1 verdict; {len(CHECKS)} checks: 1 error, 1 warning" in text
    assert checking.failed(findings)
    assert not checking.failed([finding for finding in findings if finding.severity == "warning"])
