"""`mirl findings`: what was found so far, from results/published alone, as the tables that the documents show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev

from mirl.clock import describe_duration
from mirl.config import ConfigError, choose
from mirl.suite import listing
from mirl.suite.experiments import Experiments, Metric
from mirl.suite.manifests import damage
from mirl.suite.results import begun_runs, metric_value, published_directory, published_runs, read_metrics, read_state
from mirl.verdict import comparison
from mirl.verdict.claims import ClaimRow
from mirl.verdict.comparison import Comparison
from mirl.verdict.tables import cells_of_claim

PAPER_COLUMNS = ("paper", "results at the paper's budget", "their verdicts", "claims", "finished runs", "computing")
CLAIM_COLUMNS = ("claim", "on", "P(better)", "95 % CI", "p", "seeds", "verdict", "why")


def overview(root: Path, experiments: Experiments) -> str:
    """A line a paper: how much of it was run, and what came of it."""
    lines = []
    for paper in experiments.papers:
        built = comparison.build(root, experiments, paper, "paper", "published")
        rows = [row for row in built.rows if "@" not in row.method]
        run = [row for row in rows if row.ours.n]
        seconds = wall_seconds(root, paper)
        lines.append(
            [
                f"[{paper}](docs/findings.md#{paper.replace('_', '-')})",
                f"{len(run)} of {len(rows)} run",
                counted(row.verdict for row in run),
                counted(claim.verdict for claim in built.claims),
                str(len(seconds)),
                describe_duration(sum(seconds)) if seconds else "–",
            ]
        )
    return table_of(PAPER_COLUMNS, lines)


def of_paper(root: Path, experiments: Experiments, paper: str) -> str:
    """The claims of a paper that were tested, then every result that was run, at either budget."""
    listed = list(listing.entries(root, experiments, [paper], "published"))
    built = comparison.build(root, experiments, paper, "paper", "published")
    return f"{claims_table(built)}\n\n{listing.markdown(listed)}"


def of_task(root: Path, experiments: Experiments, paper: str, task: str, budget: str, metric: str | None) -> str:
    """A line a method, a column a seed: the value that is judged, or the last of another metric. A damaged run has no
    value. ConfigError where no published run of the task recorded it, a sentence where there is none."""
    registered = experiments.papers[paper].tasks[task]
    values: dict[str, dict[int, float]] = {}
    names = set()
    specs = begun_runs(root, paper, budget, "published", task)
    if not specs:
        return f"No run of {paper} {task} at budget {budget} is published."
    for spec in specs:
        directory = published_directory(root, spec)
        if damage(directory, spec):
            continue
        table = read_metrics(directory)
        names |= set(table["name"])
        judged = registered.of(spec.labelled_method).metric
        value = metric_value(table, Metric(name=metric, unit="") if metric else judged)
        if value is not None:
            values.setdefault(spec.labelled_method, {})[spec.seed] = value
    if names and not values:
        raise ConfigError(f"no run of {paper} {task} recorded {choose('metric', metric or '', sorted(names))}")
    order = {name: place for place, name in enumerate(registered.methods)}
    methods = sorted(values, key=lambda labelled: (labelled.count("@"), order[labelled.partition("@")[0]], labelled))
    seeds = sorted({seed for one in values.values() for seed in one})
    lines = []
    for method in methods:
        of_seeds = values[method]
        cells = [f"{of_seeds[seed]:.3g}" if seed in of_seeds else "" for seed in seeds]
        spread = f" ± {stdev(of_seeds.values()):.3g}" if len(of_seeds) > 1 else ""
        lines.append([f"`{method}`", *cells, f"{mean(of_seeds.values()):.3g}{spread}"])
    name = metric or registered.metric.name
    return table_of([f"`{name}`", *(f"seed {seed}" for seed in seeds), "mean ± sd"], lines)


def claims_table(built: Comparison) -> str:
    """One line a claim with runs; how many have none."""
    tested = [claim for claim in built.claims if claim.verdict != "not run"]
    left = f"{len(built.claims) - len(tested)} of {len(built.claims)} claims have no finished runs yet."
    return f"{table_of(CLAIM_COLUMNS, map(claim_cells, tested))}\n\n{left}" if tested else left


def claim_cells(claim: ClaimRow) -> list[str]:
    _, *numbers, verdict = cells_of_claim(claim)
    on = "; ".join(filter(None, (", ".join(claim.tasks), claim.setting)))
    return [f"{claim.statement}: {claim.better} over {claim.worse}", on, *numbers, verdict, claim.reason]


def wall_seconds(root: Path, paper: str) -> list[float]:
    """Of every published run whose manifest is whole."""
    states = (read_state(published_directory(root, spec), spec) for spec in published_runs(root, paper))
    return [float(state.manifest["wall_s"]) for state in states if state.state == "finished"]


def counted(words: Iterable[str]) -> str:
    """'5 inconclusive, 3 no reference', the most frequent first."""
    return ", ".join(f"{number} {word}" for word, number in Counter(words).most_common()) or "–"


def table_of(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
