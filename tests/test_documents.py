"""What the documents promise is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from mirl.suite import cli, documents
from mirl.suite import experiments as registry
from mirl.verdict import power, power_tables

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("papers/*/README.md"), ROOT / ".ci/run"]
VERDICTS, ERROR_RATES, NUMBERS = (ROOT / f"docs/{name}.md" for name in ("verdicts", "error-rates", "reported-numbers"))
MIRL = ROOT / "common/.venv/bin/mirl"


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


def targets() -> set[str]:
    """What `make help` lists."""
    return set(re.findall(r"^  ([a-z-]+) ", make("help").stdout, flags=re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_a_document_names_exists(document: Path):
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^\s*)make (?:-\S+ )*([a-z][a-z-]*)", text, flags=re.MULTILINE))
    assert named <= targets()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_of_a_document_leads_somewhere(document: Path):
    links = re.findall(r"\]\(([^)#:]+)\)|<img src=\"([^\"]+)\"", document.read_text(encoding="utf-8"))
    assert not [link for pair in links for link in pair if link and not (document.parent / link).exists()]


@pytest.mark.parametrize("readme", sorted(ROOT.glob("papers/*/README.md")), ids=lambda path: path.parent.name)
def test_every_test_that_a_papers_documents_name_exists(readme: Path):
    """Ledgers above all; `::test_b` after `test_a.py::test_a` is of the same file."""
    folder = readme.parent
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("README.md", "method-card.md"))
    named: list[tuple[str, str]] = []
    for file, test in re.findall(r"(test_\w+\.py)?::(test_\w+)", text):
        named.append((file or named[-1][0], test))
    assert named
    missing = [(file, test) for file, test in named if f"def {test}(" not in (folder / "tests" / file).read_text()]
    assert missing == []


def test_the_tables_of_documents_are_those_that_their_commands_print():
    assert [str(path.relative_to(ROOT)) for path, _ in documents.changed(ROOT, cli.run)] == []


def test_the_front_page_is_short_and_its_first_screen_has_what_a_reader_wants():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:40])
    for wanted in ("make reproduce PAPER=", "make test", "<!-- mirl findings -->", "](docs/findings.md)", "!["):
        assert wanted in first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("reproduce", "PAPER=mine", "BUDGET=tiny"), "no paper 'mine'; did you mean mime?"),
        (("reproduce", "PAPER=mime", "TASK=wide"), "no task 'wide' in paper mime"),
        (("reproduce", "PAPER=mime", "METHOD=moml"), "no method 'moml' for mime/wide_ring; did you mean maml?"),
        (("reproduce", "PAPER=mime", "BUDGET=small"), "no budget 'small'"),
        (("reproduce", "PAPER=mime", "SEEDS=one"), "--seeds must be whole numbers"),
        (("setup", "PAPER=mime", "DEVICE=tpu"), "no device 'tpu'"),
    ],
)
def test_a_wrong_word_to_make_is_one_clear_line_and_exit_code_2(words: tuple[str, ...], message: str):
    done = make(*words)
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode == 2
    assert len(said) == 1
    assert message in said[0]


def test_the_pages_tell_what_compare_says_of_the_authors_own_numbers():
    done = subprocess.run([MIRL, "compare", "--paper", "sami", "--authors"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = re.search(r"\d+ stated numbers: [^.]*\.", " ".join(done.stdout.split()))
    assert told
    assert told[0] in " ".join(NUMBERS.read_text(encoding="utf-8").split())
    page = (ROOT / "docs/sami-author-files.md").read_text(encoding="utf-8")
    assert told[0] in " ".join(page.split())
    shown = [line for line in done.stdout.splitlines() if re.search(r"does not match$", line.rstrip())]
    shown += done.stdout[done.stdout.index("Released seeds of one task") :].splitlines()
    assert [line for line in shown if line.rstrip() not in page] == []
    assert sum("does not match" in line for line in page.splitlines()) == sum(
        "does not match" in line for line in shown
    )


def test_the_number_that_a_page_adds_can_be_added(tmp_path: Path):
    (example,) = re.findall(r"mirl (reference add (?:.*\\\n)*.*)", NUMBERS.read_text(encoding="utf-8"))
    (tmp_path / "reproduce.yaml").write_bytes((ROOT / "reproduce.yaml").read_bytes())
    words = shlex.split(example.replace("\\\n", " "))
    done = subprocess.run([MIRL, *words, "--root", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/reference/mime.csv").exists()


def test_the_jobs_of_the_workflow_are_parts_of_what_a_change_must_pass():
    """.ci/run is called whole; what runs beside it is nothing else, and every paper has its job."""
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    whole = (ROOT / ".ci/run").read_text(encoding="utf-8")
    lines = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert lines["whole"][-1] == ".ci/run"
    assert jobs["whole"]["needs"] == [name for name in jobs if name != "whole"]
    matrix = jobs["paper"]["strategy"]["matrix"]["include"]
    regressed = re.findall(r"make regress PAPER=(\S+) TASK=(\S+)", whole)
    assert [(one["paper"], one["task"]) for one in matrix] == regressed
    assert {paper for paper, _ in regressed} == {path.parent.name for path in ROOT.glob("papers/*/pyproject.toml")}
    for line in (line for name in ("lint", "suite") for line in lines[name] if line.startswith("make")):
        part = line.removesuffix("-suite")  # `make test` is the suite's tests and every paper's
        assert re.search(rf"^{part.replace('make test', 'make -j2 -O test')}$", whole, flags=re.MULTILINE)


def test_every_place_that_tells_the_version_tells_the_same():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # else it is no citation file
    cited = citation["version"]
    packages = {
        path: tomllib.loads(path.read_text())["project"]["version"]
        for path in [ROOT / "common/pyproject.toml", *ROOT.glob("papers/*/pyproject.toml")]
    }
    assert set(packages.values()) == {cited}
    assert f"## {cited}," in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "place", ["common", *(f"papers/{path.parent.name}" for path in ROOT.glob("papers/*/pyproject.toml"))]
)
def test_a_package_says_what_it_is(place: str):
    project = tomllib.loads((ROOT / place / "pyproject.toml").read_text())["project"]
    assert all(project[name] for name in ("description", "readme", "license", "authors", "keywords", "requires-python"))
    pythons = [one for one in project["classifiers"] if one.startswith("Programming Language :: Python :: 3.")]
    assert [one[-4:] for one in pythons] == ["3.11", "3.12"]
    uploaded = not any(one.startswith("Private ::") for one in project["classifiers"])
    assert uploaded == (place == "common")  # a room is part of this repository


def test_the_issue_template_asks_for_what_is_there():
    template = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/does-not-reproduce-here.yml").read_text(encoding="utf-8"))
    text = " ".join(str(part["attributes"]) for part in template["body"])
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets()
    assert len({part["id"] for part in template["body"] if "id" in part}) == 5
    assert "manifest.json" in text


@pytest.mark.slow
def test_a_page_shows_what_simulate_prints():
    done = subprocess.run([MIRL, "simulate"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = ERROR_RATES.read_text(encoding="utf-8")
    assert all(line.rstrip() in page for line in done.stdout.splitlines())


def test_the_verdicts_page_tells_what_the_registration_can_answer():
    experiments = registry.load(ROOT / "reproduce.yaml")
    rows = list(power.rows(ROOT, experiments, list(experiments.papers)))
    assert power_tables.summary(rows) in " ".join(VERDICTS.read_text().replace("\n> ", " ").split())
