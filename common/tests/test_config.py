"""Configs as command lines, dictionaries and one-line errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import pytest

from mirl import config as configs
from mirl.config import ConfigError, choose, later, parse, require


@dataclass(frozen=True)
class Base:
    """What every method has."""

    fast_lr: float = 0.05
    """Step size of the inner loop,
    in (0, 1) (card 5.3)."""
    batches: int = 3
    """Batches."""


@dataclass(frozen=True)
class Config(Base):
    """A method."""

    hidden_sizes: tuple[int, ...] = (64, 64)
    """Units."""
    optimiser: Literal["adam", "sgd"] = "adam"
    """Optimiser."""
    adaptive: bool = False
    """Adapt the step size."""
    warm_up: int | None = None
    name: str = "x"

    def __post_init__(self) -> None:
        require(self.fast_lr > 0, "fast_lr", self.fast_lr, "positive")


def test_fields_are_read_by_their_type() -> None:
    line = "--fast-lr 1e-3 --batches 5 --hidden-sizes 32 16 8 --optimiser sgd --adaptive --warm-up 7 --name=-y"
    assert parse(Config(), line.split(), "toy") == Config(0.001, 5, (32, 16, 8), "sgd", True, 7, "-y")
    assert parse(replace(Config(), adaptive=True), ["--no-adaptive"], "toy") == Config()


def test_what_is_not_named_keeps_the_value_given() -> None:
    default = Config(batches=9, warm_up=4)
    assert parse(default, ["--fast-lr", "0.1"], "toy") == replace(default, fast_lr=0.1)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--fast-lr -0.05", "--fast-lr must be positive, got -0.05"),
        ("--fast-lr -1e-3", "--fast-lr must be positive, got -0.001"),
        ("--fast-lr nan", "--fast-lr must be positive, got nan"),
        ("--fast-lr abc", "--fast-lr must be a number, got abc"),
        ("--fast_lr=abc", "--fast-lr must be a number, got abc"),
        ("--fast-lr", "--fast-lr must be a number, got nothing"),
        ("--batches 1.5", "--batches must be a whole number, got 1.5"),
        ("--batches 2 --batches x", "--batches must be a whole number, got x"),
        ("--hidden-sizes 64 x", "--hidden-sizes must be whole numbers with blanks between, got 64 x"),
        ("--hidden-sizes 64,64", "--hidden-sizes must be whole numbers with blanks between, got 64,64"),
        ("--optimiser lion", "--optimiser must be adam or sgd, got lion"),
        ("--warm-up soon", "--warm-up must be a whole number or None, got soon"),
        ("--fats-lr 0.1", "no option '--fats-lr'; did you mean --fast-lr?"),
        ("--fats_lr=0.1", "no option '--fats-lr'; did you mean --fast-lr?"),
        ("--adaptive yes", "'yes' belongs to no option"),
        ("--zzz 1", "no option '--zzz' (options: --fast-lr, --batches, --hidden-sizes, --optimiser, --adaptive, "
                    "--warm-up, --name, --seed)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("columns", ["40", "200"])
def test_bad_fields_are_one_line_however_wide_the_terminal(
    monkeypatch: pytest.MonkeyPatch, words: str, complaint: str, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(ConfigError) as error:
        parse(Config(), words.split(), "toy", ["--seed"])
    assert str(error.value) == complaint


def test_a_name_is_found_whatever_its_case_and_its_neighbour_is_proposed() -> None:
    tasks = ("walker_walk", "KeyCorridorS3R1")
    assert choose("task", "keycorridors3r1", tasks) == "KeyCorridorS3R1"
    with pytest.raises(ConfigError) as error:
        choose("task", "walker_wlak", tasks, " in paper mummi")
    assert str(error.value) == (
        "no task 'walker_wlak' in paper mummi; did you mean walker_walk? (tasks: walker_walk, KeyCorridorS3R1)"
    )
    with pytest.raises(ConfigError, match=r"^no fidelity 'zzz' \(fidelities: faithful\)$"):
        choose("fidelity", "zzz", ["faithful"])


def test_a_config_survives_its_dictionary() -> None:
    config = Config(hidden_sizes=(8,), warm_up=2)
    stored = configs.as_dictionary(config)
    assert stored["hidden_sizes"] == [8]
    assert configs.from_dictionary(Config(), stored) == config
    with pytest.raises(ConfigError, match="does not fit this version"):
        configs.from_dictionary(Config(), {"gone": 1})


@dataclass(frozen=True)
class Grown(Base):
    """A method that has got a field since it was first run."""

    groups: int = later(1)
    """Groups."""


def test_a_later_field_is_recorded_where_it_is_not_what_was_done_before() -> None:
    before = configs.as_dictionary(Base())
    assert configs.as_dictionary(Grown()) == before
    assert configs.from_dictionary(Grown(groups=2), before | {"groups": 1}) == Grown()
    grown = parse(Grown(), ["--groups", "2"], "toy")
    assert configs.as_dictionary(grown) == before | {"groups": 2}
    assert configs.from_dictionary(Grown(), before | {"groups": 2}) == grown
    assert configs.first_difference(before, before | {"groups": 2}) == "groups=absent, now 2"


def test_the_digest_depends_on_values_and_not_on_their_order() -> None:
    assert configs.digest({"a": 1, "b": 2}) == configs.digest({"b": 2, "a": 1})
    assert configs.digest({"a": 1}) != configs.digest({"a": 2})


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        ({"a": 1}, {"a": 2}, "a=1, now 2"),
        ({"a": 1}, {"a": 1, "b": 3}, "b=absent, now 3"),
        ({"a": 1, "b": 3}, {"a": 1}, "b=3, now absent"),
        ({"a": 1}, {"a": 1.0}, None),
    ],
)
def test_the_first_difference_names_the_field(old: dict[str, int], new: dict[str, int], difference: str | None) -> None:
    assert configs.first_difference(old, new) == difference


def test_every_field_is_described_with_its_docstring_also_an_inherited_one() -> None:
    described = {field["name"]: field for field in configs.describe_fields(Config())}
    assert described["fast_lr"] == {
        "name": "fast_lr",
        "type": "float",
        "takes": "a number",
        "default": 0.05,
        "help": "Step size of the inner loop, in (0, 1) (card 5.3).",
    }
    assert described["optimiser"]["takes"] == "adam or sgd"
    assert described["warm_up"]["help"] == ""
