"""What a paper may be called."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mirl.config import ConfigError
from mirl.suite import experiments as registry
from mirl.suite.rooms.places import PLACEHOLDER
from mirl.suite.venvs import SetupError, locked_versions

LONGEST = 30
"""Signs; the tables that list papers have room for no more."""
RESERVED = ("mirl", "common", "plain", "src", "suite", "tests", "toy", "toys", "any", PLACEHOLDER)
"""Names that modules of the suite, of its tests or of every paper's tests have."""


def refuse(root: Path, name: str) -> None:
    """Raises ConfigError for a name that no paper can have, or that one has already, in part or as a whole."""
    if not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > LONGEST:
        allowed = f"at most {LONGEST} lower-case letters and digits, with single _ between, a letter first"
        raise ConfigError(f"PAPER must be {allowed}: it names a Python package and an image, got {name!r}")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise ConfigError(f"PAPER {name} is a word of Python")
    if name in RESERVED or name in sys.stdlib_module_names:
        raise ConfigError(f"PAPER {name} is the name of another module")
    for library in libraries(root):
        if name == library:
            raise ConfigError(f"PAPER {name} is the name of a library that papers are locked to")
    if name in registry.load(root / "reproduce.yaml").papers:
        raise ConfigError(f"there is a paper {name} in reproduce.yaml already")
    for place in half_there(root, name):
        raise ConfigError(f"{place.relative_to(root)} is there already; move it away, or choose another name")


def libraries(root: Path) -> Iterator[str]:
    """What is locked anywhere, as it would be imported; raises ConfigError for a lock that cannot be read."""
    for lock in root.glob("papers/*/poetry.lock"):
        try:
            yield from (name.replace("-", "_") for name in locked_versions(lock.parent))
        except SetupError as error:
            raise ConfigError(str(error)) from None


def half_there(root: Path, name: str) -> Iterator[Path]:
    """Whatever a paper of this name has left, or would write over."""
    yield from (path for path in (root / "papers").glob("*") if path.name.lower() == name)
    for pattern in ("reference/{}.csv", "reference/{}-*.csv", "regression/{}.csv", "regression/{}-*.csv",
                    "published/{}", "runs/*/{}"):  # fmt: skip
        yield from (root / "results").glob(pattern.format(name))
