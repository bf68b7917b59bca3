"""The runs of reproduce.yaml: how one is called, what it sets, and which of them a command line means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from pydantic import Field

from mirl.config import ConfigError, choose
from mirl.suite.experiments import BUDGETS, Budget, Experiments, Name, PaperEntry, Strict

SPEC = re.compile(
    r"(?P<budget>[^/]+)/(?P<paper>[^/]+)/(?P<task>[^/]+)/(?P<method>[^/@]+)(@(?P<variant>[^/]+))?/seed(?P<seed>\d+)"
)


class RunSpec(Strict):
    """One run of the suite. Its text, `<budget>/<paper>/<task>/<method>[@variant]/seed<k>`, says everything."""

    budget: Budget
    paper: Name
    task: Name
    method: Name
    variant: str = ""
    seed: int = Field(ge=0)

    @property
    def run_id(self) -> str:
        return f"{self.paper}/{self.task}/{self.labelled_method}/seed{self.seed}"

    @property
    def labelled_method(self) -> str:
        return f"{self.method}@{self.variant}" if self.variant else self.method

    def __str__(self) -> str:
        return f"{self.budget}/{self.run_id}"

    @classmethod
    def parse(cls, text: str) -> RunSpec:
        """The inverse of `str`; raises ConfigError."""
        match = SPEC.fullmatch(text.strip("/"))
        if not match or match["budget"] not in BUDGETS:
            raise ConfigError(f"SPEC must be <budget>/<paper>/<task>/<method>[@variant]/seed<k>, got {text!r}")
        return cls.model_validate({**match.groupdict(default=""), "seed": int(match["seed"])})


def registered_fields(experiments: Experiments, spec: RunSpec) -> dict[str, Any]:
    """The config fields that reproduce.yaml sets for a SPEC: budget first, then its overrides, then the variant's."""
    entry = experiments.papers[spec.paper]
    budget = entry.tasks[spec.task].budgets[spec.budget].of(spec.method)
    variant = entry.variants[spec.variant] if spec.variant else {}
    return {"total_env_steps": budget.env_steps, "threads": entry.threads, **budget.overrides, **variant}


def choose_paper(experiments: Experiments, paper: str) -> str:
    return choose("paper", paper, experiments.papers)


def choose_papers(experiments: Experiments, paper: str | None) -> list[str]:
    """The paper that is named, or all."""
    return [choose_paper(experiments, paper)] if paper else list(experiments.papers)


def choose_budget(budget: str) -> Budget:
    return cast(Budget, choose("budget", budget, BUDGETS))


def select(
    experiments: Experiments,
    budget: str,
    paper: str | None = None,
    task: str | None = None,
    method: str | None = None,
    seeds: Sequence[int] | None = None,
) -> list[RunSpec]:
    """The runs that a command line means; raises ConfigError for a name that is not there."""
    return list(expand(experiments, choose_budget(budget), paper, task, method, seeds))


def expand(
    experiments: Experiments,
    budget: Budget,
    paper: str | None,
    task: str | None,
    method: str | None,
    seeds: Sequence[int] | None,
) -> Iterator[RunSpec]:
    for paper_name in choose_papers(experiments, paper):
        entry = experiments.papers[paper_name]
        for task_name in [choose("task", task, entry.tasks, f" in paper {paper_name}")] if task else entry.tasks:
            one = entry.tasks[task_name]
            for method_name, variant in chosen_methods(entry, paper_name, task_name, method):
                for seed in one.budgets[budget].of(method_name).seeds if seeds is None else seeds:
                    yield RunSpec(
                        budget=budget, paper=paper_name, task=task_name, method=method_name, variant=variant, seed=seed
                    )


def chosen_methods(entry: PaperEntry, paper: str, task: str, wanted: str | None) -> Iterable[tuple[str, str]]:
    """Pairs (method, variant); `wanted` is None for all methods, or `method`, or `method@variant`."""
    methods = entry.tasks[task].methods
    if not wanted:
        return [(method, "") for method in methods]
    method, _, variant = wanted.partition("@")
    method = choose("method", method, methods, f" for {paper}/{task}")
    return [(method, choose("variant", variant, entry.variants, f" in paper {paper}") if variant else "")]
