"""Commands about GPUs: gpu-check tries what is here, gpu shows what was found on others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mirl.config import ConfigError
from mirl.suite.cli.options import PaperOption, Root, console, open_experiments
from mirl.suite.selection import choose_papers

app = typer.Typer()


@app.command("gpu-check")
def gpu_check(
    paper: PaperOption = None,
    stand_in: Annotated[
        Path | None,
        typer.Option(help="A program that stands in for the card, for tests; times mean nothing.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the card's file; default: results/gpu.", show_default=False)
    ] = None,
    root: Root = None,
) -> None:
    """Try every method on the GPU of this host: updates against the CPU's, runs, drawing, image.

    Ends in a table and a file that can be committed, results/gpu/<card>.json. Given again it goes on where it was
    stopped; a check that has ended, or of other code, begins anew. Exit code 1 where a step fails.
    """
    from mirl.suite import gpu_check as checking
    from mirl.suite.gpu_check.processes import Starter
    from mirl.suite.gpu_check.steps import card_name, steps_for

    if stand_in is not None and not (stand_in.is_dir() or stand_in.is_file()):
        raise ConfigError(f"--stand-in {stand_in} is not there")
    place, experiments = open_experiments(root)
    ready = [name for name in experiments.papers if (place / "papers" / name / ".venv/.ready").exists()]
    names = choose_papers(experiments, paper) if paper else ready
    if not names:
        raise ConfigError("no paper is set up; run: make setup DEVICE=gpu")
    for name in names:
        if name not in ready:
            raise ConfigError(f"papers/{name}/.venv is not set up; run: make setup PAPER={name} DEVICE=gpu")
    starter = Starter(place, stand_in.resolve() if stand_in else None, {})
    card = card_name(starter, names)
    folder = out or (place / "results/runs/gpu-check" if stand_in else place / "results/gpu")
    record = checking.open_record(folder, card, stand_in is not None, place)
    work = place / "results/runs/gpu-check" / record.path.stem
    work.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    if stand_in is not None:
        console.print("no card: a program stands in for it, and its times mean nothing")
    steps = steps_for(place, experiments, list(names), starter, work)
    checking.run_steps(record, steps, lambda line: console.print(line, markup=False))
    show(record)
    console.print(str(record.path), markup=False)
    raise typer.Exit(1 if any(one["status"] == checking.FAILED for one in record.steps.values()) else 0)


def show(record: object) -> None:
    """One line a step."""
    from mirl.suite.gpu_check import Record

    assert isinstance(record, Record)
    header = ("step", "", "difference", "update ms", "launches", "peak MiB")
    rows = [header, *(cells(name, one) for name, one in record.steps.items())]
    widths = [max(len(row[k]) for row in rows) for k in range(len(header))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), markup=False)
    for name, one in record.steps.items():
        if "reason" in one:
            console.print(f"{name}: {one['status']}: {one['reason']}", markup=False)
    if record.simulated:
        console.print("simulated: these times, launches and sizes of memory mean nothing")


def cells(name: str, one: dict[str, object]) -> tuple[str, ...]:
    def number(key: str, form: str, times: float = 1.0) -> str:
        value = one.get(key)
        return format(value * times, form) if isinstance(value, (int, float)) else ""

    return (
        name, str(one["status"]), number("gradient_difference", ".1e"), number("update_s", ".3g", 1000),
        number("update_launches", ",.0f"), number("peak_memory_mib", ",.0f"),
    )  # fmt: skip


@app.command()
def gpu(root: Root = None) -> None:
    """What was found on GPUs, from the files of results/gpu, as a table for documents."""
    from mirl.suite.gpu_check.reading import markdown

    place, _ = open_experiments(root)
    sys.stdout.write(markdown(place) + "\n")
