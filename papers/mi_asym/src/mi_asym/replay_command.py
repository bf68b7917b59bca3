"""`replay`: play a policy that the original's authors released, as the original's main does with --policy_dir."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mi_asym.config import METHODS, configure
from mi_asym.envs import TASKS
from mi_asym.evaluate import judge_policy
from mi_asym.released import load_policy
from mirl import config as configs
from mirl.commands.options import Flags, natural_number, positive_number, print_table, require_option
from mirl.film import Film
from mirl.paper import EvaluateOptions


def run_replay(words: Sequence[str]) -> int:
    """play the original's released policy file: deterministic episodes, as evaluate plays a run's"""
    parser = Flags("python -m mi_asym replay", run_replay.__doc__ or "")
    parser.add_argument("--task", metavar="T", help=", ".join(TASKS))
    parser.add_argument("--method", metavar="M", help=", ".join(METHODS))
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", help="weights of a whole agent, such as heaven_hell_pomdp.pt"
    )
    parser.add_argument("--episodes", type=positive_number, default=20, metavar="N")
    parser.add_argument("--seed", type=natural_number, default=0, metavar="S", help="of the episodes")
    parser.add_argument("--video", type=Path, metavar="OUT.mp4", help="film one more episode; .mp4 or .webm")
    options = parser.parse_all(words)
    for field, allowed in (("task", TASKS), ("method", METHODS), ("policy", ())):
        require_option(options, field, [], allowed)
    film = Film(options.video) if options.video else None
    task = configs.choose("task", options.task, TASKS, " in paper mi_asym")
    method = configs.choose("method", options.method, METHODS, " in paper mi_asym")
    metrics = judge_policy(
        task, method, configure(task, method, "faithful"), options.seed, "cpu",
        lambda agent: load_policy(agent, options.policy), EvaluateOptions(options.episodes, video=film),
    )  # fmt: skip
    print_table([("metric", "value"), *((name, f"{value:.6g}") for name, value in metrics.items())])
    return 0
