"""A small repository with one paper, and runs that lie in it as a trainer leaves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirl.suite.experiments import Experiments
from mirl.suite.results import run_directory
from mirl.suite.selection import RunSpec
from toy.whole import write_manifest

REFERENCE_HEADER = (
    "task,method,setting,metric,env_steps,value,spread,spread_kind,n,unit,role,provenance,source,note\n"
)  # fmt: skip
COST = {"env_steps_per_s": 10, "memory_mib": 10}


def task(**changes: Any) -> dict[str, Any]:
    """One task's entry of reproduce.yaml."""
    entry: dict[str, Any] = {
        "title": "a line",
        "methods": ["ours", "theirs"],
        "metric": {"name": "eval/return", "unit": "points"},
        "margin": 10.0,
        "budgets": {
            "tiny": {"env_steps": 100, "seeds": [0, 1]},
            "workstation": {"env_steps": 500, "seeds": [0, 1, 2, 3, 4]},
            "paper": {"env_steps": 1000, "seeds": [0, 1, 2, 3, 4]},
        },
        "cost": {"ours": COST, "theirs": COST},
    }
    return {**entry, **changes}


def registered(tasks: Mapping[str, Any] | None = None, claims: Sequence[Mapping[str, Any]] = ()) -> Experiments:
    """reproduce.yaml with the paper `toy`."""
    paper = {
        "title": "Toy",
        "citation": "nobody, nowhere",
        "fidelities": ["faithful", "fixed"],
        "fidelity": "faithful",
        "variants": {"careful": {}},
        "regression": {
            "ours": {"last": ["eval/return", "loss/value"], "first": ["train/return"]},
            "theirs": {"last": ["eval/return"]},
        },
        "tasks": dict(tasks or {"line": task()}),
        "claims": list(claims),
    }
    return Experiments.model_validate({"version": 1, "papers": {"toy": paper}})


def claim(**changes: Any) -> dict[str, Any]:
    entry = {"id": "ours-wins", "statement": "ours is better", "source": "Table 1", "tasks": ["line"]}
    return {**entry, "better": "ours", "worse": "theirs", **changes}


def write_run(root: Path, text: str, metrics: Mapping[str, Sequence[float]], **manifest: Any) -> Path:
    """A finished run; each metric's values are recorded at env steps 1, 2, 3, …"""
    spec = RunSpec.parse(text)
    directory = run_directory(root, spec)
    directory.mkdir(parents=True)
    rows = [f"{step},0.5,{name},{value!r}" for name, values in metrics.items() for step, value in enumerate(values, 1)]
    (directory / "metrics.csv").write_text("\n".join(["env_step,wall_s,name,value", *rows]) + "\n")
    env_steps = {"tiny": 100, "workstation": 500, "paper": 1000}[spec.budget]
    config = manifest.pop("config", {"total_env_steps": env_steps, "threads": 1})
    write_manifest(directory, spec, config, **{"env_steps": env_steps, **manifest})
    return directory


def write_seeds(root: Path, prefix: str, values: Sequence[float]) -> None:
    """Seeds 0, 1, … of `<budget>/<paper>/<task>/<method>` with these final returns."""
    for seed, value in enumerate(values):
        write_run(root, f"{prefix}/seed{seed}", {"eval/return": [0.0, value]})


def write_references(root: Path, *rows: str) -> None:
    path = root / "results/reference/toy.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(REFERENCE_HEADER + "".join(row + "\n" for row in rows))
