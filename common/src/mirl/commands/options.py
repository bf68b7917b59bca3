"""Options and tables, as all commands read and print them."""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from mirl.config import ConfigError, choose, describe_fields, no_such_option, option_of

if TYPE_CHECKING:
    from mirl.paper import Paper

WORDINGS = (
    (r"argument (\S+): must", r"\1 must"),
    (r"argument (\S+): expected one argument", r"\1 needs a value"),
    (r"argument (\S+): ignored explicit argument '(.*)'", r"\1 takes no value, got \2"),
    (r"argument ", ""),
)


class Flags(argparse.ArgumentParser):
    """argparse that raises ConfigError, one line in our words, where it would print its usage and exit."""

    def __init__(self, prog: str, description: str = "", **options: Any) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        for theirs, ours in WORDINGS:
            message = re.sub(f"^{theirs}", ours, message)
        raise ConfigError(message)

    def parse_all(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse `words`; raises ConfigError for an option that is not known."""
        options, rest = self.parse_known_args(words)
        if rest:
            raise ConfigError(no_such_option(rest[0], self.names))
        return options

    @property
    def names(self) -> list[str]:
        """Its options, as they are written."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


class Parser(Flags):
    """The flags of one command of a paper."""

    def __init__(self, paper: Paper, command: str, description: str, **options: Any) -> None:
        super().__init__(f"python -m {paper.name} {command}", description, **options)


def require_option(options: argparse.Namespace, field: str, rest: Sequence[str], allowed: Iterable[str] = ()) -> None:
    """Raises ConfigError where an option was not given; an unknown word in `rest` may be a misspelling of it."""
    if getattr(options, field) is not None:
        return
    name = option_of(field)
    given = [word.partition("=")[0] for word in rest if word.startswith("--")]
    for word in difflib.get_close_matches(name, given, n=1, cutoff=0.7):
        raise ConfigError(f"no option {word!r}; did you mean {name}?")
    raise ConfigError(f"{name} is needed" + (f" ({', '.join(allowed)})" if allowed else ""))


def choose_of(paper: Paper, kind: str, name: str, known: Iterable[str]) -> str:
    """The task, method, fidelity or setting that `name` means; raises ConfigError with the nearest one."""
    return choose(kind, name, known, f" in paper {paper.name}")


def natural_number(text: str) -> int:
    return whole_number(text, 0)


def positive_number(text: str) -> int:
    return whole_number(text, 1)


def whole_number(text: str, least: int) -> int:
    if not re.fullmatch("[0-9]+", text) or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text}")
    return int(text)


def print_fields(config: Any) -> None:
    """Every field of a config as an option, with its default and its docstring."""
    for field in describe_fields(config):
        default, takes = field["default"], f"   ({field['takes']})" if " or " in field["takes"] else ""
        if isinstance(default, bool):
            default, takes = "on" if default else "off", f"   (or {option_of('no_' + field['name'])})"
        if isinstance(default, (tuple, list)):
            default = " ".join(str(value) for value in default)
        print(f"  {option_of(field['name'])} = {default}{takes}")
        if field["help"]:
            print(
                textwrap.fill(
                    field["help"], 100, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
                )
            )


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, numbers to the right, the first row underlined."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    right = [all(cell[:1] in "-0123456789" for cell in column[1:]) for column in columns]
    for row in [rows[0], ["-" * width for width in widths], *rows[1:]]:
        cells = [
            cell.rjust(width) if numeric else cell.ljust(width)
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())
