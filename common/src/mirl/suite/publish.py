"""`mirl publish`: finished runs, made small, into results/published for git."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

from mirl.config import ConfigError
from mirl.exhibits import FILM, POLICY
from mirl.suite import exhibits
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import TABLES, damage, read_manifest
from mirl.suite.record_tables import read_table, write_table
from mirl.suite.records import Summary
from mirl.suite.results import metric_value, published_directory, read_metrics, read_state, run_directory
from mirl.suite.selection import RunSpec


def publish(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> list[Path]:
    """Copy manifest and tables of finished runs, and renew their lines in the paper's summary.csv.

    Raises ConfigError where a run is not finished, or is not what its manifest vouches for. The tables are compressed
    with no time stamp inside, so that the same run gives the same bytes; their content is still what the manifest's
    sha256 says.
    """
    for spec in specs:
        damaged = damage(run_directory(root, spec), spec)
        if damaged:
            raise ConfigError(f"{damaged}; only whole runs are published")
        if read_state(run_directory(root, spec), spec).state != "finished":
            raise ConfigError(f"{spec} is not finished; only finished runs are published")
    targets = [publish_run(root, spec) for spec in specs]
    for paper in dict.fromkeys(spec.paper for spec in specs):
        write_summary(root, experiments, [spec for spec in specs if spec.paper == paper])
    return targets


def keep_exhibits(root: Path, experiments: Experiments, spec: RunSpec) -> str:
    """Put a finished run's policy beside its published tables, and the film of a method's first seed; says what is
    there now."""
    seeds = experiments.papers[spec.paper].tasks[spec.task].of(spec.labelled_method).budgets[spec.budget].seeds
    kinds = [POLICY, FILM] if spec.seed == seeds[0] else [POLICY]
    return "; ".join(exhibits.keep(root, spec, kind, run_directory(root, spec)).words for kind in kinds)


def publish_run(root: Path, spec: RunSpec) -> Path:
    target = published_directory(root, spec)
    copy_small(run_directory(root, spec), target)
    return target


def copy_small(source: Path, target: Path) -> None:
    """Copy the manifest and the compressed tables of a run directory or of a published run."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "manifest.json", target / "manifest.json")
    for name in TABLES:
        small = source / f"{name}.gz"
        content = small.read_bytes() if small.exists() else gzip.compress((source / name).read_bytes(), 9, mtime=0)
        (target / small.name).write_bytes(content)


def write_summary(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> None:
    """One line a run and setting in summary.csv; lines of other runs stay."""
    path = root / "results/published" / specs[0].paper / "summary.csv"
    new = [row for spec in specs for row in summarise(root, experiments, spec)]
    rows = {row.key: row for row in [*read_table(path, Summary), *new]}
    write_table(
        path, Summary, sorted(rows.values(), key=lambda row: (row.budget, row.task, row.method, row.seed, row.metric))
    )


def summarise(root: Path, experiments: Experiments, spec: RunSpec) -> list[Summary]:
    """The registered metrics of one finished run. Raises ConfigError where one was never recorded."""
    table = read_metrics(run_directory(root, spec))
    manifest = read_manifest(run_directory(root, spec), spec)
    rows = []
    for metric in experiments.papers[spec.paper].tasks[spec.task].of(spec.labelled_method).metrics:
        value = metric_value(table, metric)
        if value is None:
            raise ConfigError(f"{spec} never recorded {metric.name}")
        row = Summary(
            budget=spec.budget, task=spec.task, method=spec.labelled_method, seed=spec.seed, metric=metric.name,
            value=float(f"{value:.6g}"), env_steps=manifest["env_steps"], wall_s=round(manifest["wall_s"], 1),
        )  # fmt: skip
        rows.append(row)
    return rows
