"""What a film says of itself: no more than it shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mirl.film import Film
from mummi.film import film_episodes
from mummi.play import Played


@pytest.mark.parametrize(
    ("natural", "settings", "gaps", "background"),
    [
        (True, ["ratio_0", "ratio_0.05", "ratio_0.1"], True, True),
        (True, ["ratio_0"], False, True),
        (False, ["ratio_0"], False, False),  # as variant without_videos
    ],
)
def test_a_caption_tells_of_gaps_and_backgrounds_only_where_there_are_any(
    tmp_path: Path, natural: bool, settings: list[str], gaps: bool, background: bool
):
    agent: Any = SimpleNamespace(
        config=SimpleNamespace(natural=natural), model=SimpleNamespace(), model_adam=SimpleNamespace(moved=[])
    )
    entries = {"image": np.zeros((3, 64, 64, 3), np.uint8), "depth": np.ones((3, 64, 64, 1), np.float16)}
    film = Film(tmp_path / "film.webm")
    film_episodes(film, "walker_stand", agent, {setting: Played(entries, 160.4, 2) for setting in settings})
    caption, alternative = film.texts["caption"], film.texts["alternative"]
    assert ("may go missing" in caption, "moving background" in alternative) == (gaps, background)
    assert caption.endswith(f" Returns of the whole episodes: {', '.join(f'160 ({one})' for one in settings)}.")
    assert film.path.stat().st_size > 500
