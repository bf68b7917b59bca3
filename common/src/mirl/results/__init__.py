"""Results as pandas frames, for a notebook: `mirl.results.load("mime", "wide_ring")`. It needs the suite's environment.

Every file is held against its manifest as it is read. A run that is damaged, or that is not the registered one, stays
in `runs` with its fault; a damaged one has no rows in the other frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mirl.config import ConfigError
from mirl.suite import experiments as registry
from mirl.suite.manifests import damage
from mirl.suite.results import Source, begun_runs, directory_of, read_episodes, read_metrics, read_state
from mirl.suite.selection import select
from mirl.verdict.evidence import read_seed

WHO = ("method", "seed")
RUNS = (*WHO, "state", "fault", "value", "env_steps", "wall_s")
CURVES = (*WHO, "env_step", "wall_s", "name", "value")
EPISODES = (*WHO, "env_step", "setting", "episode", "return", "length", "success")


@dataclass(frozen=True)
class Results:
    """What was run of one task at one budget, a row an observation."""

    runs: pd.DataFrame
    """RUNS: a row a run. `method` is a method or method@variant, `value` the registered metric of a run that counts,
    `fault` why another one does not."""
    curves: pd.DataFrame
    """CURVES: a row a recorded value, as in metrics.csv."""
    episodes: pd.DataFrame
    """EPISODES: a row an evaluation episode, as in episodes.csv."""


def load(
    paper: str, task: str, budget: str = "paper", source: Source = "published", root: Path | None = None
) -> Results:
    """Every run of a task. `source`: `published`, or `runs` for those of this machine; `root`: the repository.

    Raises ConfigError for a paper, task or budget that reproduce.yaml does not have, and where nothing was run.
    """
    place = root.resolve() if root else registry.find_root(Path.cwd())
    experiments = registry.load(place / "reproduce.yaml")
    (first, *_) = select(experiments, budget, paper, task)
    registered = experiments.papers[first.paper].tasks[first.task]
    runs, curves, episodes = [], [], []
    for spec in begun_runs(place, first.paper, first.budget, source, first.task):
        directory = directory_of(place, spec, source)
        who: dict[str, Any] = {"method": spec.labelled_method, "seed": spec.seed}
        state = read_state(directory, spec)
        known = spec.method in registered.methods and spec.variant in ("", *experiments.papers[first.paper].variants)
        value = (
            read_seed(directory, experiments, spec, registered.of(spec.labelled_method))
            if known
            else "not in reproduce.yaml"
        )
        fault = value if isinstance(value, str) else ""
        facts = {name: state.manifest.get(name) for name in ("env_steps", "wall_s")}
        runs.append({**who, "state": state.state, "fault": fault, "value": None if fault else value, **facts})
        if not damage(directory, spec):
            curves.append(read_metrics(directory).assign(**who))
            episodes.append(read_episodes(directory).assign(**who))
    if not runs:
        raise ConfigError(f"no run of {first.paper}/{first.task} at budget {first.budget} lies in results/{source}")
    return Results(pd.DataFrame(runs, columns=RUNS), together(curves, CURVES), together(episodes, EPISODES))


def together(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Frames beneath one another, with these columns."""
    return pd.concat(frames, ignore_index=True)[list(columns)] if frames else pd.DataFrame(columns=list(columns))
