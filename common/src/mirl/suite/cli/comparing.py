"""What `mirl compare` judges beside our runs: a paper's own seeds, and a reader's."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path

import typer

from mirl.config import ConfigError, choose
from mirl.suite.cli.options import console, name_damages, one_paper, refuse_no_picture
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import DamagedRunError
from mirl.suite.selection import choose_budget, select


def compare_own(
    place: Path, experiments: Experiments, paper: str, task: str | None, budget: str, folder: Path, columns: str,
    env_steps_per_step: int, setting: str, picture: Path | None, json: bool,
) -> None:  # fmt: skip
    """`mirl compare --with`: a method of the reader's own beside the paper's."""
    from mirl.suite import own
    from mirl.verdict import against_own
    from mirl.verdict.judgement import judged_at

    tasks = experiments.papers[paper].tasks
    if task is None:
        raise ConfigError(f"--with needs --task (tasks: {', '.join(tasks)})")
    chosen = tasks[choose("task", task, tasks, f" in paper {paper}")]
    (spec, *_) = select(experiments, budget, paper, task)
    if setting and not chosen.settings:
        raise ConfigError(f"task {spec.task} has one test condition alone; --setting {setting} is none of it")
    named = choose("setting", setting, chosen.all_settings, f" on task {spec.task}") if setting else chosen.setting
    names = [name.strip() for name in columns.split(",")] if columns else []
    if names and (len(names) != 2 or not all(names) or names[0] == names[1]):
        raise ConfigError(f"--columns must name two columns with a comma between, as STEPS,VALUES, got {columns!r}")
    if picture is not None:
        refuse_no_picture("--picture", picture)
    registered = chosen.in_setting(named)
    runs = own.read(folder, registered.metric, names, env_steps_per_step)
    own.refuse_other_steps(runs, judged_at(registered, spec.budget), registered.metric)
    found = against_own.build(place, experiments, paper, spec.task, spec.budget, runs, named)
    if json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
    else:
        console.print(against_own.render(found))
    damages: list[DamagedRunError] = []
    if picture is not None:
        damages = own.draw(place, spec, registered.metric, runs, picture)
        if not json:
            console.print(f"{picture} shows the curves", markup=False)
    raise typer.Exit(1 if name_damages(place, damages) else 0)


def compare_authors(
    place: Path, experiments: Experiments, paper: str | None, task: str | None, budget: str, published: bool, json: bool
) -> None:
    """`mirl compare --authors`: a paper's own seeds under our rules, and its stated numbers recomputed."""
    from mirl.verdict import coincidences, comparison, findings, reported, tables

    if published or choose_budget(budget) != "paper":
        raise ConfigError("--authors judges the paper's own runs, so it takes neither --published nor another --budget")
    name = one_paper(experiments, paper, "--authors needs --paper")
    only = choose("task", task, experiments.papers[name].tasks, f" in paper {name}") if task else None
    found = [one for one in reported.recompute_all(place, name) if only in (None, one.task)]
    seeds = [row for row in reported.read_seeds(place, name) if only in (None, row.task)]
    together = coincidences.coincidences(seeds)
    built = comparison.build(place, experiments, name, "paper", "authors")
    if not built.rows and not found:
        raise ConfigError(f"nothing is recorded of {name}: no results/reference/{name}-seeds.csv or {name}-stated.csv")
    if json:
        stated, alike = [vars(one) for one in found], [vars(one) for one in together]
        sys.stdout.write(dump({"comparison": built.model_dump(mode="json"), "stated": stated, "coincidences": alike}))
        return
    if built.rows:
        console.print(tables.render(built, only))
        console.print()
    console.print(findings.render_stated(found))
    if together:
        console.print()
        console.print(findings.render_coincidences(together, coincidences.tallies(seeds)))


def dump(content: object) -> str:
    return dumps(content, indent=2, default=str) + "\n"
