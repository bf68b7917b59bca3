"""What `mirl plot` draws of seeds; its command line is tested in test_judging.py."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mirl.suite import plot


def test_a_running_mean_is_over_a_seeds_own_values_whatever_steps_others_recorded_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As in MI-Asym, whose episodes end where they end: no two seeds evaluate at the same env step."""
    first = pd.Series({1: 0.0, 3: 10.0, 5: 20.0})
    second = pd.Series({2: 1.0, 4: 1.0, 6: 1.0})
    figures = []
    monkeypatch.setattr(plot.plt, "close", figures.append)
    plot.draw({"ours": [first, second]}, "title", "eval/success", 2, tmp_path / "curves.png")
    monkeypatch.undo()
    [figure] = figures
    seed, other, mean = figure.axes[0].lines
    plot.plt.close(figure)
    assert (list(seed.get_xdata()), list(seed.get_ydata())) == ([1, 3, 5], [0, 5, 15])
    assert (list(other.get_xdata()), list(other.get_ydata())) == ([2, 4, 6], [1, 1, 1])
    assert (list(mean.get_xdata()), list(mean.get_ydata())) == ([2, 4, 6], [0.5, 3, 8])
