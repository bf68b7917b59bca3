"""Configs: frozen dataclasses that become command lines, dictionaries and one-line errors."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import difflib
import hashlib
import inspect
import io
import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import tyro

Config = TypeVar("Config")


class ConfigError(ValueError):
    """Bad input. Its text is one line that names the field, the value and what is allowed; the exit code is 2."""


def parse(default: Config, arguments: Sequence[str], program: str) -> Config:
    """A copy of `default` with the fields that `arguments` name replaced.

    `default` is a dataclass instance; `arguments` are `--field-name value` pairs (`--flag` and `--no-flag` for
    booleans). Raises ConfigError for unknown fields, values of the wrong type and whatever the dataclass refuses.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            config, unknown = tyro.cli(
                type(default), prog=program, default=default, args=list(arguments), return_unknown_args=True
            )
    except SystemExit as stop:
        if not stop.code:  # --help was asked for and printed
            raise
        raise ConfigError(first_sentence(complaint.getvalue())) from None
    if unknown:
        known = [option_of(field.name) for field in dataclasses.fields(default)]  # type: ignore[arg-type]
        raise ConfigError(no_such("option", unknown[0], known))
    return config


def first_sentence(panel: str) -> str:
    """The message of a boxed complaint, without its frame and its advice."""
    lines = [re.sub(r"^\W*│\s?|\s*│\W*$", "", line).strip() for line in panel.splitlines()[1:]]
    sentence: list[str] = []
    for line in lines:
        if not line or set(line) <= set("─╰╯"):
            break
        sentence.append(line)
    return " ".join(sentence).removeprefix("Error parsing ").rstrip(".") or "the command line could not be read"


def no_such(kind: str, name: str, known: Iterable[str], where: str = "") -> str:
    """'no task 'walker_wlak' in paper mummi; did you mean walker_walk? (tasks: …)'."""
    known = list(known)
    close = difflib.get_close_matches(name.lower(), [option.lower() for option in known], n=1)
    guess = next((option for option in known if close and option.lower() == close[0]), None)
    question = f"; did you mean {guess}?" if guess else ";"
    return f"no {kind} {name!r}{where}{question} ({kind}s: {', '.join(known)})"


def choose(kind: str, name: str, known: Iterable[str], where: str = "") -> str:
    """The member of `known` that `name` means (case is ignored); raises ConfigError with the nearest spelling."""
    known = list(known)
    for option in known:
        if option.lower() == name.lower():
            return option
    raise ConfigError(no_such(kind, name, known, where))


def option_of(field: str) -> str:
    """`fast_lr` -> `--fast-lr`."""
    return "--" + field.replace("_", "-")


def require(condition: bool, field: str, value: object, allowed: str) -> None:
    """Raises ConfigError '--fast-lr must be positive, got -0.05' unless `condition` holds."""
    if not condition:
        raise ConfigError(f"{option_of(field)} must be {allowed}, got {value}")


def as_dictionary(config: Any) -> dict[str, Any]:
    """A dataclass instance as JSON would read it back (tuples become lists)."""
    dictionary: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return dictionary


def from_dictionary(default: Config, dictionary: Mapping[str, Any]) -> Config:
    """`default` with its fields replaced by those of `as_dictionary`'s result (lists become tuples where they were)."""
    values = {
        name: tuple(value) if isinstance(getattr(default, name, None), tuple) else value
        for name, value in dictionary.items()
    }
    try:
        return dataclasses.replace(default, **values)  # type: ignore[type-var]
    except TypeError as error:
        raise ConfigError(f"the stored config does not fit this version: {error}") from None


def digest(dictionary: Mapping[str, Any]) -> str:
    """sha256 of a dictionary, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(dictionary, sort_keys=True).encode()).hexdigest()


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first field in which two configs differ, as 'fast_lr=0.05, now 0.1'; None where they are equal."""
    missing = object()
    for field in [*new, *(key for key in old if key not in new)]:
        before, now = old.get(field, missing), new.get(field, missing)
        if before != now:
            shown = ["absent" if value is missing else value for value in (before, now)]
            return f"{field}={shown[0]}, now {shown[1]}"
    return None


def describe_fields(config: Any) -> list[dict[str, Any]]:
    """Name, type, default and docstring of every field of a dataclass instance, for `describe`."""
    documents = field_docstrings(type(config))
    return [
        {
            "name": field.name,
            "type": field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type)),
            "default": getattr(config, field.name),
            "help": documents.get(field.name, ""),
        }
        for field in dataclasses.fields(config)
    ]


def field_docstrings(cls: type) -> dict[str, str]:
    """The string literal that stands under each field of a dataclass and of its bases."""
    documents: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                documents[field.target.id] = " ".join(text.value.value.split())
    return documents
