"""`mirl new`: what it writes, that it is all or nothing, and (slow) that a new room passes what papers have to pass."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mirl.suite import check as checking
from mirl.suite import cli, documents, rooms, venvs
from mirl.suite import experiments as registry
from mirl.suite.rooms import locking, places
from mirl.suite.rooms.names import LONGEST
from mirl.suite.selection import select
from mirl.verdict import bands

REPOSITORY = Path(__file__).parents[3]
PAPERS = sorted(path.parent.name for path in REPOSITORY.glob("papers/*/pyproject.toml"))
NEEDED = ("Makefile", "ruff.toml", "README.md", "reproduce.yaml", ".ci/run", ".github/workflows/ci.yml",
          "docker/docker-bake.hcl", "docs/*.md", "results/reference/*.csv", "papers/*/README.md",
          "results/published/**/*.gz", "results/published/**/manifest.json",
          "papers/*/poetry.lock", "papers/*/pyproject.toml", "papers/*/requirements-*.txt",
          "common/src/mirl/*.py")  # fmt: skip
FIRST_AND_LONG = "a_paper_with_a_very_long_title"
"""Its imports come before mirl's, and its lines are the longest."""


def copy(files: list[Path], target: Path) -> Path:
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, target / file)
    return target


def commit(root: Path) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@nowhere.invalid"]
    for words in (["init", "-q"], ["add", "--all"], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=root, check=True)


def is_clean(root: Path) -> bool:
    return subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, check=True).stdout == b""


def undo(root: Path, said: str) -> None:
    """Do what the command printed."""
    line = said.partition("to undo it: ")[2].partition("\n")[0]
    subprocess.run(["sh", "-c", line], cwd=root, check=True)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def kept(template: Path) -> list[Path]:
    """Files below a folder, without what running them leaves."""
    return [path for path in template.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mirl new` reads of this repository; documents show what was published."""
    files = [path.relative_to(REPOSITORY) for pattern in NEEDED for path in REPOSITORY.glob(pattern)]
    return copy(files, tmp_path_factory.mktemp("original"))


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "repository"))


@pytest.fixture
def mirl(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`mirl WORDS` in that repository, where it is refused: what it says, in one line."""
    monkeypatch.chdir(root)

    def refused(*words: str) -> str:
        before = contents(root)
        code = cli.run(list(words))
        said = capsys.readouterr()
        assert (code, said.out, len(said.err.splitlines())) == (2, "", 1), said.err
        assert contents(root) == before
        return said.err

    return refused


@pytest.fixture(scope="module")
def made(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with a new room in it, and what the command said."""
    root = Path(shutil.copytree(original, tmp_path_factory.mktemp("made") / "repository"))
    documents.write(root, cli.run)
    commit(root)
    command = [sys.executable, "-m", "mirl.suite.cli", "new", FIRST_AND_LONG]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root, done.stdout


def test_every_file_of_the_template_is_written_under_the_papers_name(made: tuple[Path, str]):
    root, _ = made
    room = root / "papers" / FIRST_AND_LONG
    template = places.TEMPLATE / rooms.PAPER
    expected = {str(path.relative_to(template)).replace("newpaper", FIRST_AND_LONG) for path in kept(template)}
    locked = {"poetry.lock", "requirements-cpu.txt", "requirements-gpu.txt"}
    assert set(contents(room)) == expected | locked
    for place in ("reference/{}.csv", "regression/{}.csv", "regression/{}-first.csv"):
        assert (root / "results" / place.format(FIRST_AND_LONG)).is_file()
    files = contents(root).items()
    strays = [path for path, content in files if b"newpaper" in content and not path.startswith(".git/")]
    assert set(strays) == {"Makefile", "ruff.toml"}  # which speak of the template
    assert not list((root / "papers").glob(".*"))
    assert len(FIRST_AND_LONG) == LONGEST


def test_whatever_names_the_papers_names_the_new_one(made: tuple[Path, str]):
    root, said = made
    assert FIRST_AND_LONG in registry.load(root / "reproduce.yaml").papers
    assert re.findall(r"make regress PAPER=(\w+)", (root / ".ci/run").read_text())[-1] == FIRST_AND_LONG
    assert os.access(root / ".ci/run", os.X_OK)
    assert f"{{paper: {FIRST_AND_LONG}, task: cartpole}}" in (root / ".github/workflows/ci.yml").read_text()
    images = re.findall(r'"(\w+)"', re.findall(r"paper  = (.*)", (root / "docker/docker-bake.hcl").read_text())[0])
    assert images == sorted([*PAPERS, FIRST_AND_LONG])
    assert f"](papers/{FIRST_AND_LONG}) |" in (root / "README.md").read_text()
    assert f"\n## {FIRST_AND_LONG}\n" in (root / "docs/findings.md").read_text()
    assert list(documents.changed(root, cli.run)) == []
    assert f"make setup PAPER={FIRST_AND_LONG}" in said


def test_no_file_of_other_papers_is_changed(made: tuple[Path, str], original: Path):
    root, _ = made
    for paper in PAPERS:
        assert contents(root / "papers" / paper) == contents(original / "papers" / paper)
    before, after = ((place / "reproduce.yaml").read_text() for place in (original, root))
    assert after.startswith(before)


def test_the_code_is_formatted_whatever_the_name(made: tuple[Path, str]):
    root, _ = made
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "papers"], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
    first = (root / "papers" / FIRST_AND_LONG / "tests/test_cli.py").read_text()
    assert first.index(f"from {FIRST_AND_LONG}.") < first.index("from mirl.paper")


def test_tables_and_registration_pass_the_checks_and_every_tiny_run_has_its_bands(made: tuple[Path, str]):
    root, _ = made
    experiments = registry.load(root / "reproduce.yaml")
    tree = checking.load(root / "results")
    assert [table for table in tree.tables if table.paper == FIRST_AND_LONG]
    found = checking.run_checks(tree, experiments)
    assert not [one for one in found if FIRST_AND_LONG in one.path.name], found
    recorded = {band.key for band in bands.read_bands(root, FIRST_AND_LONG)}
    recorded |= {first.key for first in bands.read_first_values(root, FIRST_AND_LONG)}
    for spec in select(experiments, "tiny", FIRST_AND_LONG):
        judged = experiments.papers[FIRST_AND_LONG].regression[spec.method]
        assert {(spec.task, spec.method, metric) for metric in judged.last} <= recorded
        assert {(spec.task, spec.method, spec.seed, metric) for metric in judged.first} <= recorded


def test_a_policy_that_is_not_learnt_is_outside_the_bands(made: tuple[Path, str]):
    """Its entropy stays that of even chances, ln 2, with which it begins (the template's test_agent.py)."""
    root, _ = made
    assert all(band.high < 0.69 for band in bands.read_bands(root, FIRST_AND_LONG) if band.metric == "loss/entropy")


def test_the_new_lock_is_of_the_new_project_and_every_listing_of_its_lock(made: tuple[Path, str]):
    root, _ = made
    room = root / "papers" / FIRST_AND_LONG
    project = tomllib.loads((room / "pyproject.toml").read_text())
    lock = tomllib.loads((room / "poetry.lock").read_text())
    assert lock["metadata"]["content-hash"] == locking.content_hash(project)
    versions = venvs.locked_versions(room)
    assert versions["torch"] in project["project"]["dependencies"][1]
    for device in venvs.DEVICES:
        listed = dict(venvs.listed(room / f"requirements-{device}.txt"))
        assert {"gym", "numpy", "pytest", "tyro"} <= set(listed)
        assert ("torch" in listed) == (device == "gpu")
        assert all(versions[venvs.canonical(name)] == version for name, version in listed.items())
    assert set(versions) <= set(venvs.locked_versions(root / "papers/amigo")) - {"gym-minigrid", "numba", "llvmlite"}


@pytest.mark.parametrize("paper", PAPERS)
def test_what_is_derived_for_a_paper_from_its_own_lock_is_that_lock(paper: str):
    """So that what Poetry made and what is made without it are the same, byte for byte."""
    folder = REPOSITORY / "papers" / paper
    lock, project = folder / "poetry.lock", tomllib.loads((folder / "pyproject.toml").read_text())
    for name, text in locking.derived(lock, locking.packages_of(lock.read_text()), project).items():
        assert text == (folder / name).read_text(), name


def test_what_was_written_can_be_undone_by_what_the_command_says(made: tuple[Path, str], tmp_path: Path):
    root, said = made
    again = Path(shutil.copytree(root, tmp_path / "again"))
    assert not is_clean(again)
    undo(again, said)
    assert is_clean(again)


def test_the_tests_that_its_ledger_names_are_there():
    template = places.TEMPLATE / rooms.PAPER
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (template / "README.md").read_text())
    assert named
    for file, test in named:
        assert f"def {test}(" in (template / "tests" / file).read_text()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Sixth", "lower-case letters"),
        ("6th", "a letter first"),
        ("sixth-paper", "with single _ between"),
        ("sixth__paper", "with single _ between"),
        ("_sixth", "a letter first"),
        ("", "got ''"),
        ("../sixth", "got '../sixth'"),
        ("x" * (LONGEST + 1), f"at most {LONGEST}"),
        ("lambda", "is a word of Python"),
        ("match", "is a word of Python"),
        ("mirl", "is the name of another module"),
        ("toy", "is the name of another module"),
        ("newpaper", "is the name of another module"),
        ("json", "is the name of another module"),
        ("torch", "is the name of a library"),
        ("mime", "there is a paper mime in reproduce.yaml already"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(mirl: Callable[..., str], name: str, complaint: str):
    assert complaint in mirl("new", name)


def test_no_name_and_no_repository_are_refused(
    mirl: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "PAPER" in mirl("new")
    monkeypatch.chdir(tmp_path)
    assert "no reproduce.yaml" in mirl("new", "sixth")
    assert not (tmp_path / "papers").exists()


@pytest.mark.parametrize(
    "place",
    ["papers/sixth", "papers/Sixth", "results/reference/sixth.csv", "results/regression/sixth-first.csv",
     "results/runs/tiny/sixth", "results/published/sixth"],
)  # fmt: skip
def test_what_is_half_there_is_refused(mirl: Callable[..., str], root: Path, place: str):
    (root / place).mkdir(parents=True)
    assert f"{place} is there already" in mirl("new", "sixth")


def test_a_file_whose_place_for_papers_is_not_found_is_refused(mirl: Callable[..., str], root: Path):
    for file, word in (
        (".github/workflows/ci.yml", "{paper:"),
        ("README.md", "](papers/"),
        (".ci/run", "make regress"),
    ):
        text = (root / file).read_text()
        (root / file).write_text(text.replace(word, "somewhere else "))
        assert f"{file} does not name the papers as expected" in mirl("new", "sixth")
        (root / file).write_text(text)
    (root / "docker/docker-bake.hcl").unlink()
    assert "docker/docker-bake.hcl is not there" in mirl("new", "sixth")


def test_a_registration_that_ends_with_something_else_is_refused(mirl: Callable[..., str], root: Path):
    with (root / "reproduce.yaml").open("a") as stream:
        stream.write("more:\n  of: this\n")
    assert "reproduce.yaml" in mirl("new", "sixth")


def test_changes_that_git_does_not_have_are_not_mixed_with_ours(mirl: Callable[..., str], root: Path):
    commit(root)
    with (root / "README.md").open("a") as stream:
        stream.write("not committed\n")
    assert "README.md must be committed or stashed first" in mirl("new", "sixth")


def test_without_a_lock_that_holds_the_packages_nothing_is_written(mirl: Callable[..., str], root: Path):
    for lock in root.glob("papers/*/poetry.lock"):
        lock.write_text(lock.read_text().replace('name = "gym"\n', 'name = "gymnast"\n'))
    assert "no paper's lock holds the packages of a new room" in mirl("new", "sixth")


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n", 'package = "none"\n'])
def test_a_lock_or_a_project_that_cannot_be_read_is_named(mirl: Callable[..., str], root: Path, text: str):
    lock, project = root / "papers/amigo/poetry.lock", root / "papers/amigo/pyproject.toml"
    before = lock.read_text()
    lock.write_text(text)
    assert f"{lock} is not a lock that can be read" in mirl("new", "sixth")
    lock.write_text(before)
    project.write_text("<<<<<<< HEAD\n")
    assert f"{project} cannot be read: " in mirl("new", "sixth")


@pytest.mark.parametrize("file", [".ci/run", "docs/findings.md", "reproduce.yaml"])
def test_a_failure_in_the_middle_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, file: str):
    before, real = contents(root), rooms.rewrite

    def full(path: Path, content: str | bytes) -> None:
        if path == root / file and isinstance(content, str):
            raise OSError(28, "No space left on device", str(path))
        real(path, content)

    monkeypatch.setattr(rooms, "rewrite", full)
    with pytest.raises(OSError, match="No space left"):
        rooms.write(root, "sixth")
    assert contents(root) == before


def test_the_template_passes_its_own_tests():
    """Those that need no other process, in the environment of a paper that has what it needs."""
    ready = [path.parent for path in sorted(REPOSITORY.glob("papers/*/.venv/.ready"))]
    python = next((one / "bin/python" for one in ready if list(one.glob("lib/*/site-packages/gym")) and
                   list(one.glob("lib/*/site-packages/torch"))), None)  # fmt: skip
    if python is None:
        pytest.skip("no paper with torch and gym is set up")
    room = places.TEMPLATE / rooms.PAPER
    ours = f"{room / 'src'}:{REPOSITORY / 'tests'}"  # the simulated device lies beside papers
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not killed", "tests"],
        cwd=room, capture_output=True, text=True,
        env={**venvs.clean_environment(), "PYTHONPATH": ours, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_a_new_room_passes_all_that_a_paper_has_to_pass_and_can_be_taken_away(tmp_path: Path):
    """In a copy of the repository, with an environment of its own made from its lock; up to a quarter of an hour."""
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    root = copy([Path(line) for line in tracked.splitlines() if (REPOSITORY / line).is_file()], tmp_path / "copy")
    (root / "common/.venv").symlink_to(REPOSITORY / "common/.venv")
    commit(root)
    environment = venvs.clean_environment()

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    said = run("make", "new", "PAPER=sixth")
    run("make", "setup", "PAPER=sixth")
    assert "passed" in run("make", "test", "PAPER=sixth")
    assert "no issues found" in run("make", "lint", "PAPER=sixth")
    assert "within" in run("make", "regress", "PAPER=sixth")
    assert "its citation in reproduce.yaml is still to be written" in " ".join(run("make", "check").split())
    assert "kept its policy" in run("common/.venv/bin/mirl", "selfcheck", "--paper", "sixth")
    undo(root, said)
    assert is_clean(root)
