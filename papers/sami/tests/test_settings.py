"""Task sets: complete, usable, and each with its provenance."""

from __future__ import annotations

from itertools import chain

import pytest

from sami.settings import (
    CRIPPLING,
    TASKS,
    checked_tuple,
    parse_tuples,
    task_sets,
    variants_of,
)

FAMILIES = [(task, variant) for task in TASKS for variant in variants_of(task)]


@pytest.mark.parametrize(("task", "variant"), FAMILIES)
def test_every_tuple_describes_a_task_and_every_set_says_where_it_comes_from(task: str, variant: str):
    sets = task_sets(task, variant)
    assert list(sets)[:2] == ["training", "moderate"]
    for task_set in sets.values():
        assert task_set.tuples == tuple(checked_tuple(task, each) for each in task_set.tuples)
        assert len(task_set.provenance) > 20


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_the_papers_three_settings_and_training_slots_to_contrast(task: str):
    sets = task_sets(task)
    assert list(sets)[:3] == ["training", "moderate", "extreme"]
    assert len(set(sets["training"].tuples)) >= 2


@pytest.mark.parametrize(("task", "variant"), FAMILIES)
def test_no_test_tuple_is_a_training_tuple(task: str, variant: str):
    sets = task_sets(task, variant)
    tested = set(chain.from_iterable(each.tuples for name, each in sets.items() if name != "training"))
    assert not tested & set(sets["training"].tuples)


def test_pandas_cells_are_those_of_table_1():
    sets = task_sets("panda")
    assert [len(sets[name].tuples) for name in ("training", "moderate", "extreme")] == [6, 6, 8]
    assert set(sets["training"].tuples) == {(0.1, 1), (0.1, 5), (0.1, 10), (1, 1), (5, 1), (10, 1)}
    assert set(sets["moderate"].tuples) == {(1, 5), (1, 10), (5, 5), (5, 10), (10, 5), (10, 10)}
    assert all(30 in cell for cell in sets["extreme"].tuples)


def test_the_ants_training_tuples_are_the_launch_scripts():
    low, high = (0.75, 0.85), (1.0, 1.15, 1.25)
    expected = ((low, low), (low, high), (high, low), (high, high))
    assert task_sets("ant")["training"].tuples == task_sets("ant", "script")["training"].tuples == expected
    assert task_sets("ant", "script")["moderate"].tuples[0] == ((0.4, 0.5), (0.4, 0.5))


def test_the_super_extreme_setting_is_fourfold_mass():
    for task in ("hopper", "walker", "halfcheetah"):
        assert task_sets(task)["super_extreme"].tuples == (((4.0,), (1.0,)),)


def test_the_crippled_cheetah_trains_on_front_joints_and_is_tested_on_back_ones():
    sets = task_sets("crippled_halfcheetah")
    joints = {name: set(chain.from_iterable(each[0] for each in sets[name].tuples)) for name in sets}
    assert (joints["training"], joints["moderate"]) == ({3, 4, 5}, {0, 1, 2})
    assert [each[0] for each in sets["extreme"].tuples] == [(0, 3), (1, 4), (4, 5)]


def test_crippled_tasks_are_those_of_the_name():
    assert set(CRIPPLING) == {task for task in TASKS if task.startswith("crippled")}


@pytest.mark.parametrize(("task", "variant"), FAMILIES)
def test_every_set_has_a_tuple_for_each_of_the_methods_default_slots(task: str, variant: str):
    assert len(task_sets(task, variant)["training"].tuples) in (4, 6)


def test_an_old_command_lines_tuples_are_read():
    assert parse_tuples("panda", "[(0,1),(0,30)]") == ((0.0, 1.0), (0.0, 30.0))
    assert parse_tuples("ant", "[([.75,.85],[1.0]),]") == (((0.75, 0.85), (1.0,)),)
    assert parse_tuples("crippled_ant", "[([0,1],[1],[1.0])]") == (((0, 1), (1,), (1.0,)),)
    assert parse_tuples("ant", "[]") == ()


@pytest.mark.parametrize(
    ("task", "text", "told"),
    [
        ("panda", "__import__('os')", "is not a list of task tuples"),
        ("panda", "[(0,1", "is not a list of task tuples"),
        ("panda", "[(-1,1)]", "friction >= 0, mass > 0"),
        ("panda", "[(1,)]", "a task of panda has 2 parts"),
        ("panda", "[('a',1)]", "friction or mass of a task of panda is a finite number"),
        ("ant", "[([],[1.0])]", "lists that are not empty"),
        ("ant", "[([0.0],[1.0])]", "positive factors"),
        ("crippled_ant", "[([4],[0],[1.0])]", "joints or legs of crippled_ant are 0-3"),
        ("crippled_halfcheetah", "[([0],[2],[1.0])]", "crippling modes of crippled_halfcheetah"),
        ("crippled_hopper", "[([0],[1],[1.0])]", "needs 2 different joints"),
        ("crippled_walker", "[([0],[0],[-1.0])]", "masses of crippled_walker are positive"),
    ],
)
def test_wrong_tuples_are_told_in_one_line(task: str, text: str, told: str):
    with pytest.raises(ValueError, match=told) as caught:
        parse_tuples(task, text)
    assert "\n" not in str(caught.value)


def test_an_unknown_task_or_variant_is_told_with_what_there_is():
    with pytest.raises(ValueError, match="no task 'cheetah'; one of panda, ant"):
        task_sets("cheetah")
    with pytest.raises(ValueError, match="walker has no task sets 'domino'; one of main"):
        task_sets("walker", "domino")
