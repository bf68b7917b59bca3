"""cluster.yaml: what a run asks of a cluster, from the plan's estimates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mirl.suite.experiments import Budget, Name, Strict
from mirl.suite.plan import Estimate
from mirl.suite.settings import read_settings

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:|&,*\[\]()-]*$")]
"""A name that reaches sbatch; '' leaves it out."""


class Limits(Strict):
    """Time and memory of one budget's runs, against the plan's estimates."""

    time_factor: float = Field(gt=0)
    memory_factor: float = Field(ge=1)
    least_minutes: int = Field(ge=1)
    most_minutes: int = Field(ge=1)

    @model_validator(mode="after")
    def ordered(self) -> Limits:
        if self.least_minutes > self.most_minutes:
            raise ValueError(f"least_minutes {self.least_minutes} is more than most_minutes {self.most_minutes}")
        return self

    def minutes(self, wall_s: float) -> int:
        """The time limit of a run that is expected to take `wall_s` seconds."""
        return min(max(math.ceil(wall_s * self.time_factor / 60), self.least_minutes), self.most_minutes)

    def memory_mb(self, memory_mib: int) -> int:
        """Slurm's megabytes are MiB."""
        return math.ceil(memory_mib * self.memory_factor)


class Slurm(Strict):
    """How runs are submitted to Slurm; the comments in cluster.yaml say what each is."""

    partition: Word = ""
    account: Word = ""
    qos: Word = ""
    constraint: Word = ""
    gres: Annotated[str, Field(pattern=r"^$|^[a-zA-Z0-9_]+(:[a-zA-Z0-9_.]+)?(:\d+)?$")] = ""
    device: Literal["cpu", "gpu"]
    options: str = ""
    jobs: int = Field(ge=1)
    retries: int = Field(ge=0)
    stop_before_s: int = Field(ge=1)
    poll_s: int = Field(ge=1)
    budgets: dict[Budget, Limits]

    @model_validator(mode="after")
    def complete(self) -> Slurm:
        for budget in ("tiny", "workstation", "paper"):
            if budget not in self.budgets:
                raise ValueError(f"budget {budget} is missing")
        return self


class Cluster(Strict):
    """The whole of cluster.yaml."""

    slurm: Slurm
    others: dict[Name, tuple[str, ...]] = Field(default={})
    """Executor -> words for Snakemake."""


def path_of(root: Path) -> Path:
    return root / "cluster.yaml"


def load(root: Path) -> Cluster:
    """Read cluster.yaml; raises ConfigError with the place of the first fault."""
    return read_settings(path_of(root), Cluster, "it says how runs go to a cluster")


def requests(
    settings: Slurm, estimates: Sequence[Estimate], going_on: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str | int]]:
    """What each run asks of Slurm, as the resources that Snakemake's plugin knows, by SPEC.

    `going_on`: the jobs of an earlier drive in which a run still is, by SPEC; its new job waits until they have ended.
    """
    named = {
        "slurm_partition": settings.partition, "slurm_account": settings.account,
        "gres": settings.gres, "constraint": settings.constraint,
    }  # fmt: skip
    shared = {name: value for name, value in named.items() if value}
    asked: dict[str, dict[str, str | int]] = {}
    for one in estimates:
        limits = settings.budgets[one.spec.budget]
        minutes = limits.minutes(one.wall_s)
        lead_s = min(settings.stop_before_s, minutes * 30)  # half of a short limit is for work
        options = [f"--signal=URG@{lead_s}", settings.options]
        if numbers := going_on.get(str(one.spec)):
            options.append(f"--dependency=afterany:{':'.join(numbers)}")
        asked[str(one.spec)] = {
            **shared,
            "runtime": minutes,
            "mem_mb": limits.memory_mb(one.memory_mib),
            "slurm_extra": " ".join(filter(None, options)),
        }
    return asked
