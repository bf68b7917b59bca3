"""What counts: the registered seeds of the registered settings, read by the registered metric and window, nothing else.

A run that was made otherwise, by hand with another field or by an older registration, is a fault of its seed, and a
seed with a fault lets no verdict pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirl.config import option_of
from mirl.suite.experiments import Budget, Experiments, PaperEntry, Task
from mirl.suite.manifests import DamagedRunError, damage
from mirl.suite.records import ReportedSeed
from mirl.suite.results import Source, directory_of, metric_value, read_metrics, read_state
from mirl.suite.selection import RunSpec, registered_fields
from mirl.verdict.judgement import STEP_TOLERANCE, Seeds

IDENTITY = ("task", "method", "seed", "fidelity", "variant", "device")
"""Config fields that a SPEC or a host gives, checked elsewhere or free."""


def labelled_methods(
    root: Path, entry: PaperEntry, paper: str, task: str, budget: Budget, source: Source
) -> Iterator[str]:
    """The registered methods and, after each, its variants of which there is any registered seed's run."""
    for method in entry.tasks[task].methods:
        yield method
        seeds = entry.tasks[task].budgets[budget].of(method).seeds
        for variant in entry.variants if source != "authors" else ():
            specs = [spec_of(paper, task, f"{method}@{variant}", budget, seed) for seed in seeds]
            if any(directory_of(root, spec, source).exists() for spec in specs):
                yield f"{method}@{variant}"


def spec_of(paper: str, task: str, labelled: str, budget: Budget, seed: int) -> RunSpec:
    method, _, variant = labelled.partition("@")
    return RunSpec(budget=budget, paper=paper, task=task, method=method, variant=variant, seed=seed)


def read_seeds(
    root: Path, experiments: Experiments, paper: str, task: str, setting: str, labelled: str, budget: Budget,
    source: Source,
) -> Seeds:  # fmt: skip
    """The registered metric of every registered seed of a task and method, in one setting. `source`: ours."""
    values: dict[int, float] = {}
    faults: dict[int, str] = {}
    registered = experiments.papers[paper].tasks[task].of(labelled).in_setting(setting)
    for seed in registered.budgets[budget].seeds:
        spec = spec_of(paper, task, labelled, budget, seed)
        found = read_seed(directory_of(root, spec, source), experiments, spec, registered)
        if isinstance(found, str):
            faults[seed] = found
        else:
            values[seed] = found
    return Seeds(values, faults)


def read_seed(directory: Path, experiments: Experiments, spec: RunSpec, task: Task) -> float | str:
    """The registered metric of one run, or why there is none."""
    damaged = damage(directory, spec)
    if damaged:
        return f"damaged ({damaged.short})"
    state = read_state(directory, spec)
    if state.state != "finished":
        return (
            f"{state.state} ({state.reason})" if state.state in ("failed", "damaged") and state.reason else state.state
        )
    fault = not_as_registered(state.manifest, experiments, spec)
    if fault:
        return fault
    try:
        value = metric_value(read_metrics(directory), task.metric)
    except DamagedRunError as unreadable:
        return f"damaged ({unreadable.short})"
    return f"without {task.metric.name}" if value is None else value


def not_as_registered(manifest: Mapping[str, Any], experiments: Experiments, spec: RunSpec) -> str:
    """Why a finished run is not the one that is registered; '' where it is."""
    entry = experiments.papers[spec.paper]
    fields = registered_fields(experiments, spec)
    fidelity = fields.pop("fidelity", entry.fidelity)
    if manifest.get("fidelity") != fidelity:
        return f"run with fidelity {manifest.get('fidelity')}, verdicts use {fidelity}"
    reached = manifest.get("env_steps", 0)
    if reached < (1 - STEP_TOLERANCE) * fields["total_env_steps"]:
        return f"ended after {reached:,} of {fields['total_env_steps']:,} env steps"
    config = manifest.get("config", {})
    for name, value in fields.items():
        wanted = list(value) if isinstance(value, tuple) else value
        if config.get(name) != wanted:
            return f"run with {name}={config.get(name)}, reproduce.yaml registers {wanted}"
    foreign = unregistered_option(manifest.get("command", []), config, fields)
    return f"run with {foreign}, which reproduce.yaml does not register" if foreign else ""


def unregistered_option(command: Sequence[str], config: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """The first option of a train command that sets a config field which nobody registered; None where none does."""
    settable = {option_of(name): name for name in config}
    settable |= {option_of(f"no_{name}"): name for name in config}
    for word in command:
        name = settable.get(word.partition("=")[0])
        if name is not None and name not in fields and name not in IDENTITY:
            return word
    return None


def released_seeds(
    entry: PaperEntry, rows: Sequence[ReportedSeed], task: str, setting: str, method: str, budget: Budget
) -> Seeds:
    """The authors' values of the registered metric, by registered seed. One that is questioned counts, with a fault."""
    metric = entry.tasks[task].in_setting(setting).metric.name
    wanted = entry.tasks[task].budgets[budget].of(method).seeds
    found = {row.seed: row for row in rows if (row.task, row.method, row.metric) == (task, method, metric)}
    values = {seed: float(found[seed].value) for seed in wanted if seed in found}
    faults = {seed: "not released" for seed in wanted if seed not in found}
    questioned = {seed: f"questioned: {found[seed].questioned}" for seed in values if found[seed].questioned}
    return Seeds(values, faults | questioned)
