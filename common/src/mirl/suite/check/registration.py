"""Checks of reproduce.yaml against what each paper says of itself: `python -m <paper> describe --json`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from mirl.config import ConfigError
from mirl.suite import venvs
from mirl.suite.check.findings import Sentences, named
from mirl.suite.check.loader import CsvTable, DescribedPaper
from mirl.suite.experiments import BUDGETS, Experiments
from mirl.suite.records import Reference
from mirl.suite.runner import paper_python
from mirl.suite.selection import RunSpec, registered_fields, select
from mirl.verdict.claims import least_p
from mirl.verdict.judgement import LEVEL
from mirl.verdict.margins import margin_of, scale_of


def ask(root: Path, paper: str) -> DescribedPaper:
    """What a paper says of itself, or why it says nothing."""
    path = root / "papers" / paper
    try:
        command = [str(paper_python(root, paper)), "-m", paper, "describe", "--json"]
    except ConfigError as error:
        return DescribedPaper(path, paper, not_set_up=str(error))
    done = subprocess.run(command, capture_output=True, text=True, env=venvs.clean_environment())
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return DescribedPaper(path, paper, fault=f"`describe --json` ends with {last[0]}")
    try:
        said = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        return DescribedPaper(path, paper, fault=f"`describe --json` prints no JSON: {error}")
    return DescribedPaper(path, paper, said)


@named("registration-asked", DescribedPaper, "warning")
def asked(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """A paper is set up, so that its registration can be checked."""
    if paper.not_set_up:
        yield paper.not_set_up


@named("registration-described", DescribedPaper)
def described(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """A paper describes its tasks, methods, fidelities and config fields."""
    if paper.fault:
        yield paper.fault
    for name in ("tasks", "methods", "fidelities", "config") if paper.said else ():
        if name not in paper.said:
            yield f"`describe --json` does not say its {name}"


@named("registration-names", DescribedPaper)
def names(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """Every task, method and fidelity in reproduce.yaml is one that the paper knows."""
    entry = experiments.papers[paper.paper]
    methods = {method for task in entry.tasks.values() for method in task.methods}
    for kind, registered in (("tasks", entry.tasks), ("methods", methods), ("fidelities", entry.fidelities)):
        known = paper.said.get(kind)
        for name in sorted(set(registered) - set(known)) if known is not None else ():
            yield f"has no {kind.removesuffix('s').replace('fidelitie', 'fidelity')} {name}, which reproduce.yaml names"


@named("registration-fields", DescribedPaper)
def fields(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """Every field that reproduce.yaml sets for a method, and every variant's, is a field of a config."""
    entry, wrong = experiments.papers[paper.paper], dict[str, None]()
    config = paper.said.get("config", {})
    for budget in BUDGETS:
        for spec in select(experiments, budget, paper.paper):
            known = fields_of(paper, spec)
            for name in sorted(set(registered_fields(experiments, spec)) - set(known) - {"fidelity"}) if known else ():
                wrong[f"{spec.method} on {spec.task} has no field {name}, which budget {budget} sets"] = None
    everywhere = {field["name"] for task in config.values() for method in task.values() for field in method}
    for variant, overrides in entry.variants.items() if everywhere else ():
        for name in sorted(set(overrides) - everywhere - {"fidelity"}):
            wrong[f"no method has a field {name}, which variant {variant} sets"] = None
    yield from wrong


@named("registration-budget", DescribedPaper)
def budget_of_paper(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """The budget `paper` is as long as what the paper itself runs by default."""
    said = dict[str, None]()
    for spec in select(experiments, "paper", paper.paper):
        default = fields_of(paper, spec).get("total_env_steps")
        registered = experiments.papers[spec.paper].tasks[spec.task].budgets["paper"].of(spec.method).env_steps
        if default is not None and default != registered:
            said[f"{spec.method} on {spec.task} runs {default:,} env steps, reproduce.yaml says {registered:,}"] = None
    yield from said


@named("registration-claims", DescribedPaper)
def claims_can_hold(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """Every claim could hold: with all seeds of one method above all of the other, its corrected p is at most 5 %."""
    entry = experiments.papers[paper.paper]
    for claim in entry.claims:
        least = least_p(claim, entry)
        if least > LEVEL:
            yield (
                f"claim {claim.id} cannot hold: the least p of its seeds, corrected for {len(entry.claims)} claims, is "
                f"{least:.3f}; register more seeds, or more tasks in one claim"
            )


@named("registration-written", DescribedPaper, "warning")
def written(paper: DescribedPaper, experiments: Experiments) -> Sentences:
    """Title, citation and the sources of claims are written: none is the TODO that `mirl new` leaves."""
    entry = experiments.papers[paper.paper]
    sources = {f"source of claim {claim.id}": claim.source for claim in entry.claims}
    for what, text in {"title": entry.title, "citation": entry.citation, **sources}.items():
        if "TODO" in text:
            yield f"its {what} in reproduce.yaml is still to be written: {text}"


@named("registration-margins", CsvTable)
def margins(table: CsvTable, experiments: Experiments) -> Sentences:
    """Every margin is a tenth of the metric's scale, or says in reproduce.yaml where it comes from."""
    entry = experiments.papers.get(table.paper)
    if table.kind is not Reference or entry is None or table.faults:
        return
    references = [row for row in table.rows if isinstance(row, Reference)]
    for name, registered in entry.tasks.items():
        for setting in registered.all_settings:
            judged = registered.in_setting(setting)
            scale = scale_of(references, name, judged)
            if judged.margin_source or (scale and judged.margin == margin_of(scale)):
                continue
            asked = f"the rule gives {margin_of(scale):g}" if scale else "no scale is known"
            place = f"{name} {setting}".strip()
            yield f"{place} has the margin {judged.margin:g}, {asked}; give it that, or a margin_source"


def fields_of(paper: DescribedPaper, spec: RunSpec) -> dict[str, object]:
    """Field -> default of a method on a task; empty where the paper does not know the two."""
    described = paper.said.get("config", {}).get(spec.task, {}).get(spec.method, [])
    return {field["name"]: field["default"] for field in described}
