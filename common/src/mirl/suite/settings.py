"""YAML files that people write: read safely, however they were damaged or made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mirl.config import ConfigError

Model = TypeVar("Model", bound=BaseModel)
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same as SafeLoader, ten times as fast."""
DEEPEST = 50
"""Levels of lists and tables within one another. The loader calls itself for each, and ends the process after some
ten thousand."""
LARGEST = 200_000
"""Values in a file with every alias written out: ten lines of aliases of aliases can stand for billions."""


def read_yaml(path: Path) -> Any:
    """What a YAML file says. Raises ConfigError where it is not valid or goes beyond DEEPEST or LARGEST."""
    try:
        text = path.read_text(encoding="utf-8")
        if fault := fault_of(text):
            raise ConfigError(f"{path} is refused: {fault}")
        return yaml.load(text, Loader=SAFE_LOADER)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # such as a date with a 13th month
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())[:300]}") from None


def read_settings(path: Path, kind: type[Model], where_missing: str) -> Model:
    """A YAML file as a model; raises ConfigError with the place of the first fault."""
    try:
        return kind.model_validate(read_yaml(path))
    except FileNotFoundError:
        raise ConfigError(f"{path} is not there; {where_missing}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(f"{path}: {place}: {fault['msg']}, got {str(fault['input'])[:80]}") from None


def fault_of(text: str) -> str:
    """Why a YAML text is not to be loaded, from its events alone, of which only as many are read as are needed."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # anchor, and how many values came before
    count = 0
    for event in yaml.parse(text, Loader=SAFE_LOADER):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                return f"{place_of(event)} names {event.anchor!r}, which is nowhere whole before it"
            count += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = count - before
        if len(open_nodes) > DEEPEST:
            return f"more than {DEEPEST} lists and tables within one another, at {place_of(event)}"
        if count > LARGEST:
            return f"more than {LARGEST:,} values with its aliases written out, at {place_of(event)}"
    return ""


def place_of(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "an unknown line"
