"""`describe`: everything that can be known of a paper without running it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from mirl.commands.options import Parser, print_fields, print_table
from mirl.config import ConfigError, describe_fields
from mirl.paper import Paper


def run(paper: Paper, words: Sequence[str]) -> int:
    """Tasks, methods, config fields with defaults, units and sources, and parameter counts."""
    parser = Parser(paper, "describe", run.__doc__ or "")
    parser.add_argument("--json", action="store_true", help="all tasks and methods, for programs")
    if parser.parse_all(words).json:
        print(json.dumps(description(paper), indent=2))
        return 0
    for name in ("tasks", "methods", "fidelities", "settings"):
        print(f"{name + ':':12}{', '.join(getattr(paper, name))}")
    print("\nparameters\n")
    rows = [
        (task, method, part, f"{number:,}")
        for task, method, _ in combinations(paper)
        for part, number in paper.parameter_counts(task, method).items()
    ]
    print_table([("task", "method", "part", "parameters"), *rows])
    task, method, config = list(combinations(paper))[-1]
    print(f"\nfields of {method} on {task} (all: describe --json)\n")
    print_fields(config)
    return 0


def description(paper: Paper) -> dict[str, Any]:
    """What `describe --json` prints."""
    content: dict[str, Any] = {
        "paper": paper.name,
        "tasks": paper.tasks,
        "methods": paper.methods,
        "fidelities": paper.fidelities,
        "settings": paper.settings,
        "config": {task: {} for task in paper.tasks},
        "parameter_counts": {task: {} for task in paper.tasks},
    }
    for task, method, config in combinations(paper):
        content["config"][task][method] = describe_fields(config)
        content["parameter_counts"][task][method] = dict(paper.parameter_counts(task, method))
    return content


def combinations(paper: Paper) -> Iterator[tuple[str, str, Any]]:
    """(task, method, config) of every method that a task knows."""
    for task in paper.tasks:
        for method in paper.methods:
            with contextlib.suppress(ConfigError):
                yield task, method, paper.configure(task, method, paper.fidelities[0])
