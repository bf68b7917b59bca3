"""`mirl gpu-check`: what it refuses, how it goes on, what it takes for equal, and how its files are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirl.config import ConfigError
from mirl.suite import cli
from mirl.suite.gpu_check import FAILED, NOT_RUN, OK, NotRunError, Step, StepError, open_record, run_steps
from mirl.suite.gpu_check.processes import Starter, compared_update
from mirl.suite.gpu_check.reading import NOTHING, markdown, sentence

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--paper", "mimi"], "did you mean mime?"),
        (["--stand-in", "nowhere"], "--stand-in nowhere is not there"),
        (["--papers", "mime"], "--papers"),
    ],
)
def test_bad_input_gets_one_line(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]):
    assert cli.run(["gpu-check", "--root", str(ROOT), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.splitlines()) == 1


def test_a_host_without_a_card_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("mirl.suite.gpus.visible", list)
    assert cli.run(["gpu-check", "--root", str(ROOT)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class Counting:
    """A step's work, counted."""

    def __init__(self, outcome: Exception | Mapping[str, Any]) -> None:
        self.outcome, self.calls = outcome, 0

    def __call__(self) -> Mapping[str, Any]:
        self.calls += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_what_was_stopped_goes_on_and_what_failed_is_tried_again(tmp_path: Path):
    good, bad, absent = Counting({"update_s": 1.0}), Counting(StepError("differs")), Counting(NotRunError("no docker"))
    crash = Counting(KeyboardInterrupt())  # type: ignore[arg-type]
    crash.outcome = RuntimeError("stopped")
    steps = [Step("one", "", good), Step("two", "", bad), Step("three", "", absent)]
    record = open_record(tmp_path, "A card", False, ROOT)
    with pytest.raises(RuntimeError):
        run_steps(record, [*steps, Step("four", "", crash)], lambda line: None)
    assert not json.loads((tmp_path / "a-card.json").read_text())["complete"]
    crash.outcome = {}
    again = open_record(tmp_path, "A card", False, ROOT)
    run_steps(again, [*steps, Step("four", "", crash)], lambda line: None)
    assert (good.calls, bad.calls, absent.calls, crash.calls) == (1, 2, 2, 2)
    assert {name: one["status"] for name, one in again.steps.items()} == {
        "one": OK, "two": FAILED, "three": NOT_RUN, "four": OK
    }  # fmt: skip
    assert json.loads((tmp_path / "a-card.json").read_text())["complete"]
    assert not open_record(tmp_path, "A card", False, ROOT).steps, "one that has ended begins anew"


class Written(Starter):
    """Writes what a probe of each device would."""

    def __init__(self, cpu: float, card: float, loss: float) -> None:
        super().__init__(ROOT, None, {})
        object.__setattr__(self, "values", {False: (cpu, 1.0), True: (card, loss)})

    def finish(self, paper: str, words: Any, on_card: bool = True) -> str:
        value, loss = self.values[on_card]  # type: ignore[attr-defined]
        facts = {"losses": {"loss/critic": loss}, "cost": {"update_s": 0.5, "update_launches": None}}
        np.savez(words[words.index("--out") + 1], facts=np.array(json.dumps(facts)), layer=np.full(4, value))
        return ""


def test_updates_are_held_against_each_other(tmp_path: Path):
    found = compared_update(Written(1.0, 1.001, 1.0001), "mime", "wide_ring", "maml", tmp_path, small=False)
    assert found["gradient_difference"] == pytest.approx(1e-3)
    assert (found["loss_difference"], found["update_s"]) == (pytest.approx(1e-4), 0.5)
    with pytest.raises(StepError, match=r"the gradient of layer differs by 0\.1"):
        compared_update(Written(1.0, 1.1, 1.0), "mime", "wide_ring", "maml", tmp_path, small=False)
    with pytest.raises(StepError, match=r"a loss differs by 0\.1"):
        compared_update(Written(1.0, 1.0, 1.1), "mime", "wide_ring", "maml", tmp_path, small=False)
    with pytest.raises(StepError):
        compared_update(Written(1.0, float("nan"), 1.0), "mime", "wide_ring", "maml", tmp_path, small=False)


def test_documents_show_cards_and_never_what_stood_in_for_one(tmp_path: Path):
    folder = tmp_path / "results/gpu"
    assert markdown(tmp_path) == NOTHING
    for card, simulated in (("simulated device", True), ("A card", False)):
        record = open_record(folder, card, simulated, ROOT)
        folder.mkdir(parents=True, exist_ok=True)
        step = Step("mime maml", "one update, CPU against card", lambda: {"gradient_difference": 2e-5})
        run_steps(record, [step, Step("mime draws", "", Counting(NotRunError("no EGL")))], lambda line: None)
    table = markdown(tmp_path)
    assert "| A card | 20" in table
    assert "| 1 of 1 | 2e-05 | 0 | 0 | 1 |" in table
    assert "simulated" not in table
    assert "A card" in sentence(tmp_path)
    (folder / "other.json").write_text("{}")
    with pytest.raises(ConfigError, match="is no record of gpu-check"):
        markdown(tmp_path)
