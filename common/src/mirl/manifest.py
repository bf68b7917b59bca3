"""manifest.json: what ran, with what, where and how long. Written last, so that its presence means finished."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mirl.files import sha256, write_json
from mirl.run import SCHEMA_VERSION, Run

ALWAYS_HASHED = ("metrics.csv", "episodes.csv", "checkpoint/latest.json")


def write_manifest(run: Run, command: list[str], project: Path, versions: Mapping[str, Any], outputs: Iterable[str]) -> None:
    """Write the manifest of a run that has just ended.

    `project` is the paper's folder (with poetry.lock); `versions` are the paper's framework facts; `outputs` are
    the paper's own files in the run directory that belong to the result.
    """
    attempts = run.record["attempts"]
    header = run.header
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "run_id": header.run_id,
        "status": "finished",
        **vars(header),
        "config": run.record["config"],
        "config_sha256": run.record["config_sha256"],
        "command": command,
        **revision(project),
        "lock_sha256": lock_sha256(project),
        "image": os.environ.get("MIRL_IMAGE_DIGEST", "venv"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpu_count": os.cpu_count(),
        "versions": dict(versions),
        "start": attempts[0]["start"],
        "end": attempts[-1]["end"],
        "wall_s": round(run.wall_s, 3),
        "env_steps": run.env_step,
        "attempts": len(attempts),
        "files": {name: sha256(run.directory / name) for name in [*ALWAYS_HASHED, *outputs] if (run.directory / name).is_file()},
    }  # fmt: skip
    write_json(run.directory / "manifest.json", manifest)


def revision(project: Path) -> dict[str, Any]:
    """The commit that ran and whether the tree differed from it; an image carries it in MIRL_REVISION."""
    if "MIRL_REVISION" in os.environ:
        return {"git_revision": os.environ["MIRL_REVISION"], "git_dirty": False}
    head = git(project, "rev-parse", "HEAD")
    changes = git(project, "status", "--porcelain", "--untracked-files=no")
    return {"git_revision": head or None, "git_dirty": bool(changes) if head else None}


def git(folder: Path, *arguments: str) -> str:
    """The output of a git command, '' where git or the repository is missing."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def lock_sha256(project: Path) -> str | None:
    """sha256 of the paper's poetry.lock."""
    lock = project / "poetry.lock"
    return sha256(lock) if lock.is_file() else None


def cpu_name() -> str:
    """The processor's own name for itself."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
