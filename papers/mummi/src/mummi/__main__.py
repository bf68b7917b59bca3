"""python -m mummi: train, evaluate, demo, describe, bench, backgrounds, or the original's own command line.

TensorFlow takes seconds to load, so what needs it is imported when it is called: bad input is answered at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirl.commands.options import Flags
from mirl.config import ConfigError
from mirl.paper import EvaluateOptions, Paper, main
from mirl.run import Header, Run
from mummi import describe
from mummi.config import CONFIGS, FIDELITIES, TASKS, Config, configure
from mummi.original import PROGRAMS, translate
from mummi.settings import SETTINGS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what goes wrong in TensorFlow comes as an exception, too
OUTPUTS = ("metrics.jsonl", "args.json", "backgrounds.json", "robustness.csv", "robustness.png")
"""The files of mummi.files that a training leaves; what `evaluate` writes is not among them."""


def train(run: Run, config: Config) -> None:
    import mummi.framework  # noqa: F401 - first, since it loads TensorFlow without its notices
    from mummi.train import train

    train(run, config)


def evaluate(directory: Path, header: Header, config: Config, options: EvaluateOptions) -> Mapping[str, float]:
    import mummi.framework  # noqa: F401 - first, since it loads TensorFlow without its notices
    from mummi.evaluate import evaluate

    return evaluate(directory, header, config, options)


def check(task: str, config: Config) -> None:
    from mummi.worlds import check

    check(config)


def bench(task: str) -> Sequence[Mapping[str, Any]]:
    import mummi.framework  # noqa: F401 - first, since it loads TensorFlow without its notices
    from mummi.bench import bench

    return bench(task)


def write_policy(saved: Path, folder: Path) -> None:
    import mummi.framework  # noqa: F401 - first, since it loads TensorFlow without its notices
    from mummi.state import write_policy

    write_policy(saved, folder)


def convert_backgrounds(words: Sequence[str]) -> int:
    """make a folder of one's own videos and pictures into videos behind the scene"""
    parser = Flags("python -m mummi backgrounds", convert_backgrounds.__doc__ or "")
    parser.add_argument("--source", type=Path, required=True, help="folder of videos and pictures")
    parser.add_argument("--target", type=Path, required=True, help="folder for own_train.npy and own_valid.npy")
    parser.add_argument("--valid-share", type=float, default=0.2, help="share of the files that evaluation gets")
    parser.add_argument("--frames", type=int, default=256, help="frames of a video")
    parser.add_argument("--seed", type=int, default=0, help="which files evaluation gets")
    options = parser.parse_all(words)
    from mummi.backgrounds.convert import convert

    try:
        print(convert(options.source, options.target, options.frames, options.valid_share, options.seed))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return 0


PAPER = Paper(
    name="mummi",
    project=Path(__file__).parents[2],
    tasks=TASKS,
    methods=tuple(CONFIGS),
    fidelities=FIDELITIES,
    configure=configure,
    train=train,
    evaluate=evaluate,
    settings=SETTINGS,
    parameter_counts=describe.parameter_counts,
    bench=bench,
    original=translate,
    versions=describe.versions,
    outputs=OUTPUTS,
    check=check,
    policy=write_policy,
    programs=PROGRAMS,
    commands={"backgrounds": convert_backgrounds},
)

if __name__ == "__main__":
    raise SystemExit(main(PAPER))
