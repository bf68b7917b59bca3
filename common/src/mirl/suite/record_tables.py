"""The tables of results/, a CSV file a kind of row: read with sentences for what is wrong, written atomically."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from mirl.config import ConfigError
from mirl.files import write_atomically
from mirl.suite.records import Record, Row, describe_fault


def columns(kind: type[Record]) -> list[str]:
    """The header of a table of this kind."""
    return list(kind.model_fields)


def known_columns(header: Sequence[str], kind: type[Record]) -> bool:
    """Whether a table has the columns of its kind; an older one may lack the last, whose cells are then empty."""
    needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    return list(header) in (columns(kind), needed)


def parse_table(text: str, kind: type[Row]) -> tuple[list[Row], list[str]]:
    """The rows of a CSV text and, for those that are wrong, sentences that name the line."""
    import pandas as pd  # it takes a second, and who looks at one run's manifest needs none of it

    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        return [], [f"is not a table: {' '.join(str(error).split())}"]
    if not known_columns(list(map(str, table.columns)), kind):
        return [], [f"has the columns {','.join(map(str, table.columns))}; it must have {','.join(columns(kind))}"]
    rows: list[Row] = []
    faults: list[str] = []
    for number, cells in enumerate(table.to_dict("records"), start=2):
        try:
            rows.append(cast(Row, kind.model_validate(cells)))
        except ValidationError as error:
            faults.append(f"line {number}: {describe_fault(error)}")
    return rows, faults


def read_table(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a CSV file, none where it does not exist; raises ConfigError that names file and line."""
    if not path.exists():
        return []
    try:
        rows, faults = parse_table(path.read_text(encoding="utf-8"), kind)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 ({error})") from None
    if faults:
        raise ConfigError(f"{path} {faults[0]}")
    return rows


def write_table(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write rows as CSV, atomically; None becomes an empty cell."""
    import pandas as pd

    cells = [row.model_dump() for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, pd.DataFrame(cells, columns=columns(kind), dtype=object).to_csv(index=False))


def repeated(rows: Sequence[Row]) -> list[str]:
    """Keys that occur twice, for people."""
    seen: set[tuple[object, ...]] = set()
    twice = [row.key for row in rows if row.key in seen or seen.add(row.key)]  # type: ignore[func-returns-value]
    return [", ".join("-" if part in (None, "") else str(part) for part in key) for key in twice]
