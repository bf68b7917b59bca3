"""Files of the repository that name every paper one by one: how each of them gets one more."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from mirl.config import ConfigError

TEMPLATE = Path(__file__).parent / "template"
PLACEHOLDER = "newpaper"
TASK = "cartpole"
"""The template's."""

REGRESS = re.compile(r"(?:^make regress PAPER=.*\n)+", re.MULTILINE)
JOBS = re.compile(r"(?:^ +- \{paper: \w+, task: \S+\}\n)+", re.MULTILINE)
IMAGES = re.compile(r'(?<=^    paper  = \[)("\w+"(?:, "\w+")*)(?=\]$)', re.MULTILINE)
STATES = re.compile(r"(?:^\| [^|]+ \| \[papers/\w+\]\(papers/\w+\) \|.*\n)+", re.MULTILINE)


def changed(root: Path, name: str) -> dict[str, str]:
    """File -> its text with the paper in it, the registration last; raises ConfigError where its place is not found."""
    return {file: insert(root / file, name) for file, insert in PLACES.items()}


def in_checks(path: Path, name: str) -> str:
    """.ci/run: its regression bands, after the others'."""
    return after(path, REGRESS, f"make regress PAPER={name} TASK={TASK}\n")


def in_jobs(path: Path, name: str) -> str:
    """The workflow: a job of its own."""
    return after(path, JOBS, f"          - {{paper: {name}, task: {TASK}}}\n")


def in_images(path: Path, name: str) -> str:
    """The images that are built at once, in the order of names."""
    papers = sorted([*re.findall(r"\w+", found(path, IMAGES)[0]), name])
    return IMAGES.sub(", ".join(f'"{paper}"' for paper in papers), path.read_text(encoding="utf-8"), count=1)


def in_readme(path: Path, name: str) -> str:
    """README's table of what is here."""
    state = "a room as `mirl new` writes it: REINFORCE on CartPole, where the paper is to stand"
    return after(path, STATES, f"| {name} | [papers/{name}](papers/{name}) | {state} |\n")


def in_findings(path: Path, name: str) -> str:
    """A section at the end of docs/findings.md."""
    return path.read_text(encoding="utf-8").rstrip("\n") + "\n" + template_text("docs/findings.md", name)


def in_registration(path: Path, name: str) -> str:
    """The end of reproduce.yaml, whose last key is `papers`; the comments and anchors of others stay as they are."""
    entry = template_text("reproduce.yaml", name).partition("papers:\n")[2]
    return path.read_text(encoding="utf-8").rstrip("\n") + "\n" + entry


PLACES: dict[str, Callable[[Path, str], str]] = {
    ".ci/run": in_checks,
    ".github/workflows/ci.yml": in_jobs,
    "docker/docker-bake.hcl": in_images,
    "README.md": in_readme,
    "docs/findings.md": in_findings,
    "reproduce.yaml": in_registration,
}


def template_text(file: str, name: str) -> str:
    return (TEMPLATE / file).read_text(encoding="utf-8").replace(PLACEHOLDER, name)


def found(path: Path, place: re.Pattern[str]) -> re.Match[str]:
    """Where a file names the papers; raises ConfigError where that is not to be seen."""
    if not path.is_file():
        raise ConfigError(f"{path} is not there; it names every paper")
    match = place.search(path.read_text(encoding="utf-8"))
    if match is None:
        raise ConfigError(f"{path} does not name the papers as expected (/{place.pattern}/), so that none can be added")
    return match


def after(path: Path, place: re.Pattern[str], line: str) -> str:
    """The file's text with a line more after those that match."""
    end = found(path, place).end()
    text = path.read_text(encoding="utf-8")
    return text[:end] + line + text[end:]


def refuse_uncommitted(root: Path, files: Sequence[str]) -> None:
    """Raises ConfigError where git lacks a file's last changes: `git restore` would undo them together with ours."""
    status = ["git", "-C", str(root), "status", "--porcelain", "--", *files]
    done = subprocess.run(status, capture_output=True, text=True)
    if done.returncode == 0 and done.stdout:
        names = ", ".join(line[3:] for line in done.stdout.splitlines())
        raise ConfigError(f"{names} must be committed or stashed first, so that git can undo what is written there")
