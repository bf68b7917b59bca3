"""Mutated command lines of one paper, in its own environment; nothing is trained.

python paper_lines.py PAPER NUMBER    prints as JSON what no command line may do: [[words, fault], ...]
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from mutations import damaged_words
from watching import watch

from mirl import config as configs
from mirl.paper import Paper, main

ORIGINAL = {
    "amigo": "--env MiniGrid-KeyCorridorS3R3-v0 --num_actors 40 --modify --generator_batch_size 150 "
    "--generator_entropy_cost .05 --generator_threshold -.5 --total_frames 600000000 --generator_reward_negative -.3 "
    "--savedir runs/original",
    "mime": "train.py --use-vime --adapt-eta --output-folder runs/original --seed 0 --num-workers 6 --num-batches 3",
    "mummi": "dreamer.py --logdir runs/original --task dmc_walker_walk --steps 2e6 --miss_ratio 0.1",
    "sami": "--method SaCCM --env_name Ant --adversarial_loss_coef 0.1 --use_weighted_info_nce --seed 421 "
    "--test_eps_num_per_env 5",
    "mi_asym": "main.py --config_env configs/envs/heaven_hell.py --config_rl configs/rl/dqn_ours_default.py "
    "--config_seq configs/seq/gru_default.py --train_episodes 10000",
}  # fmt: skip
"""Command lines as the originals' README files give them."""


def lines(paper: Paper, chance: random.Random) -> Iterator[list[str]]:
    """Good command lines, without end: the original's, and ours with a field of the config or two."""
    original = ORIGINAL.get(paper.name, "").split()
    while True:
        if original:
            yield original
        task, method = chance.choice(paper.tasks), chance.choice(paper.methods)
        words = ["train", "--task", task, "--method", method, "--seed", "0", "--run-dir", f"runs/{task}-{method}"]
        try:
            fields = configs.describe_fields(paper.configure(task, method, paper.fidelities[0]))
        except configs.ConfigError:  # a method that this task does not know
            fields = []
        for field in chance.sample(fields, min(2, len(fields))):
            words += [configs.option_of(field["name"]), str(field["default"])]
        yield words
        yield [
            "evaluate",
            "--run-dir",
            f"runs/{task}-{method}",
            "--episodes",
            "1",
            "--setting",
            chance.choice(paper.settings),
        ]
        yield ["describe", "--task", task, "--method", method]


def faults(name: str, number: int) -> list[tuple[list[str], str]]:
    real: Paper = importlib.import_module(f"{name}.__main__").PAPER
    paper = dataclasses.replace(
        real, train=lambda run, config: None, evaluate=lambda *_: {}, bench=lambda task: [], commands={},
    )  # fmt: skip
    found = []
    chance = random.Random(name)
    good = lines(paper, chance)
    for _ in range(number):
        words = damaged_words(chance, next(good))
        outcome = watch(lambda words=words: main(paper, words), Path.cwd())  # type: ignore[misc]
        if outcome.fault:
            found.append((words, outcome.fault))
    return found


if __name__ == "__main__":
    print(json.dumps(faults(sys.argv[1], int(sys.argv[2]))))
