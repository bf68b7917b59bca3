"""manifest.json: what ran, with what, where and how long. Written last, so that its presence means finished."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirl import drawing
from mirl.files import sha256, write_json
from mirl.run import SCHEMA_VERSION, Run
from mirl.versions import imported_versions

if TYPE_CHECKING:
    from mirl.paper import Paper

ALWAYS_HASHED = ("metrics.csv", "episodes.csv", "checkpoint/latest.json")


def write_manifest(run: Run, paper: Paper, words: Sequence[str]) -> None:
    """Write the manifest of a run that has just ended; `words` are the arguments of its `train` command."""
    attempts = run.record["attempts"]
    header = run.header
    names = [*ALWAYS_HASHED, *paper.outputs]
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "run_id": header.run_id,
        "status": "finished",
        **vars(header),
        "config": run.record["config"],
        "config_sha256": run.record["config_sha256"],
        "command": ["python", "-m", paper.name, "train", *without_places(words)],
        **revision(paper.project),
        "lock_sha256": lock_sha256(paper.project),
        "image": os.environ.get("MIRL_IMAGE_DIGEST") or os.environ.get("MIRL_IMAGE") or "venv",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpu_count": os.cpu_count(),
        "versions": {**paper.versions(header.device), **imported_versions(), **drawn_with()},
        "start": attempts[0]["start"],
        "end": attempts[-1]["end"],
        "wall_s": round(run.wall_s, 3),
        "env_steps": run.env_step,
        "attempts": len(attempts),
        "files": {name: sha256(run.directory / name) for name in names if (run.directory / name).is_file()},
    }
    write_json(run.directory / "manifest.json", manifest)


def drawn_with() -> dict[str, str]:
    """The renderer, where something was drawn."""
    name = drawing.renderer()
    return {"renderer": name} if name else {}


def without_places(words: Sequence[str]) -> list[str]:
    """A command line without the folders of the machine it ran on: DIR for --run-dir, <name> for other paths."""
    shown: list[str] = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        name = option or (shown[-1] if shown else "")
        if value and name == "--run-dir":
            value = "DIR"
        elif value.startswith(("/", "~", "..")):
            value = f"<{Path(value).name}>"
        shown.append(option + equals + value)
    return shown


def revision(project: Path) -> dict[str, Any]:
    """The commit that ran and whether the tree differed from it; an image carries it in MIRL_REVISION."""
    if "MIRL_REVISION" in os.environ:
        built = os.environ["MIRL_REVISION"]
        return {"git_revision": built.removesuffix("-dirty"), "git_dirty": built.endswith("-dirty")}
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
