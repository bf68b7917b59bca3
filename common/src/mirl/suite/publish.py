"""`mirl publish`: finished runs, made small, into results/published for git."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

from mirl.config import ConfigError
from mirl.files import read_json, write_atomically
from mirl.suite.experiments import Experiments, RunSpec
from mirl.suite.results import metric_value, read_metrics, run_directory

SUMMARY_COLUMNS = ("budget", "task", "method", "seed", "metric", "value", "env_steps", "wall_s")
TABLES = ("metrics.csv", "episodes.csv")


def publish(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> list[Path]:
    """Copy manifest and tables of finished runs, and renew their lines in the paper's summary.csv.

    Raises ConfigError where a run is not finished. The tables are compressed with no time stamp inside, so that the
    same run gives the same bytes; their content is still what the manifest's sha256 says.
    """
    for spec in specs:
        if not (run_directory(root, spec) / "manifest.json").exists():
            raise ConfigError(f"{spec} is not finished; only finished runs are published")
    targets = [publish_run(root, spec) for spec in specs]
    for paper in dict.fromkeys(spec.paper for spec in specs):
        write_summary(root, experiments, [spec for spec in specs if spec.paper == paper])
    return targets


def published_directory(root: Path, spec: RunSpec) -> Path:
    """results/published/<paper>/<budget>/<task>/<method>/seed<k>"""
    return root / "results/published" / spec.paper / spec.budget / spec.task / spec.labelled_method / f"seed{spec.seed}"


def publish_run(root: Path, spec: RunSpec) -> Path:
    source, target = run_directory(root, spec), published_directory(root, spec)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "manifest.json", target / "manifest.json")
    for name in TABLES:
        (target / f"{name}.gz").write_bytes(gzip.compress((source / name).read_bytes(), compresslevel=9, mtime=0))
    return target


def write_summary(root: Path, experiments: Experiments, specs: Sequence[RunSpec]) -> None:
    """One line a run in summary.csv; lines of other runs stay."""
    path = root / "results/published" / specs[0].paper / "summary.csv"
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    if path.exists():
        with path.open(newline="") as stream:
            lines = {key_of(row): row for row in csv.DictReader(stream)}
    for spec in specs:
        row = summary_row(root, experiments, spec)
        lines[key_of(row)] = row
    text = io.StringIO()
    writer = csv.DictWriter(text, SUMMARY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines[key] for key in sorted(lines))
    write_atomically(path, text.getvalue())


def key_of(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[column] for column in ("budget", "task", "method", "seed"))


def summary_row(root: Path, experiments: Experiments, spec: RunSpec) -> dict[str, str]:
    metric = experiments.papers[spec.paper].tasks[spec.task].metric
    value = metric_value(read_metrics(run_directory(root, spec) / "metrics.csv"), metric)
    manifest = read_json(run_directory(root, spec) / "manifest.json")
    return {
        "budget": spec.budget,
        "task": spec.task,
        "method": spec.labelled_method,
        "seed": str(spec.seed),
        "metric": metric.name,
        "value": "" if value is None else f"{value:.6g}",
        "env_steps": str(manifest["env_steps"]),
        "wall_s": f"{manifest['wall_s']:.1f}",
    }
