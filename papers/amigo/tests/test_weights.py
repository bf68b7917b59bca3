"""model.tar: the original's names, files of others, and the authors' own four where a user has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from amigo.__main__ import PAPER
from amigo.agent import Agent
from amigo.config import configure
from amigo.evaluate import judge
from amigo.weights import STUDENT, TEACHER, cloned, in_original_names, read_weights
from mirl.config import ConfigError
from mirl.paper import EvaluateOptions, main

FOLDER = os.environ.get("MIRL_RELEASED", "")
"""Holds amigo/KC1_as.tar and the rest: model.tar of the released runs, which are not part of this project."""
RELEASED = {"KC1_as": 0.9195, "KC_th": 0.9250, "OM_as": 0.9419, "OM_al2": 0.9343}
"""Mean return over 512 episodes by the original's own networks and environments (card 3.1)."""
STUDENT_SHAPES = {
    "embed_object.weight": (11, 5), "embed_color.weight": (6, 3), "embed_contains.weight": (4, 2),
    "embed_goal.weight": (50, 10), "embed_agent_loc.weight": (50, 10),
    "feat_extract.0.weight": (32, 11, 3, 3), "feat_extract.0.bias": (32,),
    **{f"feat_extract.{i}.weight": (32, 32, 3, 3) for i in (2, 4, 6, 8)},
    **{f"feat_extract.{i}.bias": (32,) for i in (2, 4, 6, 8)},
    "fc.0.weight": (256, 40), "fc.0.bias": (256,), "fc.2.weight": (256, 256), "fc.2.bias": (256,),
    "policy.weight": (7, 256), "policy.bias": (7,), "baseline.weight": (1, 256), "baseline.bias": (1,),
}  # fmt: skip
TEACHER_SHAPES = {
    "embed_object.weight": (11, 5), "embed_color.weight": (6, 3), "embed_contains.weight": (4, 2),
    "extract_representation.0.weight": (16, 10, 3, 3), "extract_representation.0.bias": (16,),
    "extract_representation.2.weight": (16, 16, 3, 3), "extract_representation.2.bias": (16,),
    "extract_representation.4.weight": (16, 16, 3, 3), "extract_representation.4.bias": (16,),
    "extract_representation.6.weight": (1, 16, 3, 3), "extract_representation.6.bias": (1,),
    "baseline_teacher.weight": (1, 49), "baseline_teacher.bias": (1,),
}  # fmt: skip
"""Of a released KeyCorridorS3R3 file."""
TASK = "KeyCorridorS3R3"


def released_file(path: Path, **changes: Any) -> Agent:
    """Write what the authors' program would of some agent, which is returned."""
    agent = Agent(TASK, configure(TASK, "amigo", "paper"), 3)
    assert agent.teacher is not None
    flags = {"env": f"MiniGrid-{TASK}-v0", "modify": True, "momentum": 0, "xpid": "one", "device": torch.device("cuda")}
    model = {
        "model_state_dict": in_original_names(cloned(agent.student.network.state_dict()), STUDENT),
        "generator_model_state_dict": in_original_names(cloned(agent.teacher.network.state_dict()), TEACHER),
        "flags": flags,
    }
    torch.save(model | changes, path)
    return agent


def test_our_file_has_the_originals_names_and_shapes(tmp_path: Path):
    released_file(tmp_path / "model.tar")
    model = torch.load(tmp_path / "model.tar", weights_only=True)
    for key, expected in (("model_state_dict", STUDENT_SHAPES), ("generator_model_state_dict", TEACHER_SHAPES)):
        assert {name: tuple(tensor.shape) for name, tensor in model[key].items()} == expected


def test_the_originals_file_gives_its_own_policy_and_teacher(tmp_path: Path):
    mine = released_file(tmp_path / "model.tar")
    weights = read_weights(tmp_path / "model.tar")
    theirs = weights.agent()
    assert (weights.task, weights.methods) == (TASK, ("amigo", "amigo_adaptive"))
    assert torch.equal(theirs.student.optimiser.parameters, mine.student.optimiser.parameters)
    frames = torch.randint(0, 4, (5, 7, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(theirs.propose(frames), mine.propose(frames))
    nothing = torch.ones(5, dtype=torch.uint8), torch.full((5,), 5, dtype=torch.uint8)
    shown = frames, nothing, torch.arange(5), torch.zeros(5, dtype=torch.bool), torch.empty(0, 5, 256)
    assert torch.equal(theirs.act(*shown)[0], mine.act(*shown)[0])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_state_dict": {"core.weight_ih_l0": torch.zeros(2)}}, "it has a tensor core.weight_ih_l0"),
        ({"model_state_dict": {"policy.bias": torch.zeros(7)}}, "does not fit KeyCorridorS3R3: .* Missing key"),
        ({"flags": {"env": "MiniGrid-KeyCorridorS4R3-v0"}}, "does not fit KeyCorridorS4R3: .* size mismatch"),
        ({"flags": {"env": f"MiniGrid-{TASK}-v0", "modify": "yes"}}, "its flag modify is 'yes'"),
        ({"flags": {}}, "'env'"),
    ],
)
def test_a_file_that_does_not_fit_gets_one_line(
    tmp_path: Path, changes: dict[str, Any], complaint: str, capsys: pytest.CaptureFixture[str]
):
    released_file(tmp_path / "model.tar", **changes)
    assert main(PAPER, ["weights", "--weight-path", str(tmp_path / "model.tar")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"amigo: --weight_path {tmp_path / 'model.tar'} ")
    assert len(said.strip().splitlines()) == 1
    with pytest.raises(ConfigError, match=complaint):
        read_weights(tmp_path / "model.tar").agent()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04", b"\x80\x02cos\nsystem\n."])
def test_a_file_of_something_else_gets_one_line(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "other.tar").write_bytes(content)
    words = ["--mode", "test", "--env", f"MiniGrid-{TASK}-v0", "--weight_path", str(tmp_path / "other.tar")]
    assert main(PAPER, words) == 2
    said = capsys.readouterr().err
    assert "is not a model.tar of AMIGo" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.skipif(not FOLDER, reason="MIRL_RELEASED names no folder that holds amigo/KC1_as.tar (README, Results)")
@pytest.mark.parametrize("name", RELEASED)
def test_a_released_checkpoint_gives_the_originals_numbers(name: str):
    weights = read_weights(Path(FOLDER) / "amigo" / f"{name}.tar")
    found = judge(weights.agent(), weights.task, EvaluateOptions())
    assert found["eval/return"] == pytest.approx(RELEASED[name], abs=0.002)
    assert found["eval/success"] == 1.0
