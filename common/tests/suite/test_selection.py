from __future__ import annotations

from pathlib import Path

import pytest

from mirl.config import ConfigError
from mirl.suite import experiments as registry
from mirl.suite.selection import RunSpec, select


@pytest.fixture
def experiments(root: Path) -> registry.Experiments:
    return registry.load(root / "reproduce.yaml")


def test_a_spec_says_everything_and_reads_back():
    for text in ("tiny/toy/line/drift/seed3", "paper/toy/line/drift@slow/seed0"):
        assert str(RunSpec.parse(text)) == text


@pytest.mark.parametrize("text", ["", "tiny/toy/line/drift", "huge/toy/line/drift/seed0", "tiny/toy/line/drift/seedx"])
def test_a_spec_that_is_none_is_refused(text: str):
    with pytest.raises(ConfigError, match="SPEC must be"):
        RunSpec.parse(text)


def test_a_selection_without_names_is_every_run_of_the_budget(experiments: registry.Experiments):
    specs = select(experiments, "paper", "toy")
    assert len(specs) == 2 * 5
    assert str(specs[0]) == "paper/toy/line/random_walk/seed0"


def test_case_is_ignored(experiments: registry.Experiments):
    assert [str(spec) for spec in select(experiments, "TINY", "Toy", "LINE", "Drift", [7])] == [
        "tiny/toy/line/drift/seed7"
    ]


def test_a_variant_is_named_with_its_method(experiments: registry.Experiments):
    (spec,) = select(experiments, "tiny", "toy", "line", "drift@slow", [0])
    assert (spec.method, spec.variant) == ("drift", "slow")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny", "toi"), "no paper 'toi'; did you mean toy"),
        (("tiny", "toy", "lime"), "no task 'lime' in paper toy; did you mean line"),
        (("tiny", "toy", "line", "drfit"), "no method 'drfit' for toy/line; did you mean drift"),
        (("tiny", "toy", "line", "drift@slwo"), "no variant 'slwo' in paper toy; did you mean slow"),
        (("tinny",), "no budget 'tinny'; did you mean tiny"),
    ],
)
def test_a_wrong_name_is_one_line_with_the_nearest_right_one(experiments, arguments, message):
    with pytest.raises(ConfigError, match=message) as caught:
        select(experiments, *arguments)
    assert "\n" not in str(caught.value)
