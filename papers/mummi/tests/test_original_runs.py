"""The released README's three command lines, run from a folder as printed, with every flag of the three programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mirl.paper import main
from mummi.__main__ import PAPER


def words(text: str) -> list[str]:
    return text.split()


PRINTED = {
    method: words(f"{method}.py --logdir ./logdir/dmc_walker_walk/{method} --task dmc_walker_walk")
    for method in ("mummi", "dreamer", "cvrl")
}
"""What stands after `python` there, and after `python -m mummi` here."""
SHORT = words("""
--seed 1 --steps 1.2e2 --eval_every 40 --log_every 20 --log_scalars True --log_images True --gpu_growth True
--precision 32 --envs 1 --parallel none --action_repeat 2 --time_limit 20 --prefill 40 --eval_noise 0.0
--clip_rewards tanh --deter_size 8 --stoch_size 4 --num_units 8 --dense_act elu --cnn_act relu --cnn_depth 1
--pcont True --free_nats 3.0 --kl_scale 1.0 --pcont_scale 10.0 --weight_decay 0.0 --weight_decay_pattern .*
--batch_size 2 --batch_length 5 --train_every 20 --train_steps 2 --pretrain 2 --model_lr 6e-4 --value_lr 8e-5
--actor_lr 8e-5 --grad_clip 30.0 --dataset_balance True --discount 0.99 --disclam 0.95 --horizon 3
--action_dist tanh_normal --action_init_std 5.0 --expl epsilon_greedy --expl_amount 0.3 --expl_decay 100.0
--expl_min 0.1 --log_imgs False --num_Qs 2 --use_sac False --use_dreamer True --natural True --miss_ratio 0.1
--multi_modal True --max_miss_len 15 --trajectory_opt False --traj_opt_lr 0.003 --forward_search True --num_samples 3
""")
"""All flags of card 2.6, small enough for seconds; cvrl's own two are added to its line."""
OWN = {"cvrl": words("--obs_model contrastive --reward_only True")}
FAST = words("--fast_rendering True --embed_size 8 --test_episodes 1 --backgrounds .")
"""Ours: what makes the short run shorter."""


def run(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mummi", *given]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=folder)


@pytest.mark.parametrize(
    "method", ["mummi", pytest.param("dreamer", marks=pytest.mark.slow), pytest.param("cvrl", marks=pytest.mark.slow)]
)
def test_the_printed_line_trains_and_is_tested(method: str, tmp_path: Path):
    done = run(tmp_path, *PRINTED[method], *SHORT, *OWN.get(method, []), *FAST)
    assert done.returncode == 0, done.stderr
    directory = tmp_path / "logdir" / "dmc_walker_walk" / method
    config = json.loads((directory / "manifest.json").read_text())["config"]
    names = [word.removeprefix("--") for word in SHORT if word.startswith("--")]
    kept = {"expl": "epsilon_greedy", "expl_min": 0.1, "clip_rewards": "tanh", "pcont": True, "horizon": 3, "seed": 1}
    assert {name: config[name] for name in kept} == kept
    assert config["total_env_steps"] == 120
    if method != "dreamer":
        assert (config["forward_search"], config["num_samples"], config["trajectory_opt"]) == (True, 3, False)
    ignored = [name for name in names if f"--{name} has no effect" in done.stderr]
    search = ["trajectory_opt", "traj_opt_lr", "forward_search", "num_samples"]
    assert ignored == (search if method == "dreamer" else [])
    tested = run(tmp_path, *PRINTED[method], "--test", "True")
    assert tested.returncode == 0, tested.stderr
    assert all(f"eval/return_ratio_{ratio} " in tested.stdout for ratio in ("0", "0.05", "0.1"))
    assert len((directory / "results.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("method", PRINTED)
def test_the_printed_line_alone_is_a_whole_experiment_that_overwrites_nothing(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nothing else than what lies there keeps it from beginning."""
    directory = tmp_path / "logdir" / "dmc_walker_walk" / method
    directory.mkdir(parents=True)
    (directory / "notes.txt").write_text("somebody's")
    monkeypatch.chdir(tmp_path)
    assert main(PAPER, PRINTED[method]) == 2
    said = capsys.readouterr().err
    assert "notes.txt" in said
    assert said.count("\n") == 1
