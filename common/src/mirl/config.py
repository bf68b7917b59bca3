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
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Config = TypeVar("Config")
LATER = "later"


class ConfigError(Exception):
    """Bad input. Its text is one line that names the field, the value and what is allowed; the exit code is 2."""

    def __init__(self, text: str) -> None:
        """`text` may quote input with line breaks, which become blanks."""
        super().__init__(" ".join(text.splitlines()))


def parse(default: Config, arguments: Sequence[str], program: str, others: Iterable[str] = ()) -> Config:
    """A copy of `default` with the fields that `arguments` name replaced.

    `default` is a dataclass instance; `arguments` are `--field-name value` pairs (`--flag` and `--no-flag` for
    booleans); `others` are the command's other options, which a misspelt one may have meant. Raises ConfigError for
    unknown fields, values of the wrong type and whatever the dataclass refuses.
    """
    import tyro  # not above: ConfigError is also met where nothing is installed yet

    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            config, unknown = tyro.cli(
                type(default), prog=program, default=default, args=list(arguments), return_unknown_args=True
            )
    except SystemExit:
        raise ConfigError(explain(complaint.getvalue(), default, arguments)) from None
    if unknown:
        fields = [option_of(field.name) for field in dataclasses.fields(default)]  # type: ignore[arg-type]
        raise ConfigError(no_such_option(unknown[0], [*fields, *others]))
    return config


def explain(complaint: str, default: object, arguments: Sequence[str]) -> str:
    """tyro's boxed complaint in one line: the option, what it takes and what it was given."""
    named = re.search(r"--[a-z][\w-]*", complaint)
    field = named[0].removeprefix("--").replace("-", "_") if named else ""
    hint = get_type_hints(type(default)).get(field)
    if hint is None:
        return "cannot read " + " ".join(arguments)
    given: list[str] = []
    for word in reversed(arguments):
        option, equals, value = word.partition("=")
        if option.replace("_", "-") == option_of(field):
            given = [value] if equals else given
            break
        given = [] if word.startswith("--") else [word, *given]
    return f"{option_of(field)} must be {describe_type(hint)}, got {' '.join(given) or 'nothing'}"


def describe_type(hint: Any) -> str:
    """What a field takes, for people: 'a whole number', 'adam or sgd', 'whole numbers'."""
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(describe_type(member) for member in get_args(hint))
    if get_origin(hint) in (tuple, list):
        return {int: "whole numbers", float: "numbers"}.get(get_args(hint)[0], "words") + " with blanks between"
    if hint is type(None):
        return "None"
    return {int: "a whole number", float: "a number", str: "a word", bool: "a switch"}.get(hint, str(hint))


def no_such(kind: str, name: str, known: Iterable[str], where: str = "") -> str:
    """'no task 'walker_wlak' in paper mummi; did you mean walker_walk? (tasks: …)'."""
    known = list(known)
    kinds = kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
    return f"no {kind} {name!r}{where}{nearest(name, known)} ({kinds}: {', '.join(known)})"


def no_such_option(word: str, known: Iterable[str]) -> str:
    """As `no_such`, but short where a spelling is near: a method may have fifty options."""
    known = list(known)
    if not word.startswith("-"):
        return f"{word!r} belongs to no option"
    option = word.partition("=")[0].replace("_", "-")
    question = nearest(option, known)
    return f"no option {option!r}{question}" + ("" if question else f" (options: {', '.join(known)})")


def nearest(name: str, known: Sequence[str]) -> str:
    """'; did you mean <the nearest of `known`>?', or nothing where none is near."""
    plain = {option.lower().lstrip("-"): option for option in known}
    close = difflib.get_close_matches(name.lower().lstrip("-"), plain, n=1)
    return f"; did you mean {plain[close[0]]}?" if close else ""


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


def later(default: Any) -> Any:
    """A dataclass field that came when there were runs already, and whose default does what they did.

    It is recorded where it differs from the default, so that those runs can be continued and repeated as they are.
    """
    return dataclasses.field(default=default, metadata={LATER: True})


def as_dictionary(config: Any) -> dict[str, Any]:
    """A dataclass instance as JSON would read it back: tuples become lists, `later` fields at their default are out."""
    values = dataclasses.asdict(config)
    for field in dataclasses.fields(config):
        if LATER in field.metadata and values[field.name] == field.default:
            del values[field.name]
    dictionary: dict[str, Any] = json.loads(json.dumps(values))
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
    """Name, type, what it takes, default and docstring of every field of a dataclass instance, for `describe`."""
    documents, hints = field_docstrings(type(config)), get_type_hints(type(config))
    return [
        {
            "name": field.name,
            "type": field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type)),
            "takes": describe_type(hints[field.name]),
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
