"""Pictures of contexts and of the Panda grid."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mirl.config import ConfigError
from mirl.film import captioned
from sami.evaluate import spread
from sami.pictures import BAND, arranged, draw_contexts, draw_heat_maps, frame, label_of, project, require_umap
from sami.protocol import FRICTIONS, MASSES, TestEpisode, heat, metrics_of


def episode(
    number: int, skill: str = "", success: bool = True, embedding: tuple[float, ...] = (0.0, 1.0)
) -> TestEpisode:
    return TestEpisode(number, {"mass": 1.0}, 10.0 + number, 9.0, 5, success, skill, embedding)


def episodes(count: int) -> list[TestEpisode]:
    random = np.random.default_rng(0)
    return [episode(number % 2, embedding=tuple(random.normal(size=3))) for number in range(count)]


def test_contexts_are_drawn_once_per_projection(tmp_path: Path):
    draw_contexts(tmp_path / "images", "moderate", ["a", "b"], episodes(12), ("tsne", "pca"))
    names = {path.name for path in (tmp_path / "images").iterdir()}
    assert names == {"contexts_moderate_tsne.png", "contexts_moderate_pca.png"}


def test_too_few_episodes_draw_nothing_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    draw_contexts(tmp_path / "images", "moderate", ["a", "b"], episodes(3), ("pca",))
    assert "needs more than 3 episodes" in capsys.readouterr().out
    assert not list((tmp_path / "images").iterdir())


def test_pca_keeps_the_two_widest_directions():
    contexts = np.zeros((20, 3))
    contexts[:, 1] = np.arange(20)
    points = project(contexts, "pca")
    assert points is not None
    assert np.ptp(points[:, 0]) == pytest.approx(19)
    assert np.ptp(points[:, 1]) == pytest.approx(0, abs=1e-9)


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="umap-learn is installed here")
def test_umap_names_the_package_that_is_missing():
    with pytest.raises(ConfigError, match="umap needs the package umap-learn"):
        require_umap()


def test_heat_maps_are_indexed_by_friction_and_mass(tmp_path: Path):
    cells = range(len(FRICTIONS) * len(MASSES))
    results = [episode(cell, "push" if cell % 4 == 3 else "pick_and_place", success=cell < 4) for cell in cells]
    tables = heat(results)
    assert tables["success"].tolist() == [[1] * 4] + [[0] * 4] * 4
    assert tables["push"][:, 3].tolist() == pytest.approx([1 / 1.01] * 5)
    assert not tables["push"][:, :3].any()
    draw_heat_maps(tmp_path / "images", FRICTIONS, MASSES, tables)
    assert {path.name for path in (tmp_path / "images").iterdir()} == {
        "heat_map_success.png", "heat_map_push.png", "heat_map_pick_and_place.png"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("context", "label"),
    [
        ({"mass": 4.0, "damping": 1.0}, "mass 4, damping 1"),
        ({"crippled": (0, 3), "mode": 1, "mass": 0.3}, "mass 0.3, crippled 0 3"),
        ({"crippled": (), "mode": 2, "mass": 1.0}, "mass 1"),
        ({"friction": 0.1, "mass": 30.0}, "friction 0.1, mass 30"),
    ],
)
def test_a_film_tells_what_was_drawn_for_an_episode(context: dict[str, Any], label: str):
    assert label_of(context) == label


def test_a_filmed_picture_tells_its_setting_and_what_was_drawn_in_a_band_under_it():
    picture = np.full((60, 400, 3), 90, np.uint8)
    slots = SimpleNamespace(render=lambda *_, **__: picture, context=lambda slot: {"mass": slot, "damping": 1.0})
    shown = frame(SimpleNamespace(slots=slots), 4, "extreme")  # type: ignore[arg-type]
    np.testing.assert_array_equal(shown, captioned(picture, "extreme: mass 4, damping 1", BAND))
    np.testing.assert_array_equal(shown[:60], picture)
    assert not np.array_equal(shown, frame(SimpleNamespace(slots=slots), 3, "extreme"))  # type: ignore[arg-type]


def test_a_film_has_a_row_a_setting_and_tuples_from_the_first_to_the_last():
    assert spread(list(range(9)), 3) == [0, 4, 8]
    assert spread([5, 6], 3) == [5, 6]
    pictures = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
    shown = arranged(pictures, [1, 2])
    assert shown.shape == (4, 6, 3)
    assert shown[::2, ::3, 0].tolist() == [[10, 255], [20, 30]]


def test_a_setting_is_the_mean_over_tuples_and_skill_rates_divide_by_a_little_more():
    results = [
        episode(0, "push", True),
        episode(0, "roll", False),
        episode(1, "push", False),
        episode(1, "push", False),
    ]
    metrics = metrics_of(results, "extreme")
    assert metrics["eval/return_extreme"] == 10.5
    assert metrics["eval/success_extreme"] == 0.25
    assert metrics["eval/push_extreme"] == pytest.approx((1 / 2.01 + 2 / 2.01) / 2)
    assert metrics["eval/pick_and_place_extreme"] == 0
