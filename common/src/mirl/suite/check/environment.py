"""Checks of what a run was computed with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from mirl.config import ConfigError
from mirl.files import sha256
from mirl.suite import venvs
from mirl.suite.check.findings import Sentences, named
from mirl.suite.check.loader import RunFolder
from mirl.suite.experiments import Experiments, find_root
from mirl.versions import RESULTS_HANG_ON


@named("manifest-versions", RunFolder)
def manifest_versions(run: RunFolder, experiments: Experiments) -> Sentences:
    """What was imported has the versions of the paper's lock, where that is still the lock of the run."""
    if not run.manifest or not (locked := locked_versions(run.path, run.manifest.paper, run.manifest.lock_sha256)):
        return
    for name in RESULTS_HANG_ON:
        imported, wanted = run.manifest.versions.get(name), locked.get(venvs.canonical(name))
        if isinstance(imported, str) and wanted and imported.partition("+")[0] != wanted:  # 2.13.0+cpu is a 2.13.0
            yield f"imported {name} {imported}, the lock that it names has {wanted}"


@lru_cache
def locked_versions(run: Path, paper: str, lock_sha256: str | None) -> dict[str, str]:
    """Package -> version of a paper's lock beside the run; empty where that is not the lock that the run names."""
    try:
        project = find_root(run) / "papers" / paper
    except ConfigError:
        return {}
    lock = project / "poetry.lock"
    return venvs.locked_versions(project) if lock.is_file() and sha256(lock) == lock_sha256 else {}
