"""What figures show: the numbers, the reported ones beside them, and a look for each method."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from mirl.suite import experiments as registry
from mirl.suite.plot import COLOURS
from mirl.suite.records import Reference
from mirl.suite.report import figures, filters, interactive, words
from mirl.suite.report.collect import collect
from mirl.suite.report.curves import Curve
from mirl.suite.report.site import HERE


def reference(value: float, **changes: object) -> Reference:
    empty = {"setting": "", "env_steps": "", "spread": "", "spread_kind": "", "n": "", "unit": "points", "note": ""}
    fixed = {"task": "line", "method": "ours", "metric": "eval/return", "provenance": "measured", "source": "here"}
    return Reference.model_validate({**empty, **fixed, "value": value, "role": "result", **changes})


def panels(page: Path, stem: str) -> list[dict]:
    """What a figure's script hands to Plotly."""
    match = re.fullmatch(r"mirl\.add\(\"(.+?)\", (.*)\);\n", (page / f"figures/{stem}.js").read_text(), flags=re.DOTALL)
    assert match
    assert match[1] == stem
    return json.loads(match[2])


def traces(panel: dict, word: str) -> list[dict]:
    return [trace for trace in panel["data"] if word in json.dumps([trace.get("name"), trace.get("hovertemplate")])]


def test_a_reported_interval_is_students_around_the_printed_mean():
    low, high = figures.reference_interval(reference(20, spread=1, spread_kind="sd", n=5)) or (0, 0)
    expected = stats.t.interval(0.95, 4, loc=20, scale=1 / math.sqrt(5))
    assert (low, high) == pytest.approx(expected)
    assert figures.reference_interval(reference(20)) is None
    assert figures.reference_interval(reference(20, spread=1, spread_kind="sd", n=1)) is None


def test_a_bound_that_would_flatten_the_figure_is_left_to_the_caption():
    far, close = reference(930, role="ceiling", method="any"), reference(22, role="ceiling", method="any")
    assert figures.near([far, close], [9.0, 20.0]) == [close]
    assert figures.near([close], []) == []
    assert figures.near([close], [math.nan]) == []


def test_a_caption_names_no_bound_of_what_was_not_run():
    """As of a return, beneath a probe that measures an error."""
    bounds = (reference(1000, role="ceiling", method="any"), reference(38, role="floor", method="any"))
    waiting = SimpleNamespace(bounds=bounds, ours=SimpleNamespace(n=0))
    probe = SimpleNamespace(bounds=(), ours=SimpleNamespace(n=2))
    run = SimpleNamespace(bounds=bounds[:1], ours=SimpleNamespace(n=1))
    tasks = [SimpleNamespace(budget="workstation", rows=[waiting, one]) for one in (probe, run)]
    assert [filters.bounds_sentence(one) for one in tasks] == ["", "Ceiling 1000 (dotted where it lies near)."]


def test_every_method_of_the_longest_list_has_a_look_of_its_own():
    looks = {(figures.colour(place), figures.style(place)) for place in range(14)}
    assert len(looks) == 14


def test_the_palette_of_the_page_is_that_of_mirl_plot():
    css = (HERE / "assets/report.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark", 1)
    for number, colour in enumerate(COLOURS):
        assert f"--series-{number}: {colour};" in light
        assert re.search(rf"--series-{number}: #[0-9a-f]{{6}};", dark)


def test_curves_show_mean_and_interval_of_registered_seeds_and_the_reported_number(site: Path):
    panel = panels(site, "toy-line-paper-curves")[0]
    (ours,) = traces(panel, "ours (5 seeds)")
    assert ours["x"] == [float(step) for step in range(100, 1001, 100)]
    assert ours["y"][-1] == pytest.approx(20.1)  # seed 7 with its 99 is not registered
    assert traces(panels(site, "toy-hill-paper-curves")[0], "theirs (1 seed)")  # seed 2 with its 99 was too short
    assert re.fullmatch(r" \(19\.\d+ … 20\.\d+\)", ours["customdata"][-1][0])
    (reported,) = traces(panel, "ours, reported")
    assert (reported["x"], reported["y"]) == ([1000.0], [20.0])
    assert reported["error_y"]["array"][0] == pytest.approx(stats.t.ppf(0.975, 4) / math.sqrt(5))
    assert panel["layout"]["shapes"][0]["y0"] == 22


def test_a_band_is_drawn_where_there_is_an_interval_and_nowhere_between():
    low, high = np.array([0, np.nan, 2, 3.0]), np.array([1, np.nan, 4, 5.0])
    curve = Curve("ours", np.array([1.0, 2, 3, 4]), {}, low, low, high, thinned=False)
    across, up = interactive.outline(curve)
    assert across == [1, 1, None, 3, 4, 4, 3, None]
    assert up == [0, 1, None, 2, 3, 5, 4, None]


def test_a_variant_is_a_line_of_its_own_and_a_value_that_is_no_number_a_gap(site: Path):
    assert traces(panels(site, "toy-line-paper-curves")[0], "ours@slow (1 seed)")
    (theirs,) = traces(panels(site, "toy-hill-paper-curves")[0], "theirs (1 seed)")
    assert theirs["y"][-1] is None


def test_final_values_are_seeds_means_and_reported_numbers(site: Path):
    (panel,) = panels(site, "toy-line-paper-seeds")
    seeds = [[round(value, 6) for value in trace["x"]] for trace in traces(panel, "%{text}")]
    assert seeds[0] == [19.5, 19.8, 20.1, 20.4, 20.7]
    assert seeds[-1] == [9.0, 9.5, 10.0, 10.5, 11.0]
    means = [trace["x"][0] for trace in traces(panel, "mean")]
    assert (means[0], means[-1]) == pytest.approx((20.1, 10.0))
    assert [trace["x"][0] for trace in traces(panel, "reported")] == [20, 15]
    lines = panel["layout"]["yaxis"]["ticktext"]
    assert (lines[0], lines[-1]) == ("theirs", "ours")


def test_tiny_runs_never_meet_the_papers_numbers(site: Path):
    for stem in ("toy-line-tiny-curves", "toy-line-tiny-seeds"):
        for panel in panels(site, stem):
            assert not traces(panel, "reported")
            assert not panel["layout"].get("shapes")


def test_a_page_shows_a_colour_for_every_trace(site: Path):
    for script in (site / "figures").glob("*.js"):
        for panel in panels(site, script.stem):
            assert all(trace["meta"]["series"] in range(len(COLOURS)) for trace in panel["data"])


def test_numbers_are_written_with_six_digits_and_gaps_as_null():
    assert interactive.numbers([1.23456789, math.nan, math.inf]) == [1.23457, None, None]


def test_the_order_of_budgets_is_papers_first(filled: Path):
    experiments = registry.load(filled / "reproduce.yaml")
    found = collect(filled, experiments, "toy", "runs", None)
    assert list(found.comparisons) == ["paper", "workstation", "tiny"]
    only = collect(filled, experiments, "toy", "runs", "workstation")
    assert list(only.comparisons) == ["workstation"]
    assert {task.budget for task in only.tasks} == {"workstation"}


def test_a_verdict_with_a_reservation_keeps_its_shape_and_loses_its_good_colour():
    plain, reserved = words.look("equivalent"), words.look("equivalent, not above the floor")
    assert (reserved.shape, reserved.tone) == (plain.shape, "doubt")
    assert plain.tone == "good"
    assert words.look("a word of tomorrow").shape == "question"


def test_no_two_verdicts_of_a_table_have_one_shape():
    for table in (words.ROW_VERDICTS, words.CLAIM_VERDICTS):
        assert len({words.look(verdict).shape for verdict in table}) == len(table)
