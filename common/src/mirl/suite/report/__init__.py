"""`mirl report`: a static site of everything that was run and judged. It needs no server and asks nothing outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirl.manifest import git
from mirl.suite.experiments import Budget, Experiments
from mirl.suite.gpu_check import reading
from mirl.suite.report import overview
from mirl.suite.report.collect import collect
from mirl.suite.report.site import refuse_other_folder, write_site
from mirl.suite.results import Source
from mirl.verdict import power, power_tables

PLACE = "results/report"
"""Where a report is written unless told otherwise, under the repository."""


def write_report(
    root: Path, experiments: Experiments, papers: Sequence[str], source: Source, budget: Budget | None, out: Path
) -> Path:
    """Write the report of these papers to `out` and return its first page.

    `budget` None: the paper's, and the others of which something was begun. Raises ConfigError for a reference table
    that cannot be read and for an `out` that holds something else; nothing is written then.
    """
    refuse_other_folder(out)
    reports = [collect(root, experiments, paper, source, budget) for paper in papers]
    options = [*(["--runs"] if source == "runs" else []), *(["--budget", budget] if budget else [])]
    whole = list(papers) == list(experiments.papers)
    chosen = [] if whole else ["--paper", *papers]
    shared = {
        "source": source,
        "made_by": " ".join(["common/.venv/bin/mirl report", *chosen, *options]),
        "on_gpus": reading.sentence(root),
        "revision": git(root, "rev-parse", "--short=12", "HEAD"),
        "power": power_tables.summary(
            [row for row in power.rows(root, experiments, papers) if "@" not in row.method]  # as the matrix counts
        ),
    }
    write_site(reports, overview.listed(root, experiments, reports), shared, out)
    return out / "index.html"
