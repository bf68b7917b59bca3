"""The files of results/, as data: one pydantic model a kind of file or row. Tables are read by `record_tables`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mirl.suite.experiments import Budget, Name

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\+00:00|Z)$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
Text = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
SENTENCE_LENGTH = 300
Provenance = Literal["paper_table", "paper_figure", "author_data", "computed", "measured"]
LEAST_SEEDS = 5
"""Fewer seeds carry no claim and make no band."""
FIRST_SUFFIX = "-first"
"""results/regression/<paper>.csv holds bands, <paper>-first.csv first values."""
SEEDS_SUFFIX = "-seeds"
STATED_SUFFIX = "-stated"
"""results/reference/<paper>.csv holds what a paper reports, <paper>-seeds.csv single seeds that its authors released,
<paper>-stated.csv further numbers that it states of its own results."""


def empty_is_none(cell: Any) -> Any:
    return None if cell == "" else cell


def short_line(cell: str) -> str:
    if len(cell) > SENTENCE_LENGTH or "\n" in cell or "\r" in cell:
        raise ValueError(f"must be one line of at most {SENTENCE_LENGTH} characters, has {len(cell)}")
    return cell.strip()


EmptyIsNone = BeforeValidator(empty_is_none)
Sentence = Annotated[str, AfterValidator(short_line)]
"""Longer stories belong in a document."""


class Record(BaseModel):
    """A row or a file of results/; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Manifest(Record):
    """manifest.json of a finished run, schema version 1."""

    schema_version: Literal[1]
    run_id: Text
    status: Literal["finished"]
    paper: Name
    task: Name
    method: Name
    variant: str
    seed: int = Field(ge=0)
    fidelity: Name
    device: Literal["cpu", "cuda"]
    config: dict[str, Any]
    config_sha256: Sha256
    command: tuple[str, ...] = Field(min_length=1)
    git_revision: str | None
    git_dirty: bool | None
    lock_sha256: Sha256 | None
    image: Text
    python: Text
    platform: Text
    cpu: str
    cpu_count: int | None
    versions: dict[str, Any]
    start: Time
    end: Time
    wall_s: float = Field(ge=0, allow_inf_nan=False)
    env_steps: int = Field(ge=0)
    attempts: int = Field(ge=1)
    files: dict[str, Sha256]

    @model_validator(mode="after")
    def files_lie_inside(self) -> Manifest:
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"file {name} lies outside the run directory")
        return self


class Attempt(Record):
    """One try of a run, as run.json tells of it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    status: str = ""
    reason: str = ""


class RunRecord(Record):
    """run.json: how far a run is. What is read of it has its type; a run may say more."""

    model_config = ConfigDict(extra="allow", frozen=True)

    status: str = ""
    attempts: tuple[Attempt, ...] = ()
    env_step: int = Field(default=0, ge=0)
    total_env_steps: int = Field(default=0, ge=0)
    env_steps_per_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    last_metric: str = ""
    host: str = ""
    pid: int | None = None
    updated: str = ""


class Reference(Record):
    """A number that a paper reports, one that bounds what can be reached, or one that is context and judges nothing."""

    task: Name
    method: Name
    """A method, or `any` for a ceiling or a floor; of context also a method that is not registered."""
    setting: str
    metric: Text
    """A name in metrics.csv."""
    env_steps: Annotated[Annotated[int, Field(ge=1)] | None, EmptyIsNone]
    """Environment steps after which it holds, with action repeat; empty: the paper's budget."""
    value: Finite
    spread: Annotated[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, EmptyIsNone]
    """In the metric's unit; for ci95 half the interval's width."""
    spread_kind: Literal["sd", "sem", "ci95", ""]
    n: Annotated[Annotated[int, Field(ge=1)] | None, EmptyIsNone]
    """Seeds."""
    unit: Text
    role: Literal["result", "ceiling", "floor", "context"]
    provenance: Provenance
    source: Text
    """Table, figure, file or computation, so that a reader finds it again."""
    note: str
    questioned: Sentence = ""
    """The fact for which the number can carry no pass, such as seeds that independent runs cannot give; empty: none."""

    @model_validator(mode="after")
    def consistent(self) -> Reference:
        if self.questioned and self.role != "result":
            raise ValueError("only a number with role result can be questioned")
        if (self.spread is None) != (self.spread_kind == ""):
            raise ValueError("spread and spread_kind are given together or not at all")
        if self.method == "any" and self.role == "result":
            raise ValueError("method any is for ceilings and floors")
        return self

    @property
    def key(self) -> tuple[object, ...]:
        """What must not occur twice in a file."""
        return self.task, self.method, self.setting, self.metric, self.env_steps, self.role


class ReportedSeed(Record):
    """What one seed of the authors gave, as they released it."""

    task: Name
    method: Name
    setting: str
    metric: Text
    """The name in metrics.csv under which ours is recorded."""
    seed: int = Field(ge=0)
    value: Decimal = Field(allow_inf_nan=False)
    """With the digits that were released: they say how much rounding hides."""
    provenance: Provenance
    source: Text
    questioned: Sentence = ""
    """As of a Reference."""

    @property
    def key(self) -> tuple[object, ...]:
        return self.task, self.method, self.setting, self.metric, self.seed


class Stated(Record):
    """A number that a paper states and that can be recomputed from its seeds, or from its means and spreads."""

    task: Name
    setting: str
    method: Name
    against: Name | Literal[""]
    """The other method of a test."""
    statistic: Literal["mean", "pooled_sd", "t", "p"]
    """`pooled_sd`: over several metrics and seeds together; `t` and `p`: of a two-sample t-test over seeds."""
    of: Text
    """The metrics that it is computed of, with blanks between; several are averaged."""
    value: Decimal = Field(allow_inf_nan=False)
    """With the digits that are printed."""
    provenance: Provenance
    source: Text
    note: str

    @model_validator(mode="after")
    def consistent(self) -> Stated:
        if (self.statistic in ("t", "p")) != (self.against != ""):
            raise ValueError("a test, and nothing else, is against another method")
        return self

    @property
    def key(self) -> tuple[object, ...]:
        return self.task, self.setting, self.method, self.against, self.statistic


class Band(Record):
    """What one tiny run of a method gives: a prediction interval for a metric."""

    task: Name
    method: Name
    metric: Text
    n: int = Field(ge=LEAST_SEEDS)
    """Seeds that the band was made from."""
    mean: Finite
    sd: float = Field(ge=0, allow_inf_nan=False)
    low: Finite
    high: Finite
    alpha: float = Field(gt=0, lt=1)
    """Rate at which an unchanged program falls outside, for this metric and one run."""
    lock_sha256: Sha256
    recorded: Day
    why: Text

    @model_validator(mode="after")
    def ordered(self) -> Band:
        if not self.low <= self.mean <= self.high:
            raise ValueError(f"low <= mean <= high does not hold for {self.low}, {self.mean}, {self.high}")
        return self

    @property
    def key(self) -> tuple[object, ...]:
        return self.task, self.method, self.metric


class FirstValue(Record):
    """What a metric was where a tiny run first recorded it; the same seed repeats it."""

    task: Name
    method: Name
    seed: int = Field(ge=0)
    metric: Text
    value: Finite
    tolerance: float = Field(gt=0, lt=1)
    """How far another run of this seed may be from it, relative."""
    lock_sha256: Sha256
    recorded: Day
    why: Text

    @property
    def key(self) -> tuple[object, ...]:
        return self.task, self.method, self.seed, self.metric


class Summary(Record):
    """One line of results/published/<paper>/summary.csv: a published run's registered metric."""

    budget: Budget
    task: Name
    method: Name | Annotated[str, Field(pattern=r"^[\w.-]+@[\w.-]+$")]
    seed: int = Field(ge=0)
    metric: Text
    value: float
    env_steps: int = Field(ge=0)
    wall_s: float = Field(ge=0)

    @property
    def key(self) -> tuple[object, ...]:
        return self.budget, self.task, self.method, self.seed, self.metric


AnyRow = Reference | ReportedSeed | Stated | Band | FirstValue | Summary
Row = TypeVar("Row", bound=AnyRow)


def describe_fault(error: ValidationError) -> str:
    """'n: Input should be greater than or equal to 5, got 3' for the first fault."""
    fault = error.errors(include_url=False)[0]
    message = fault["msg"].removeprefix("Value error, ")
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {message}, got {str(fault['input'])[:60]!r}" if place else message
