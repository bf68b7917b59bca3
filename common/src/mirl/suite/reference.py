"""`mirl reference add`: a reader with the PDF adds a number; from then on `mirl compare` uses it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from mirl.config import ConfigError, choose, option_of
from mirl.files import write_atomically
from mirl.suite.experiments import PaperEntry, Task
from mirl.suite.record_tables import columns
from mirl.suite.records import Reference
from mirl.suite.results import read_references, reference_path


def add(root: Path, paper: str, entry: PaperEntry, cells: Mapping[str, object]) -> tuple[Path, Reference]:
    """Append one row to results/reference/<paper>.csv, atomically; the other rows keep their bytes.

    `cells`: the columns of a Reference; task and method are corrected in case. Metric and unit that are not given
    are the registered ones of the setting. Raises ConfigError, and writes nothing, for a name that is not registered,
    a cell of another type, and a number that is already there.
    """
    row = complete(entry, paper, cells)
    path = reference_path(root, paper)
    for known in read_references(root, paper):
        if same_number(known, row, entry.tasks[row.task]):
            steps = f" after {row.env_steps:,} env steps" if row.env_steps else ""
            raise ConfigError(
                f"{path.name} already has {known.value:g} as {row.role} of {row.metric} for {row.task}, {row.method}"
                f"{', ' + row.setting if row.setting else ''}{steps} ({known.source}); edit that line"
            )
    text = path.read_text(encoding="utf-8") if path.exists() else ",".join(columns(Reference)) + "\n"
    text += "" if text.endswith("\n") else "\n"
    if row.questioned:
        text = with_all_columns(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text + line_of(row, width=len(text.partition("\n")[0].split(","))))
    return path, row


def with_all_columns(text: str) -> str:
    """A table that can be read, with the columns that are younger than it, empty; the other cells as they are."""
    header, *rows = csv.reader(io.StringIO(text))
    missing = columns(Reference)[len(header) :]
    if not missing:
        return text
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header + missing, *(row + [""] * len(missing) for row in rows)])
    return stream.getvalue()


def same_number(known: Reference, row: Reference, task: Task) -> bool:
    """Whether two rows speak of the same number; one without env steps is of the paper's budget."""
    whole = task.of(row.method).budgets["paper"].env_steps
    keys = [one.model_copy(update={"env_steps": one.env_steps or whole}).key for one in (known, row)]
    return keys[0] == keys[1]


def complete(entry: PaperEntry, paper: str, cells: Mapping[str, object]) -> Reference:
    """The row that some cells mean; raises ConfigError naming the option that is wrong."""
    task = choose("task", str(cells["task"]), entry.tasks, f" in paper {paper}")
    registered = entry.tasks[task]
    method = str(cells["method"])
    if cells["role"] != "context":
        method = choose("method", method, [*registered.methods, "any"], f" for {paper}/{task}")
    setting = str(cells["setting"] or registered.setting)
    known = chosen_setting(registered, setting)
    metric = str(cells["metric"] or (known.metric.name if known else ""))
    if not metric:
        raise ConfigError(
            f"--metric is needed: reproduce.yaml registers no setting {setting!r} for {paper}/{task} "
            f"(settings: {', '.join(filter(None, registered.all_settings)) or 'none'})"
        )
    judged = next((one for one in registered.metrics if one.name == metric), None)
    unit = cells["unit"] or (judged.unit if judged else None)
    if unit is None:
        judged_names = ", ".join(dict.fromkeys(one.name for one in registered.metrics))
        raise ConfigError(f"--unit is needed: {metric} is not a registered metric of {task} (those: {judged_names})")
    whole = {**cells, "task": task, "method": method, "setting": setting, "metric": metric, "unit": unit}
    try:
        return Reference.model_validate(whole)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            raise ConfigError(message.replace("spread_kind", "--spread-kind").replace("spread ", "--spread ")) from None
        name = {"n": "reported_seeds"}.get(str(fault["loc"][0]), str(fault["loc"][0]))
        raise ConfigError(f"{option_of(name)}: {message}, got {str(fault['input'])[:60]!r}") from None


def chosen_setting(task: Task, setting: str) -> Task | None:
    """The task in a setting that is registered; None for another, of which the row is context."""
    return task.in_setting(setting) if setting in task.all_settings else None


def line_of(row: Reference, width: int | None = None) -> str:
    """One line of CSV, of the first `width` columns; numbers as short as they were given."""
    stream = io.StringIO()
    cells = ["" if value is None else shown(value) for value in row.model_dump().values()]
    csv.writer(stream, lineterminator="\n").writerow(cells[:width])
    return stream.getvalue()


def shown(value: object) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def use_of(row: Reference, task: Task) -> str:
    """What `mirl compare` will do with a row, in a sentence."""
    judged = {one.metric.name for one in (task.in_setting(setting) for setting in task.all_settings)}
    if row.metric not in judged or row.role == "context":
        return f"kept as context: verdicts on {row.task} use {', '.join(sorted(judged))}"
    if row.questioned:
        return f"`mirl compare` names it beside {row.method} on {row.task}; being questioned it carries no verdict"
    if row.role != "result":
        return f"`mirl compare` names it as the {row.role} of {row.method} on {row.task}"
    return f"`mirl compare` holds {row.method} on {row.task} against it"
