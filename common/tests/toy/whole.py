"""Manifests that vouch for what lies beside them, for tests that write runs without training any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirl import config as configs
from mirl.files import sha256
from mirl.suite.selection import RunSpec

EPISODES = "env_step,setting,episode,return,length,success\n"


def manifest(spec: RunSpec, config: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """What `mirl.manifest` writes of this run, `files` apart."""
    who = {
        "task": spec.task, "method": spec.method, "variant": spec.variant, "seed": spec.seed,
        "fidelity": changes.get("fidelity", "faithful"), "device": "cpu",
    }  # fmt: skip
    content = {
        "schema_version": 1, "run_id": spec.run_id, "status": "finished", "paper": spec.paper, **who,
        "config": dict(config), "config_sha256": configs.digest(config),
        "command": ["python", "-m", spec.paper, "train"],
        "git_revision": "c" * 40, "git_dirty": False, "lock_sha256": "a" * 64, "image": "venv", "python": "3.11.7",
        "platform": "Linux x86_64", "cpu": "a processor", "cpu_count": 2, "versions": {"numpy": "2.4"},
        "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T00:01:00+00:00", "wall_s": 60.0,
        "env_steps": config.get("total_env_steps", 0), "attempts": 1, "files": {},
    }  # fmt: skip
    return {**content, **changes}


def write_manifest(directory: Path, spec: RunSpec, config: Mapping[str, Any], **changes: Any) -> None:
    """Vouch for the tables in a folder, one that is not there is made empty, and for its checkpoint."""
    for name, text in (("metrics.csv", "env_step,wall_s,name,value\n"), ("episodes.csv", EPISODES)):
        if not (directory / name).exists():
            (directory / name).write_text(text)
    there = [name for name in ("metrics.csv", "episodes.csv", "checkpoint/latest.json") if (directory / name).exists()]
    files = {name: sha256(directory / name) for name in there}
    content = manifest(spec, config, **{"files": files, **changes})
    (directory / "manifest.json").write_text(json.dumps(content))


def vouch_anew(directory: Path) -> None:
    """Let the manifest vouch for what its tables hold now."""
    content = json.loads((directory / "manifest.json").read_text())
    content["files"] = {name: sha256(directory / name) for name in ("metrics.csv", "episodes.csv")}
    (directory / "manifest.json").write_text(json.dumps(content))
