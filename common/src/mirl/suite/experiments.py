"""reproduce.yaml: every reported experiment, as data. What a verdict uses is registered here before anything runs."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mirl.config import ConfigError
from mirl.suite.settings import read_settings

BUDGETS = ("tiny", "workstation", "paper")
Budget = Literal["tiny", "workstation", "paper"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
LabelledMethod = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(@[A-Za-z0-9][A-Za-z0-9_.-]*)?$")]
"""`method` or `method@variant`."""
COUNTED_SHARE = re.compile(r"success rate|share of (\d+ )?(\w+ )?(episodes|seeds|tasks)\b")
UNBOUNDED = -math.inf, math.inf


class Strict(BaseModel):
    """A model that refuses fields it does not know: a typing error in a file is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(Strict):
    """What is judged, and where in a run it is read."""

    name: str
    """A name in metrics.csv, or what a share of solved seeds is called."""
    window: Literal["last", "mean_of_last"] = "last"
    points: int = Field(default=1, ge=1)
    """How many of the last recorded values `mean_of_last` averages."""
    at_env_step: int | None = Field(default=None, gt=0)
    """Values recorded after this env step do not count: a number reported there is judged by runs that go on."""
    solved_at: float | None = None
    """A seed counts 1 where `reads` is at least this in the window, else 0; the share is judged by an exact test."""
    reads: str = ""
    """The name in metrics.csv that `solved_at` is held against."""
    unit: str
    higher_is_better: bool = True

    @property
    def bounds(self) -> tuple[float, float]:
        """What no value of it can leave: 0 to 1 where its unit says that it counts episodes, seeds or tasks."""
        return (0.0, 1.0) if COUNTED_SHARE.match(self.unit) else UNBOUNDED

    @property
    def recorded(self) -> str:
        """The name under which metrics.csv has it."""
        return self.reads or self.name

    @model_validator(mode="after")
    def both_or_neither(self) -> Metric:
        if (self.solved_at is None) != (self.reads == ""):
            raise ValueError("solved_at and reads go together: a share of solved seeds needs both")
        return self


class MethodBudget(Strict):
    """How much of an experiment one method runs, where it differs from the others."""

    env_steps: int | None = Field(default=None, gt=0)
    """None: as many as the others."""
    overrides: dict[str, Any] | None = None
    """In place of the others'; a method of another kind has other fields. None: theirs."""
    seeds: tuple[int, ...] = ()
    """In place of the others'; none: theirs."""


class Cost(Strict):
    """What a run takes on two cores of a desktop, until this host has runs of its own to go by."""

    env_steps_per_s: float = Field(gt=0)
    fixed_s: float = Field(default=0.0, ge=0)
    """Seconds before and after training: start-up and the final evaluation."""
    memory_mib: int = Field(gt=0)
    disk_mib: float | None = Field(default=None, gt=0)
    """Of the run directory at its largest, a full replay buffer written for the second time. None: not known yet."""


class BudgetOfRun(Strict):
    """How much of an experiment is run."""

    env_steps: int = Field(gt=0)
    """Environment steps with action repeat, summed over parallel environments."""
    seeds: tuple[int, ...] = Field(min_length=1)
    overrides: dict[str, Any] = {}
    """Config fields set for this budget."""
    methods: dict[Name, MethodBudget] = {}
    """Methods that run otherwise."""
    cost: dict[Name, Cost] = {}
    """Per method, where other sizes cost other than the task says."""
    floors: bool = True
    """Whether the reference table's floors hold for it; false where its episodes are shorter."""

    def of(self, method: str) -> BudgetOfRun:
        """This budget as a method runs it."""
        own = self.methods.get(method)
        if own is None:
            return self
        return self.model_copy(
            update={
                "env_steps": own.env_steps or self.env_steps,
                "overrides": self.overrides if own.overrides is None else own.overrides,
                "seeds": own.seeds or self.seeds,
            }
        )


class Curve(Strict):
    """A learning curve whose area and steps to a threshold are told beside the verdict, never judged."""

    name: str
    """A name in metrics.csv."""
    threshold: float
    """In the metric's unit."""
    source: str
    """Where the threshold comes from."""


class Setting(Strict):
    """A test condition beside the first one, judged on its own."""

    metric: Metric
    margin: float = Field(gt=0)
    """Equivalence margin, in the metric's unit."""
    margin_source: str = ""
    """Where the margin comes from, where the rule of docs/verdicts.md has nothing to go by."""
    variants: tuple[Name, ...] = ()
    """The variants that are judged in it, and in no setting that does not name them; none: all the others."""


class Task(Strict):
    """One environment and what is reported on it."""

    title: str
    note: str = ""
    """What a reader has to know beside every result: a stand-in, a warning."""
    methods: tuple[Name, ...] = Field(min_length=1)
    metric: Metric
    """Of the first setting."""
    margin: float = Field(gt=0)
    """Equivalence margin, in the metric's unit."""
    margin_source: str = ""
    """Where the margin comes from, where the rule of docs/verdicts.md has nothing to go by."""
    setting: str = ""
    """Name of the first setting, where there are others."""
    settings: dict[Name, Setting] = {}
    """Other test conditions: moderate, extreme."""
    curve: Curve | None = None
    budgets: dict[Budget, BudgetOfRun]
    cost: dict[LabelledMethod, Cost]
    """Per method, and per method@variant where a variant's sizes cost otherwise."""

    def of(self, labelled: str) -> Task:
        """This task as `method` or `method@variant` runs it and is judged: the method's own budgets, the variant's own
        settings."""
        method, _, variant = labelled.partition("@")
        budgets = {name: one.of(method) for name, one in self.budgets.items()}
        own = [name for name, setting in self.settings.items() if variant in setting.variants]
        of_all = [name for name, setting in self.settings.items() if not setting.variants]
        first, *others = own or (self.setting, *of_all)
        kept = {"budgets": budgets, "settings": {name: self.settings[name] for name in others}}
        return self.in_setting(first).model_copy(update=kept)

    def cost_of(self, labelled: str, budget: Budget) -> Cost:
        """What a run of `method` or `method@variant` takes on a budget."""
        method = labelled.partition("@")[0]
        return self.budgets[budget].cost.get(method, self.cost.get(labelled, self.cost[method]))

    def in_setting(self, name: str) -> Task:
        """This task as one of its settings judges it; '' and the first setting's name give the task itself."""
        if name in ("", self.setting):
            return self
        chosen = self.settings[name]
        return self.model_copy(
            update={
                "setting": name,
                "metric": chosen.metric,
                "margin": chosen.margin,
                "margin_source": chosen.margin_source,
            }
        )

    @property
    def all_settings(self) -> tuple[str, ...]:
        """The first setting's name, which may be '', then the others'."""
        return self.setting, *self.settings

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is judged, a metric a setting."""
        return self.metric, *(setting.metric for setting in self.settings.values())

    @model_validator(mode="after")
    def complete(self) -> Task:
        if self.settings and (not self.setting or self.setting in self.settings):
            raise ValueError("settings need `setting`, the name of the first one, which `metric` and `margin` judge")
        for budget in BUDGETS:
            if budget not in self.budgets:
                raise ValueError(f"budget {budget} is missing")
            for method in (*self.budgets[budget].methods, *self.budgets[budget].cost):
                if method not in self.methods:
                    raise ValueError(f"budget {budget}: no method {method}")
        for method in self.methods:
            if method not in self.cost:
                raise ValueError(f"cost of method {method} is missing")
        for labelled in self.cost:
            if labelled.partition("@")[0] not in self.methods:
                raise ValueError(f"cost: no method {labelled.partition('@')[0]}")
        return self


class Claim(Strict):
    """A statement of the paper, as a comparison of two methods."""

    id: Name
    statement: str
    source: str
    tasks: tuple[Name, ...] = Field(min_length=1)
    better: Name
    worse: Name
    setting: str = ""
    """Test condition; '' is each task's first."""


class Regression(Strict):
    """What tiny runs are judged by: at most three names in metrics.csv, none of them twice."""

    last: tuple[str, ...] = Field(min_length=1)
    """Read at the end of the run and held against a band over seeds."""
    first: tuple[str, ...] = ()
    """Read where they were first recorded and held against the same seed's recorded value."""

    @property
    def names(self) -> tuple[str, ...]:
        return *self.last, *self.first

    @model_validator(mode="after")
    def few_and_distinct(self) -> Regression:
        if len(self.names) > 3:
            raise ValueError(f"at most three metrics, here are {len(self.names)}")
        for name in self.names:
            if self.names.count(name) > 1:
                raise ValueError(f"{name} stands there twice")
        return self


class PaperEntry(Strict):
    """One paper: its experiments and how they are run."""

    title: str
    citation: str
    threads: int = Field(default=1, ge=1)
    """Processor cores a run uses."""
    fidelities: tuple[Name, ...] = Field(min_length=1)
    fidelity: Name
    """The one that verdicts use."""
    variants: dict[Name, dict[str, Any]] = {}
    """Named sets of overrides."""
    regression: dict[Name, Regression]
    """Per method."""
    tasks: dict[Name, Task] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def consistent(self) -> PaperEntry:
        if self.fidelity not in self.fidelities:
            raise ValueError(f"fidelity {self.fidelity} is not among {', '.join(self.fidelities)}")
        methods = {method for task in self.tasks.values() for method in task.methods}
        for method in methods - set(self.regression):
            raise ValueError(f"regression metrics of method {method} are missing")
        named = {name for task in self.tasks.values() for one in task.settings.values() for name in one.variants}
        for variant in named - set(self.variants):
            raise ValueError(f"a setting is for variant {variant}, which there is not")
        costed = {labelled.partition("@")[2] for task in self.tasks.values() for labelled in task.cost}
        for variant in costed - {"", *self.variants}:
            raise ValueError(f"a cost is of variant {variant}, which there is not")
        for claim in self.claims:
            for task in claim.tasks:
                known = self.tasks[task].methods if task in self.tasks else ()
                for method in (claim.better, claim.worse):
                    if method not in known:
                        raise ValueError(f"claim {claim.id}: no method {method} on task {task}")
                if claim.setting and claim.setting not in self.tasks[task].of(claim.better).all_settings:
                    raise ValueError(f"claim {claim.id}: no setting {claim.setting} on task {task}")
        return self


class Experiments(Strict):
    """The whole of reproduce.yaml."""

    version: Literal[1]
    papers: dict[Name, PaperEntry] = Field(min_length=1)


def load(path: Path) -> Experiments:
    """Read reproduce.yaml; raises ConfigError with the place of the first fault."""
    return read_settings(path, Experiments, "run mirl inside the repository or name it with --root")


@lru_cache
def find_root(start: Path) -> Path:
    """The repository: the nearest folder upwards that holds reproduce.yaml."""
    for folder in [start, *start.parents]:
        if (folder / "reproduce.yaml").is_file():
            return folder
    raise ConfigError(f"no reproduce.yaml in {start} or above; run mirl inside the repository or name it with --root")
