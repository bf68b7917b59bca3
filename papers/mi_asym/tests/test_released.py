"""The authors' files: their encoders load under our flags, their policy plays as it did, and others are refused.

They belong to their authors and are no part of this project. Who has them names the folder that holds
mi_asym/HeavenHell-s_encoder.pt and the rest in MIRL_RELEASED; files of the same form are made up here for everybody.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mi_asym.__main__ import PAPER
from mi_asym.agents.ours import errors_of
from mi_asym.building import agent_for, environments_for, source_for
from mi_asym.config import configure
from mi_asym.envs import task_spec
from mi_asym.evaluate import judge
from mi_asym.experience import Batch
from mi_asym.networks.packing import pack
from mi_asym.released import BESIDE, BLOCK, CRITIC, load_policy
from mi_asym.representation.blindness import blindness
from mi_asym.representation.learner import make_encoder
from mi_asym.rollout import Policy, play
from mi_asym.stages import new_embedders, untrained
from mi_asym.streams import generator
from mi_asym.weights import OF_IMAGES, OF_VECTORS, load_weights
from mirl.config import ConfigError
from mirl.paper import main

FOLDER = os.environ.get("MIRL_RELEASED", "")
needs_files = pytest.mark.skipif(not FOLDER, reason="MIRL_RELEASED names no folder that holds mi_asym/*.pt (README)")
ENCODERS = {
    "heaven_hell": ("HeavenHell-s_encoder", "HeavenHell-o_encoder"),
    "sphinx": ("Sphinx-s_encoder", "Sphinx-o_encoder"),
    "carflag_2d": ("CarFlag-2D-s_encoder", "CarFlag-2D-o_encoder"),
    "block_pulling": ("BlockPulling-s_encoder", "BlockPulling-o_encoder"),
    "block_pushing": ("BlockPushing-s_encoder", "BlockPushing-o_encoder"),
    "drawer_opening": ("DrawerOpening-s_encoder_official", "DrawerOpening-o_encoder_official"),
}


def released(name: str) -> Path:
    return Path(FOLDER) / "mi_asym" / f"{name}.pt"


def their_encoder(task: str, path: Path) -> Any:
    """Write new weights of a task under the original's names; returns the encoder they are of."""
    encoder = make_encoder(task, generator(1, 0, "theirs"))
    layers = {ours: theirs for theirs, ours in (OF_IMAGES if task_spec(task).image_shape else OF_VECTORS).items()}
    own = encoder.state_dict()
    torch.save({f"{layers[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": own[name] for name in own}, path)
    return encoder


def their_policy(path: Path) -> Any:
    """Write a new ours_gpt agent as the original writes its own; returns the agent."""
    agent = new_agent(1)
    content: dict[str, torch.Tensor] = {f"critic.{BLOCK}attn.bias": torch.ones(1, 1, 53, 53)}
    for network, part in (("critic", "critic"), ("critic_target", "target")):
        for layers, module in ((CRITIC, part), *((BESIDE[name], name) for name in BESIDE)):
            own = agent.parts[module].state_dict()
            for theirs, ours in layers.items():
                for kind in ("weight", "bias"):
                    value = own[f"{ours}.{kind}"]
                    across = value.dim() == 2 and theirs.startswith(BLOCK)
                    content[f"{network}.{theirs}.{kind}"] = value.T.contiguous() if across else value
    torch.save(content, path)
    return agent


def new_agent(seed: int) -> Any:
    config = configure("heaven_hell", "ours_gpt", "faithful")
    return agent_for("heaven_hell", "ours_gpt", config, seed, "cpu", untrained("heaven_hell", config))


@pytest.mark.parametrize("task", ["heaven_hell", "sphinx", "block_pulling"])
def test_an_encoder_in_the_originals_names_is_read(task: str, tmp_path: Path):
    theirs = their_encoder(task, tmp_path / "s_encoder.pt")
    ours = new_embedders(task).state
    load_weights(ours, tmp_path / "s_encoder.pt")
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def test_an_encoder_of_another_task_is_one_clear_line(tmp_path: Path):
    their_encoder("sphinx", tmp_path / "s_encoder.pt")
    with pytest.raises(ConfigError, match=r"s_encoder\.pt does not hold this task's weights") as error:
        load_weights(new_embedders("heaven_hell").state, tmp_path / "s_encoder.pt")
    assert "\n" not in str(error.value)


def test_a_policy_in_the_originals_names_is_read(tmp_path: Path):
    theirs, ours = their_policy(tmp_path / "policy.pt"), new_agent(2)
    load_policy(ours, tmp_path / "policy.pt")
    for name, part in theirs.parts.items():
        for key, value in part.state_dict().items():
            assert torch.equal(ours.parts[name].state_dict()[key], value), (name, key)


def test_the_originals_replay_line_plays_a_policy_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    their_policy(tmp_path / "policy.pt")
    line = ["--config_env", "configs/envs/heaven_hell.py", "--config_rl", "configs/rl/dqn_ours_default.py"]
    more = ["--config_seq", "configs/seq/gpt_default.py", "--policy_dir", str(tmp_path / "policy.pt")]
    assert main(PAPER, ["main.py", *line, *more]) == 0
    assert "eval/success" in capsys.readouterr().out
    film = tmp_path / "film.mp4"
    words = ["replay", "--task", "heaven_hell", "--method", "ours_gpt", "--policy", str(tmp_path / "policy.pt")]
    assert main(PAPER, [*words, "--episodes", "2", "--seed", "3", "--video", str(film)]) == 0
    assert film.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "--task is needed"),
        (["--task", "heaven_hell", "--method", "ours_gpt"], "--policy is needed"),
        (["--task", "heaven_hell", "--method", "ours_gpt", "--policy", "no.pt"], "no.pt does not exist"),
        (["--task", "heaven_hell", "--method", "drqn", "--policy", "no.pt"], "must be of method ours_gpt"),
        (["--task", "sphinx", "--method", "ours_gpt", "--policy", "policy.pt"], "does not hold this task's critic"),
        (["--task", "heaven_hell", "--method", "ours_gpt", "--policy", "s.pt"], "does not hold this task's critic"),
        (
            ["--task", "heaven_hell", "--method", "ours_gpt", "--policy", "text"],
            "does not hold weights that can be read",
        ),
        (["--task", "heaven_hell", "--method", "ours_gpt", "--policy", "policy.pt", "--video", "x.gif"], ".mp4"),
    ],
)
def test_policies_that_cannot_be_played_get_one_line(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    their_policy(tmp_path / "policy.pt")
    their_encoder("heaven_hell", tmp_path / "s.pt")
    (tmp_path / "text").write_text("no weights")
    assert main(PAPER, ["replay", *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1


@needs_files
@pytest.mark.parametrize("task", ENCODERS)
def test_the_released_encoders_load(task: str):
    for name in ENCODERS[task]:
        load_weights(new_embedders(task).state, released(name))


@needs_files
def test_a_released_encoder_of_an_earlier_architecture_is_one_clear_line():
    with pytest.raises(ConfigError, match="does not hold this task's weights"):
        load_weights(new_embedders("drawer_opening").state, released("DrawerOpening-s_encoder"))


@needs_files
def test_the_released_features_leave_the_published_blind_error():
    phi = new_embedders("heaven_hell").state
    load_weights(phi, released("HeavenHell-s_encoder"))
    found = blindness("heaven_hell", phi)
    assert found["blind_error"] == pytest.approx(0.0245, abs=0.0005)
    assert found["blind_error_informed"] == pytest.approx(0.0264, abs=0.0005)


@needs_files
def test_the_released_policy_goes_to_heaven_in_fourteen_steps():
    config = configure("heaven_hell", "ours_gpt", "faithful")
    names: Any = ("heaven_hell", "ours_gpt", config, 0)
    agent: Any = new_agent(0)
    load_policy(agent, released("heaven_hell_pomdp"))
    source: Any = source_for(*names, "cpu", untrained("heaven_hell", config))
    environments = environments_for(*names, 20, "test")
    episodes = judge(agent, environments, source)
    assert [episode.success for episode in episodes] == [True] * 20
    assert [episode.length for episode in episodes] == [14] * 20


@needs_files
def test_the_released_policys_value_and_bonus_are_the_originals():
    """1.13 and .24 were read in the original, in an episode with heaven on the right; on the left the bonus is .28."""
    config = configure("heaven_hell", "ours_gpt", "faithful")
    names: Any = ("heaven_hell", "ours_gpt", config, 0)
    agent: Any = new_agent(0)
    load_policy(agent, released("heaven_hell_pomdp"))
    prepared: Any = untrained("heaven_hell", config)
    prepared.embedders.state.load_state_dict(agent.parts["phi"].state_dict())
    source: Any = source_for(*names, "cpu", prepared)
    episodes = play(environments_for(*names, 20, "test"), Policy(agent, source), source)
    firsts, bonuses = [], {}
    for episode in episodes:
        packing = pack(torch.tensor([episode.length]))
        batch: Batch = source.batch(sequences(episode.slots, packing), generator(0, 0, "batch"))
        with torch.no_grad():
            hidden = agent.critic.history(batch, None)
            errors = errors_of(agent, hidden, batch)
            firsts.append(float(agent.critic.values(hidden, batch.observation)[0].max()))
        side = float(batch.state.all[0, 2])
        bonuses[side] = 10.0 * float(errors[0] - errors[-1])
    assert np.mean(firsts) == pytest.approx(1.13, abs=0.01)
    assert bonuses == pytest.approx({1.0: 0.244, -1.0: 0.285}, abs=0.002)


def sequences(slots: dict[str, torch.Tensor], packing: Any) -> Any:
    from mi_asym.replay import Sequences

    return Sequences(packing, slots)
