"""What building and checking have in common: the programs that make images, and how they are called."""

from __future__ import annotations

import subprocess

from mirl.suite import containers

TOOLS = (*containers.TOOLS, "buildah")


class BuildError(RuntimeError):
    """Why there is no image, in one line."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A program's output; exit code 1 where it is absent or takes longer than ten minutes."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
