"""`mirl compare --with`: a method that nobody registered, held against what a paper reports and what we published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from mirl.suite.experiments import Budget, Experiments
from mirl.suite.lines import Line, lined_table
from mirl.suite.own import OwnRuns, copies
from mirl.suite.records import LEAST_SEEDS, Record, Reference
from mirl.suite.results import metric_value, read_references
from mirl.verdict.evidence import labelled_methods, read_seeds
from mirl.verdict.floors import compare_with_floor, floor_of, rows_of
from mirl.verdict.judgement import (
    LEVEL,
    Seeds,
    choose_reference,
    decimals,
    judge,
    missing_seeds,
    reported_of,
    show_interval,
    show_p,
)
from mirl.verdict.statistics import Interval, improvement_interval, improvement_p, mean_interval, summarise
from mirl.verdict.tables import with_spread


class AgainstMethod(Record):
    """Her method beside one of the paper's."""

    method: str
    reference: Reference | None
    verdict: str
    """Against the reported number, by the rules of mirl.verdict.judgement."""
    reason: str
    published: dict[int, float]
    """Our own seeds of the paper's method."""
    probability: float | None = None
    """That a run of hers is better than one of ours of this method."""
    interval: Interval | None = None
    """95 %, bootstrap over seeds."""
    p: float | None = None
    """Two-sided permutation test over seeds, not corrected for other methods."""
    finding: str = ""
    """What the probability of improvement says, or why nothing."""


class OwnComparison(Record):
    """One task and setting."""

    label: str
    paper: str
    task: str
    setting: str
    budget: str
    metric: str
    unit: str
    seeds: dict[str, float]
    """File -> its value of the registered metric."""
    mean_interval: Interval | None
    """95 %, of the mean."""
    warning: str
    """Where doing nothing is as good, and where two tables may be one seed."""
    methods: tuple[AgainstMethod, ...]


def build(
    root: Path, experiments: Experiments, paper: str, task: str, budget: Budget, runs: OwnRuns, setting: str = ""
) -> OwnComparison:
    """Judge her seeds by the registered metric and margin; nothing of the registration changes, nothing is written."""
    entry = experiments.papers[paper]
    whole = entry.tasks[task]
    registered = whole.in_setting(setting)
    values = {file: metric_value(table, registered.metric) for file, table in runs.tables.items()}
    hers = Seeds({number: value for number, value in enumerate(values.values()) if value is not None})
    references = read_references(root, paper)
    of_task = rows_of(references, task, whole, budget)
    _, warning = compare_with_floor(list(hers.values.values()), floor_of(of_task, whole, setting))
    methods = []
    for method in labelled_methods(root, entry, paper, task, budget, "published"):
        fitting = reported_of(of_task, task, whole, method, setting)
        judged = whole.of(method).in_setting(setting)
        judgement = judge(hers, fitting, judged, budget)
        ours = read_seeds(root, experiments, paper, task, setting, method, budget, "published")
        row = AgainstMethod(
            method=method, reference=choose_reference(fitting, judged, budget), verdict=judgement.verdict,
            reason=judgement.reason, published=dict(ours.values),
        )  # fmt: skip
        methods.append(measure(row, hers, ours, judged.metric.higher_is_better))
    return OwnComparison(
        label=runs.label, paper=paper, task=task, setting=setting, budget=budget, metric=registered.metric.name,
        unit=registered.metric.unit, seeds={file: value for file, value in values.items() if value is not None},
        mean_interval=interval_of(list(hers.values.values()), registered.metric.bounds),
        warning="; ".join(filter(None, (warning, copies(runs)))),
        methods=tuple(methods),
    )  # fmt: skip


def measure(row: AgainstMethod, hers: Seeds, ours: Seeds, higher_is_better: bool) -> AgainstMethod:
    """The probability of improvement over our published seeds; a conclusion needs five whole seeds on both sides."""
    mine, theirs = list(hers.values.values()), list(ours.values.values())
    if not theirs:
        return row.model_copy(update={"finding": f"no published run of {row.method} at this budget"})
    if not all(map(math.isfinite, [*mine, *theirs])):
        return row.model_copy(update={"finding": "a seed is not a finite number"})
    sign = 1.0 if higher_is_better else -1.0
    pair = [sign * value for value in mine], [sign * value for value in theirs]
    probability, interval = improvement_interval([pair])
    p = improvement_p([pair])
    told = f"a run of yours is better than a published one with probability {probability:.2f} ({show_p(p)})"
    if ours.faults:
        finding = f"inconclusive: {row.method}: {missing_seeds(ours)}; {told}"
    elif min(len(mine), len(theirs)) < LEAST_SEEDS:
        finding = (
            f"inconclusive: {len(mine)} seeds against {len(theirs)}, at least {LEAST_SEEDS} carry a conclusion; {told}"
        )
    elif p > LEVEL:
        finding = f"inconclusive: {told}"
    else:
        finding = f"yours is {'better' if probability > 0.5 else 'worse'}: {told}"
    return row.model_copy(update={"probability": probability, "interval": interval, "p": p, "finding": finding})


def interval_of(values: Sequence[float], bounds: Interval) -> Interval | None:
    """Of the mean; none where a seed is not a finite number."""
    return mean_interval(values, bounds=bounds) if all(map(math.isfinite, values)) else None


def render(found: OwnComparison) -> RenderableType:
    """Her seeds, then a line a method: reported, ours, and the probability of improvement."""
    values = list(found.seeds.values())
    digits = decimals(*values)
    whole = all(map(math.isfinite, values))
    mine = summarise(values) if whole else None
    where = " ".join(filter(None, (found.task, found.setting)))
    shown = with_spread(mine.mean, mine.sd if len(values) > 1 else None, digits) if mine else "not a finite number"
    between = f", 95 % CI {show_interval(found.mean_interval, digits)}" if found.mean_interval else ""
    parts: list[RenderableType] = [
        Text(f"{found.label} on {found.paper} {where}, budget {found.budget}", style="bold"),
        Text(f"yours: {shown}{between}, n = {len(values)}  ({found.metric}, {found.unit})"),
    ]
    if found.warning:
        parts.append(Text(found.warning, style="yellow"))
    heads = ("method", "reported", "published (mean ± sd)", "n", "P(yours better)", "95 % CI", "against the reported")
    lines = [Line(cells_of(row), f"{row.reason}. Published: {row.finding}") for row in found.methods]
    return Group(*parts, Text(), lined_table(heads, lines))


def cells_of(row: AgainstMethod) -> list[str]:
    ours = list(row.published.values())
    whole = bool(ours) and all(map(math.isfinite, ours))
    mean = summarise(ours) if whole else None
    digits = decimals(*ours) if whole else 2
    reference = row.reference
    return [
        row.method,
        with_spread(reference.value, reference.spread, decimals(reference.value)) if reference else "none",
        with_spread(mean.mean, mean.sd if len(ours) > 1 else None, digits) if mean else "–",
        str(len(ours)),
        "–" if row.probability is None else f"{row.probability:.2f}",
        "–" if row.interval is None else show_interval(row.interval, 2),
        row.verdict,
    ]
