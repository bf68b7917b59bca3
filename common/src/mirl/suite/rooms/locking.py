"""A lock for a project whose packages other papers have locked already: nothing is resolved, and no index is asked.

The new lock has the old one's entries, with versions and hashes, of the packages that the new project reaches. It is
what `poetry lock` makes of the project where it keeps those versions.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from mirl.config import ConfigError
from mirl.suite.lock import MADE_BY, split
from mirl.suite.venvs import DEVICES, canonical

Project = Mapping[str, Any]
"""A pyproject.toml, read."""


@dataclass(frozen=True)
class Locked:
    """A package of a lock."""

    text: str
    """Its entry."""
    facts: Mapping[str, Any]
    """The same, read."""


Packages = Mapping[str, Sequence[Locked]]
"""Canonical name -> the package as it is locked, in one version or in one for each Python."""


def lock_for(root: Path, pyproject: str) -> dict[str, str]:
    """File name -> text of poetry.lock and both requirements of a project.

    Raises ConfigError where no paper's lock holds all that the project asks for.
    """
    project = tomllib.loads(pyproject)
    for lock in sorted(root.glob("papers/*/poetry.lock")):
        try:
            donor = tomllib.loads((lock.parent / "pyproject.toml").read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{lock.parent}/pyproject.toml cannot be read: {error}") from None
        packages = packages_of(lock.read_text(encoding="utf-8"))
        if agrees(donor, project) and all(is_met(packages, one) for one in wanted(project, extras=True)):
            return derived(lock, packages, project)
    raise ConfigError("no paper's lock holds the packages of a new room; see `dependencies` in its pyproject.toml")


def packages_of(lock: str) -> Packages:
    """What a poetry.lock holds, in its order."""
    entries = re.findall(r"^\[\[package\]\]\n.*?(?=^\[\[package\]\]|^\[extras\]|^\[metadata\])", lock, re.M | re.S)
    packages: dict[str, list[Locked]] = {}
    for entry in entries:
        facts = tomllib.loads(entry)["package"][0]
        packages.setdefault(canonical(facts["name"]), []).append(Locked(entry, facts))
    return packages


def agrees(donor: Project, project: Project) -> bool:
    """Whether two projects ask for the same Python, extras, group of development and local packages."""
    return asked_for(donor) == asked_for(project)


def asked_for(project: Project) -> list[Any]:
    own, poetry = project.get("project", {}), project.get("tool", {}).get("poetry", {})
    return [
        *(own.get(name) for name in ("requires-python", "optional-dependencies")),
        *(poetry.get(name) for name in ("dependencies", "group")),
    ]


def wanted(project: Project, extras: bool) -> list[Requirement]:
    """What a project asks for to be run."""
    more = project["project"].get("optional-dependencies", {}).values() if extras else ()
    return [Requirement(line) for lines in (project["project"]["dependencies"], *more) for line in lines]


def is_met(packages: Packages, one: Requirement) -> bool:
    found = packages.get(canonical(one.name), ())
    return bool(found) and all(one.specifier.contains(each.facts["version"], prereleases=True) for each in found)


def reached(packages: Packages, first: Iterable[tuple[str, Iterable[str]]]) -> set[str]:
    """The packages that some need, by canonical name, themselves among them. `first`: pairs of name and extras."""
    seen: set[tuple[str, str]] = set()
    left = [(canonical(name), extra) for name, extras in first for extra in ("", *extras)]
    while left:
        one = left.pop()
        if one in seen or one[0] not in packages:  # another Python's need not be locked
            continue
        seen.add(one)
        left += [more for each in packages[one[0]] for more in needs(each.facts, one[1])]
    return {name for name, _ in seen}


def needs(facts: Mapping[str, Any], extra: str) -> Iterator[tuple[str, str]]:
    """(name, extra) of what a package needs: by itself where `extra` is '', or for one of its extras."""
    of_extra = {canonical(name_at_head(line)) for line in facts.get("extras", {}).get(extra, ())}
    for name, said in facts.get("dependencies", {}).items():
        for one in said if isinstance(said, list) else [said]:
            how = one if isinstance(one, dict) else {}
            if canonical(name) in of_extra if extra else not how.get("optional"):
                yield from ((canonical(name), more) for more in ("", *how.get("extras", ())))


def name_at_head(line: str) -> str:
    """The package of 'name (>=1) ; marker' or 'name==1 \\'."""
    return re.split(r"[^\w.-]", line, maxsplit=1)[0]


def derived(lock: Path, packages: Packages, project: Project) -> dict[str, str]:
    """The files of a project, from a lock that has all of its packages and the requirements beside it."""
    run, every = (
        reached(packages, [(one.name, one.extras) for one in wanted(project, extras)]) for extras in (False, True)
    )
    development = reached(packages, [(name, ()) for name in project["tool"]["poetry"]["group"]["dev"]["dependencies"]])
    kept = every | development
    entries = [
        of_groups(one, name in every, name in development)
        for name, locked in packages.items()
        for one in locked
        if name in kept
    ]
    head, tail = lock.read_text(encoding="utf-8").partition("[[package]]")[0], footer(project, lock)
    files = {"poetry.lock": head + "".join(entries) + tail}
    for device, listed in zip(DEVICES, (run | development, kept), strict=True):
        blocks = split((lock.parent / f"requirements-{device}.txt").read_text(encoding="utf-8"))
        mine = [block for block in blocks if canonical(name_at_head(block)) in listed]
        files[f"requirements-{device}.txt"] = MADE_BY + "".join(mine)
    return files


def of_groups(one: Locked, is_main: bool, is_development: bool) -> str:
    """A package's entry with the groups that this project has it in."""
    names = [name for name, belongs in (("main", is_main), ("dev", is_development)) if belongs]
    if isinstance(one.facts.get("markers"), dict) and names != one.facts["groups"]:
        raise ConfigError(f"{one.facts['name']} is locked with other markers for other groups; run make lock")
    groups = ", ".join(f'"{name}"' for name in names)
    return re.sub(r"^groups = \[.*\]$", f"groups = [{groups}]", one.text, count=1, flags=re.MULTILINE)


def footer(project: Project, lock: Path) -> str:
    """What stands in a poetry.lock after its packages."""
    text = ""
    if extras := project["project"].get("optional-dependencies", {}):
        text = "[extras]\n"
        for name, lines in sorted(extras.items()):
            text += f"{name} = [{', '.join(sorted(json.dumps(canonical(Requirement(line).name)) for line in lines))}]\n"
        text += "\n"
    version = tomllib.loads(lock.read_text(encoding="utf-8"))["metadata"]["lock-version"]
    facts = {"lock-version": version, "python-versions": project["project"]["requires-python"]}
    facts["content-hash"] = content_hash(project)
    return text + "[metadata]\n" + "".join(f'{name} = "{value}"\n' for name, value in facts.items())


def content_hash(project: Project) -> str:
    """By which Poetry 2 knows whether a lock is of the dependencies that a pyproject.toml asks for now."""
    content = {
        "project": chosen(project["project"], "requires-python", "dependencies", "optional-dependencies"),
        "tool": {"poetry": chosen(project["tool"]["poetry"], "dependencies", "source", "extras", "group")},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def chosen(facts: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the facts that there are."""
    return {name: facts[name] for name in names if name in facts}
