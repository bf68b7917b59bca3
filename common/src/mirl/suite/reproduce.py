"""`mirl reproduce` and `mirl regress`: set up what is missing, run what is not finished, then judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.text import Text

from mirl import cards
from mirl.attempt_log import last_words
from mirl.config import ConfigError
from mirl.folder import read_record
from mirl.manifest import lock_sha256
from mirl.signals import Stopped
from mirl.suite import containers, engine, plan, venvs
from mirl.suite.driver_lock import driver_lock
from mirl.suite.executors import LOCAL, Choices, choose_executor
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import damage, is_finished, set_aside_broken
from mirl.suite.plan import Estimate
from mirl.suite.results import run_directory
from mirl.suite.runner import device_here
from mirl.suite.selection import RunSpec, registered_fields
from mirl.suite.status import Watcher


def reproduce(
    root: Path, experiments: Experiments, specs: Sequence[RunSpec], console: Console, choices: Choices = LOCAL
) -> bool:
    """Bring every SPEC to its end; True where all are finished. Raises ConfigError before anything is started.

    Environments, or images, that are missing are made. Raises Stopped where somebody stopped it.
    """
    left = unfinished(root, specs)
    for spec in specs:
        refuse_what_is_not_it(root, experiments, spec)
    if not left:
        console.print(f"nothing to do: {len(specs)} of {len(specs)} runs are finished")
        return True
    with driver_lock(engine.folder_of(root)):
        for spec in left:  # the engine would take a run with a broken manifest for done
            if told := set_aside_broken(run_directory(root, spec)):
                console.print(f"{spec}: {told}", markup=False, soft_wrap=True)
        estimates = list(plan.estimate_all(root, experiments, specs))
        executor = choose_executor(root, experiments, [one for one in estimates if not one.finished], choices)
        papers = {spec.paper for spec in left}
        if choices.runner == "venv":
            set_up_papers(root, papers, executor.device)
        else:
            containers.make_images(root, papers, executor.device or device_here())
        for reason in idle_cards(root, papers if choices.runner == "venv" else ()) if executor.device is None else ():
            console.print(reason, markup=False)
        announce(root, estimates, choices, executor.jobs, console)
        if executor.going_on:
            console.print(f"{executor.going_on} runs of an earlier drive go on in the queue; they are waited for")
        watcher = Watcher(root, left, console)
        with watcher:
            ended = engine.run_all(root, experiments, left, executor, watcher.refresh)
    failed = unfinished(root, specs)
    if failed and ended.was_stopped:
        done = len(specs) - len(failed)
        raise Stopped(
            f"stopped as asked; {done} of {len(specs)} runs are finished, the same command continues the others"
        )
    if failed:
        console.print(f"{len(failed)} of {len(specs)} runs are not finished; the same command continues them")
    if failed and ended.code and not any(read_record(run_directory(root, spec)) for spec in failed):
        raise ConfigError(before_any_run_began(root, failed, ended))
    return not failed


def before_any_run_began(root: Path, failed: Sequence[RunSpec], ended: engine.Ended) -> str:
    """What is known of a drive none of whose runs came to write its first record: the trainer's own last line."""
    for spec in failed:
        if said := last_words(run_directory(root, spec)):
            return f"{spec} ended before it began: {said}; see {run_directory(root, spec)}"
    said = ended.complaint or f"the engine ended with code {ended.code} before any run began"
    return f"{said}; see {engine.log_path(root)}"


def dry_run(root: Path, experiments: Experiments, specs: Sequence[RunSpec], console: Console, choices: Choices) -> None:
    """Say what `reproduce` would start, in the engine's own words; start nothing."""
    left = unfinished(root, specs)
    for spec in specs:
        refuse_what_is_not_it(root, experiments, spec)
    if not left:
        console.print(f"nothing to do: {len(specs)} of {len(specs)} runs are finished")
        return
    estimates = list(plan.estimate_all(root, experiments, left))
    executor = choose_executor(root, experiments, estimates, choices)
    console.print(plan.summary(root, estimates, executor.jobs, choices.executor == "local"))
    code, words = engine.dry_run(root, experiments, left, executor)
    if code:
        raise ConfigError(f"the engine's dry run ended with code {code}: {words.splitlines()[-1] if words else ''}")
    console.print(words, markup=False, end="")


def unfinished(root: Path, specs: Sequence[RunSpec]) -> list[RunSpec]:
    return [spec for spec in specs if not is_finished(run_directory(root, spec))]


def set_up_papers(root: Path, papers: set[str], device: str | None = None) -> None:
    """Make the environments that are missing or of an older lock.

    `device` None leaves one that is ready for either device as it is; others are made for what this host has.
    """
    for paper in sorted(papers):
        project = root / "papers" / paper
        if device is None and any(venvs.is_ready(project, one) for one in venvs.DEVICES):
            continue
        try:
            venvs.set_up(project, device or venvs.detect_device())
        except venvs.SetupError as error:
            raise ConfigError(f"setting up papers/{paper}: {error}") from None


def refuse_what_is_not_it(root: Path, experiments: Experiments, spec: RunSpec) -> None:
    """A finished run that is damaged, or one of another registration, is neither continued nor counted."""
    directory = run_directory(root, spec)
    if is_finished(directory) and (damaged := damage(directory, spec)):
        raise ConfigError(f"{damaged}; move that folder away to run it anew")
    record = read_record(directory)
    for field, value in registered_fields(experiments, spec).items() if record else ():
        before = record["config"].get(field)  # type: ignore[index]
        wanted = list(value) if isinstance(value, tuple) else value
        if before != wanted:
            raise ConfigError(
                f"{directory} was started with {field}={before}, reproduce.yaml now says {wanted}; "
                "move that folder away to run it anew"
            )


def idle_cards(root: Path, papers: Iterable[str]) -> Iterator[str]:
    """Why runs of these papers train on the processor although this host has cards: a sentence for each reason."""
    here = cards.all_cards()
    if hidden := cards.why_hidden(here):
        yield hidden if cards.visible_cards(here) else f"{hidden}: these runs train on the processor"
    for paper in sorted(papers) if cards.visible_cards(here) else ():
        project = root / "papers" / paper
        if venvs.is_ready(project, "cpu") and not venvs.is_ready(project, "gpu"):
            yield (
                f"papers/{paper}/.venv is the build for processors: its runs leave the GPU alone; "
                f"make setup PAPER={paper} DEVICE=gpu"
            )


def announce(root: Path, estimates: Sequence[Estimate], choices: Choices, jobs: int, console: Console) -> None:
    """Say what will be done; where it is more than a day, show the whole plan and the way to a smaller budget."""
    papers = {one.spec.paper for one in estimates}
    if plan.total_wall_s(estimates, jobs) > plan.DAY_S or len(papers) > 1:
        console.print(plan.render(estimates))
    if plan.total_wall_s(estimates, jobs) > plan.DAY_S:
        first = estimates[0].spec
        smaller = "workstation" if first.budget == "paper" else "tiny"
        which = f"--paper {first.paper} --task {first.task}" if len(papers) == 1 else "--all"
        console.print(f"This is more than a day. A smaller budget: mirl reproduce {which} --budget {smaller}")
    console.print(plan.summary(root, estimates, jobs, choices.executor == "local"))


def judge(root: Path, experiments: Experiments, specs: Sequence[RunSpec], console: Console) -> bool:
    """Print what these runs say: tiny ones against bands, others against the paper. False where one is outside."""
    within = True
    for paper in dict.fromkeys(spec.paper for spec in specs):
        mine = [spec for spec in specs if spec.paper == paper]
        console.print()
        if mine[0].budget == "tiny":
            within &= judge_bands(root, experiments, mine, console)
        else:
            compare(root, experiments, mine, console)
    return within


def judge_bands(root: Path, experiments: Experiments, specs: Sequence[RunSpec], console: Console) -> bool:
    """Hold tiny runs of one paper against its regression bands and first values."""
    from mirl.verdict import bands, regression

    paper = specs[0].paper
    measurements = regression.measure(root, experiments, specs)
    judged = regression.judge(measurements, bands.read_bands(root, paper), bands.read_first_values(root, paper))
    console.print(bands.render(judged, lock_sha256(root / "papers" / paper)))
    show_settings(root, experiments, specs, console)
    return all(one.finding == "within" for one in judged)


def show_settings(root: Path, experiments: Experiments, specs: Sequence[RunSpec], console: Console) -> None:
    """What these tiny runs gave in each test condition, where their tasks have several."""
    from mirl.verdict import comparison, tables

    entry, shown = experiments.papers[specs[0].paper], {(spec.task, spec.method) for spec in specs}
    if not any(entry.tasks[task].settings for task, _ in shown):
        return
    built = comparison.build(root, experiments, specs[0].paper, specs[0].budget)
    rows = [row for row in built.rows if (row.task, row.method) in shown and row.setting]
    console.print(Group(Text(), tables.settings_table(rows)))


def compare(root: Path, experiments: Experiments, specs: Sequence[RunSpec], console: Console) -> None:
    """Write verdict.json of one paper and budget, and print the rows that these runs belong to."""
    from mirl.verdict import comparison, tables

    paper, budget = specs[0].paper, specs[0].budget
    built = comparison.build(root, experiments, paper, budget)
    path = comparison.write(root, built)
    tasks, methods = {spec.task for spec in specs}, {spec.method for spec in specs}
    only_task = tasks.pop() if len(tasks) == 1 else None
    only_method = methods.pop() if len(methods) == 1 else None
    console.print(tables.render(built, only_task, only_method))
    console.print(f"\n{path.relative_to(root)} holds the whole comparison")


def update_bands(
    root: Path, experiments: Experiments, paper: str, specs: Sequence[RunSpec], why: str, console: Console
) -> None:
    """Record new bands and first values from finished tiny runs.

    Raises ConfigError for fewer than five seeds or an empty reason.
    """
    from mirl.verdict import bands, regression

    locked = lock_sha256(root / "papers" / paper)
    if locked is None:
        raise ConfigError(f"papers/{paper} has no poetry.lock, which a band names")
    paths = bands.update(root, paper, regression.measure(root, experiments, specs), locked, why)
    names = " and ".join(str(path.relative_to(root)) for path in paths)
    console.print(f"{names} are renewed from {len(specs)} runs")
