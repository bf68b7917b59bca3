"""The report as files: pages from templates, figures, tables and assets, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image
from plotly.offline import get_plotlyjs

from mirl.config import ConfigError
from mirl.suite.report import data, filters, interactive, overview, twins
from mirl.suite.report.collect import PaperReport, TaskReport
from mirl.suite.report.cost import costs, seconds_left
from mirl.suite.report.curves import SMOOTH
from mirl.suite.report.figures import curve_figures, seeds_figure
from mirl.suite.report.words import CLAIM_VERDICTS, PROVENANCE, ROW_VERDICTS, look
from mirl.suite.selection import RunSpec

HERE = Path(__file__).parent
MARK = "assets/report.css"
"""Only a folder that holds this is replaced."""


@dataclass(frozen=True)
class CurveFiles:
    """What a page says of a figure of curves; `stem` names its files."""

    stem: str
    metrics: Sequence[str]
    registered: bool
    """Whether the first metric is what the task is judged by."""
    thinned: bool
    marks: bool
    bounds: bool


@dataclass(frozen=True)
class SeedsFiles:
    stem: str
    references: bool


@dataclass(frozen=True)
class FilmFiles:
    """What a page says of a film; `stem` names its files."""

    stem: str
    run: RunSpec
    size: tuple[int, int]
    """Width and height, in pixels."""
    caption: str
    alternative: str


@dataclass(frozen=True)
class TaskFigures:
    """The figures of a task; None where there is nothing to draw."""

    curves: CurveFiles | None
    seeds: SeedsFiles | None
    films: Sequence[FilmFiles]


def write_site(
    reports: Sequence[PaperReport], listed: Sequence[overview.Listed], shared: Mapping[str, Any], out: Path
) -> None:
    """Write the report to `out`, in place of an older one. `shared`: source, made_by and revision, for all pages."""
    templates = environment()
    with draft(out) as site:
        write_assets(site)
        common = {**shared, "reports": reports}
        for report in reports:
            page = paper_page(report, site)
            write_page(site, templates, "paper.html", report.name, {**common, **page})
        write_page(site, templates, "index.html", "index", {**common, **overview.page(reports, listed)})


def environment() -> Environment:
    """Jinja as the templates expect it: everything is escaped, a name that is not there is an error."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters.update(filters.FILTERS)
    templates.globals.update(
        look=look, row_verdicts=ROW_VERDICTS, claim_verdicts=CLAIM_VERDICTS, provenance_words=PROVENANCE, smooth=SMOOTH
    )
    return templates


def write_page(site: Path, templates: Environment, template: str, name: str, context: Mapping[str, Any]) -> None:
    text = templates.get_template(template).render(page=name, **context)
    (site / f"{name}.html").write_text(text, encoding="utf-8")


def paper_page(report: PaperReport, site: Path) -> dict[str, Any]:
    """Write one paper's figures and data; returns what its page shows."""
    by_task: dict[str, list[TaskReport]] = {}
    sources: dict[tuple[str, str], list[Any]] = {}
    without_number: dict[str, list[str]] = {}
    for task in report.tasks:
        by_task.setdefault(task.name, []).append(task)
    for reference in report.references:
        sources.setdefault((reference.source, reference.provenance), []).append(reference)
    for row in report.main.rows:
        if row.reference is None and row.method not in without_number.setdefault(row.task, []):
            without_number[row.task].append(row.method)
    spent = costs(report)
    machines = list(dict.fromkeys((one.hardware, one.software) for one in spent))
    return {
        "report": report,
        "facts": overview.facts([report]),
        "by_task": by_task,
        "figures": {(task.name, task.budget): write_figures(report, task, site) for task in report.tasks},
        "copied": data.copy_runs(report, site),
        "tables": data.write_tables(report, site / "data" / report.name),
        "costs": spent,
        "machines": {machine: chr(ord("A") + number) for number, machine in enumerate(machines)},
        "seconds_left": seconds_left(report),
        "sources": sources,
        "without_number": {task: methods for task, methods in without_number.items() if methods},
    }


def write_figures(report: PaperReport, task: TaskReport, site: Path) -> TaskFigures:
    """Draw a task's figures, for the screen and for print."""
    folder, stem = site / "figures", f"{report.name}-{task.name}-{task.budget}"
    folder.mkdir(exist_ok=True)
    curves, seeds, places = curve_figures(task), seeds_figure(task), report.places
    curve_files = seeds_files = None
    if curves:
        name = f"{stem}-curves"
        write_script(folder / f"{name}.js", name, [interactive.draw_curves(one, places) for one in curves])
        twins.draw_curves(curves[0], places, folder / name)
        thinned = any(curve.thinned for figure in curves for curve in figure.curves)
        marks = any(figure.marks for figure in curves)
        bounds = any(figure.bounds for figure in curves)
        registered = curves[0].metric in [judged.metric.name for judged in task.judged_by]
        curve_files = CurveFiles(name, [figure.metric for figure in curves], registered, thinned, marks, bounds)
    if seeds.strips:
        name = f"{stem}-seeds"
        write_script(folder / f"{name}.js", name, [interactive.draw_seeds(seeds, places)])
        twins.draw_seeds(seeds, places, folder / name)
        seeds_files = SeedsFiles(name, any(strip.reference for strip in seeds.strips))
    return TaskFigures(curve_files, seeds_files, copy_films(task, stem, site))


def copy_films(task: TaskReport, stem: str, site: Path) -> list[FilmFiles]:
    """Copy the films of a task's runs, in their order, with the picture that each ends with."""
    copied = []
    for run in task.finished:
        if run.film:
            name = f"{stem}-{run.spec.labelled_method}-seed{run.spec.seed}"
            for file in (run.film.moving, run.film.still):
                (site / "films").mkdir(exist_ok=True)
                shutil.copyfile(file, site / "films" / f"{name}{file.suffix}")
            with Image.open(run.film.still) as still:
                size = still.size
            copied.append(FilmFiles(name, run.spec, size, run.film.caption, run.film.alternative))
    return copied


def write_script(path: Path, stem: str, panels: Sequence[Mapping[str, Any]]) -> None:
    """A script and no JSON file: a page opened from a disk may load scripts, but fetch nothing."""
    content = json.dumps(panels, separators=(",", ":"), allow_nan=False)
    path.write_text(f"mirl.add({json.dumps(stem)}, {content});\n", encoding="utf-8")


def write_assets(site: Path) -> None:
    shutil.copytree(HERE / "assets", site / "assets")
    (site / "assets/plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def refuse_other_folder(out: Path) -> None:
    """A folder that is not a report of ours is never replaced."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).exists()):
        raise ConfigError(f"--out {out} is there and holds no report; name a new or an empty folder")


@contextmanager
def draft(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends well, and vanishes when it does not."""
    out.parent.mkdir(parents=True, exist_ok=True)
    new, old = (out.with_name(f".{out.name}.{word}.{os.getpid()}") for word in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        if out.exists():
            out.rename(old)
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
