"""Checks of what goes into git: no secrets, no folders and no names of the machine it was made on."""

from __future__ import annotations

import re
import socket
from getpass import getuser

from mirl.suite.check.findings import Sentences, named
from mirl.suite.check.loader import PublishedText
from mirl.suite.experiments import Experiments

SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a token": re.compile(
        r"\b(?:gh[pousr]_\w{20,}|hf_\w{20,}|sk-[\w-]{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{20,}\.\w+)"
    ),
    "a password": re.compile(r"(?i)(?:password|passwd|secret|api[_-]?key|auth[_-]?token)\"?\s*[:=]\s*\"?[^\s\",]{6,}"),
    "an address with a password": re.compile(r"\w+://[^\s/:@]+:[^\s/@]+@"),
}
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/<>~-])(?:/[A-Za-z_][\w.+-]*){2,}|\b[A-Z]:\\\\?[\w.]+\\")
HOST_FIELD = re.compile(r"\"(?:host|hostname|user|username|pid)\"\s*:")
COMMON_NAMES = ("localhost", "root", "user", "runner", "mirl")
"""Names of hosts and people that tell nothing."""


@named("published-secrets", PublishedText)
def secrets(file: PublishedText, experiments: Experiments) -> Sentences:
    """Nothing in git looks like a key, a token or a password."""
    for kind, pattern in SECRETS.items():
        match = pattern.search(file.text)
        if match:
            yield f"line {line_of(file.text, match.start())} holds what looks like {kind}"


@named("published-paths", PublishedText)
def absolute_paths(file: PublishedText, experiments: Experiments) -> Sentences:
    """Nothing in git names a folder of the machine it was made on."""
    match = ABSOLUTE_PATH.search(file.text)
    if match:
        yield f"line {line_of(file.text, match.start())} holds the absolute path {match[0]}"


@named("published-host", PublishedText)
def host_names(file: PublishedText, experiments: Experiments) -> Sentences:
    """Nothing in git names the machine it was made on or its user."""
    match = HOST_FIELD.search(file.text)
    if match:
        yield f"line {line_of(file.text, match.start())} has a field {match[0].partition(':')[0].strip()}"
    for name in local_names():
        match = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", file.text)
        if match:
            yield f"line {line_of(file.text, match.start())} names this host or its user, {name}"


def local_names() -> list[str]:
    """This host and its user, where the names are telling enough to be looked for."""
    try:
        names = {socket.gethostname(), getuser()}
    except (OSError, KeyError):  # a container's user may have no name
        names = {socket.gethostname()}
    return sorted(name for name in names if len(name) >= 4 and name not in COMMON_NAMES)


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
