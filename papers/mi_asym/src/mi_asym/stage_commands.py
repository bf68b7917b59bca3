"""`collect` and `pretrain`: stages 1 and 2 alone. `train` runs them by itself where a method stands on them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from mi_asym.collect import CollectionStopped, collect
from mi_asym.config import collect_config, pretrain_config
from mi_asym.envs import TASKS
from mi_asym.pretrain import PretrainingStopped, Row, load_encoders, pretrain
from mi_asym.representation.blindness import blindness
from mi_asym.stages import new_embedders
from mirl import config as configs
from mirl.allocator import keep_freed_memory
from mirl.arithmetic import set_up_torch
from mirl.commands.options import Flags, natural_number, positive_number, print_fields, require_option
from mirl.run import Interrupted
from mirl.signals import STOP_SIGNALS
from mirl.sinks import Sink, WeightsAndBiases, require_wandb


class Stop:
    """Notes SIGTERM and SIGINT, so that a stage ends where it can go on; a second one ends it at once."""

    def __init__(self) -> None:
        self.number = 0
        for number in STOP_SIGNALS:
            signal.signal(number, self.note)

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            raise Interrupted(number, "at once")
        self.number = number

    def __call__(self) -> bool:
        return bool(self.number)


def run_collect(words: Sequence[str]) -> int:
    """stage 1 alone: play episodes and write the data file"""
    parser = Flags("python -m mi_asym collect", run_collect.__doc__ or "")
    parser.add_argument("--task", metavar="T", help=", ".join(TASKS))
    parser.add_argument("--folder", type=Path, default=Path("data"), metavar="DIR", help="where the file is written")
    parser.add_argument("--seed", type=natural_number, default=42, metavar="S")
    parser.add_argument("--episodes", type=positive_number, metavar="N", help="episodes, rotated copies left out")
    parser.add_argument("--random-episodes", type=natural_number, metavar="N", help="default: all on grids, else 0")
    parser.add_argument("--n-aug", type=natural_number, default=0, metavar="N", help="rotated copies, robots")
    parser.add_argument("--start", default="carry", choices=("carry", "uniform"), help="carflag_2d: where to start")
    parser.add_argument("--workers", type=natural_number, default=0, metavar="N", help="processes, robots")
    options = parser.parse_all(words)
    require_option(options, "task", [], TASKS)
    task = configs.choose("task", options.task, TASKS, " in paper mi_asym")
    stop = Stop()
    try:
        path = collect(
            task, options.seed, options.episodes or collect_config(task).collect_episodes, options.folder,
            options.random_episodes, options.n_aug > 0, max(options.n_aug, 1), options.start, options.workers, stop,
            every_ten_seconds(lambda done, total: f"{done} of {total} episodes"),
        )  # fmt: skip
    except CollectionStopped as stopped:
        raise Interrupted(stop.number, str(stopped)) from None
    print(path)
    return 0


def run_pretrain(words: Sequence[str]) -> int:
    """stage 2 alone: learn phi and psi from stage 1's file, and write their encoders"""
    parser = Flags("python -m mi_asym pretrain", run_pretrain.__doc__ or "", add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help="show this, and the fields")
    parser.add_argument("--task", metavar="T", help=", ".join(TASKS))
    parser.add_argument("--data", type=Path, metavar="FILE", help="what collect wrote")
    parser.add_argument("--folder", type=Path, default=Path("."), metavar="DIR", help="where encoders are written")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--log-freq", type=natural_number, default=50, metavar="N", help="epochs between kept encoders")
    parser.add_argument("--init-model", type=Path, metavar="DIR", help="encoders to begin with")
    parser.add_argument("--wandb", action="store_true", help="mirror the losses to Weights & Biases")
    parser.add_argument("--wandb-name", metavar="NAME")
    options, rest = parser.parse_known_args(words)
    if options.help:
        parser.print_help()
        print_fields(pretrain_config(options.task or TASKS[0]))
        return 0
    require_option(options, "task", rest, TASKS)
    require_option(options, "data", rest)
    task = configs.choose("task", options.task, TASKS, " in paper mi_asym")
    config = configs.parse(pretrain_config(task), rest, parser.prog, parser.names)
    gpu = options.device != "cpu" and torch.cuda.is_available()
    configs.require(gpu or options.device != "cuda", "device", "cuda", "cpu or auto, as there is no visible GPU")
    set_up_torch(1)
    keep_freed_memory()
    name = options.wandb_name or f"mi_asym/{task}/pretrain/seed{config.pretrain_seed}"
    sinks: list[Sink] = []
    if options.wandb:
        require_wandb()
        options.folder.mkdir(parents=True, exist_ok=True)
        sinks.append(WeightsAndBiases(options.folder, name, configs.as_dictionary(config)))
    tell, stop = every_ten_seconds(lambda epoch, row: f"epoch {epoch}, total loss {row['total']:.4g}"), Stop()

    def report(epoch: int, row: Row) -> None:
        tell(epoch, row)
        for sink in sinks:
            sink.scalars(epoch, {f"loss/{loss}": value for loss, value in row.items()})

    try:
        folder = pretrain(
            task, config, options.data, options.folder, "cuda" if gpu else "cpu", options.log_freq,
            init_model=options.init_model, should_stop=stop, report=report,
        )  # fmt: skip
    except PretrainingStopped as stopped:
        raise Interrupted(stop.number, str(stopped)) from None
    tell_blindness(task, folder)
    print(folder)
    return 0


def tell_blindness(task: str, folder: Path) -> None:
    """Print phi's blind errors, on grids."""
    embedders = new_embedders(task)
    load_encoders(embedders.state, embedders.observation, folder)
    for name, error in blindness(task, embedders.state).items():
        print(f"phi's {name}: {error:.4f}", flush=True)


def every_ten_seconds(text: Callable[[int, Any], str]) -> Callable[..., None]:
    """Prints a line now and then."""
    told = time.monotonic()

    def report(number: int, of: Any) -> None:
        nonlocal told
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(text(number, of), flush=True)

    return report
