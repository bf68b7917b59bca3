"""What a check is and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from mirl.suite.check.loader import CsvTable, DescribedPaper, PublishedText, RunFolder, Tree, VerdictFile
from mirl.suite.experiments import Experiments

Severity = Literal["error", "warning"]
Subject = RunFolder | CsvTable | PublishedText | VerdictFile | DescribedPaper
Sentences = Iterator[str]
S = TypeVar("S", bound=Subject)


@dataclass(frozen=True)
class Finding:
    """One thing that one check did not like."""

    check: str
    """The check's id."""
    severity: Severity
    path: Path
    sentence: str


@dataclass(frozen=True)
class Check:
    """A named promise about one kind of thing in a results tree."""

    id: str
    severity: Severity
    promise: str
    """What holds where nothing is found; the first line of the function's docstring."""
    subject: type[Any]
    """RunFolder, CsvTable, VerdictFile, PublishedText or DescribedPaper."""
    function: Callable[[Any, Experiments], Sentences]


CHECKS: dict[str, Check] = {}
"""Every check, by id."""


def named(
    name: str, subject: type[S], severity: Severity = "error"
) -> Callable[[Callable[[S, Experiments], Sentences]], Callable[[S, Experiments], Sentences]]:
    """Registers a function that yields a sentence for each fault of its subject."""

    def register(function: Callable[[S, Experiments], Sentences]) -> Callable[[S, Experiments], Sentences]:
        assert name not in CHECKS, f"two checks are called {name}"
        assert function.__doc__, f"check {name} must say what it promises"
        CHECKS[name] = Check(name, severity, function.__doc__.splitlines()[0], subject, function)
        return function

    return register


def run_checks(tree: Tree, experiments: Experiments) -> list[Finding]:
    """Every check on every subject, in the order of the tree."""
    return [
        Finding(check.id, check.severity, subject.path, sentence)
        for subject in tree.subjects()
        for check in CHECKS.values()
        if isinstance(subject, check.subject)
        for sentence in check.function(subject, experiments)
    ]
