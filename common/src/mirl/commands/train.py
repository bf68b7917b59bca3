"""`train`: one seed into one run directory, to the end or to a checkpoint."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import random
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mirl import config as configs
from mirl.attempt_log import attempt_log
from mirl.cards import VISIBLE, device_files
from mirl.checkpoint import OUT_OF_MEMORY
from mirl.commands.options import Parser, choose_of, natural_number, print_fields, require_option
from mirl.config import Config, ConfigError
from mirl.files import describe_os_error
from mirl.manifest import write_manifest
from mirl.run import Header, Interrupted, NonFiniteLoss, Run, open_run
from mirl.sinks import require_wandb
from mirl.workers import WorkerDiedError

if TYPE_CHECKING:
    from mirl.paper import Paper


def run(paper: Paper, words: Sequence[str]) -> int:
    """Train one seed into one run directory; the same command again continues."""
    parser = make_parser(paper)
    options, fields = parser.parse_known_args(words)
    if options.help:
        print_help(paper, parser, options)
        return 0
    require_option(options, "task", fields, paper.tasks)
    require_option(options, "method", fields, paper.methods)
    require_option(options, "seed", fields)
    require_option(options, "run_dir", fields)
    if not options.run_dir:
        raise ConfigError("--run-dir must name a folder, got nothing")
    task, method, fidelity = choose_names(paper, options)
    config = paper.effective(task, make_config(paper.configure(task, method, fidelity), parser, options, fields))
    device = choose_device(paper, options.device)
    header = Header(paper.name, task, method, options.seed, fidelity, device, options.variant)
    sinks = [name for name, wanted in (("tensorboard", not options.no_tensorboard), ("wandb", options.wandb)) if wanted]
    if options.wandb:
        require_wandb()
    paper.check(task, config)
    opened = open_run(Path(options.run_dir), header, config, sinks, options.save_every, options.overwrite)
    if opened is None:
        print(f"{header.run_id} is finished: {options.run_dir}/manifest.json exists; nothing to do")
        return 0
    return train_to_the_end(paper, opened, words)


def make_parser(paper: Paper) -> Parser:
    parser = Parser(paper, "train", run.__doc__ or "", add_help=False)
    parser.usage = f"{parser.prog} --task T --method M --seed S --run-dir DIR [options] [--<field> value ...]"
    parser.add_argument("-h", "--help", action="store_true", help="show this, and the fields of a method")
    parser.add_argument("--task", metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--method", metavar="M", help=", ".join(paper.methods))
    parser.add_argument("--seed", type=natural_number, metavar="S", help="a whole number")
    parser.add_argument("--run-dir", metavar="DIR", help="where everything is written")
    parser.add_argument("--fidelity", default=paper.fidelities[0], metavar="F", help=", ".join(paper.fidelities))
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda")
    parser.add_argument("--variant", default="", metavar="NAME", help="name of a set of overrides, part of the run id")
    parser.add_argument(
        "--save-every", default=0, type=natural_number, metavar="N", help="checkpoint every N env steps"
    )
    parser.add_argument("--overwrite", action="store_true", help="move an existing folder aside first")
    parser.add_argument("--no-tensorboard", action="store_true", help="write no TensorBoard events")
    parser.add_argument("--wandb", action="store_true", help="mirror to Weights & Biases as well")
    return parser


def print_help(paper: Paper, parser: Parser, options: argparse.Namespace) -> None:
    """The options, then the fields of one task and method with their resolved defaults."""
    options.task, options.method = options.task or paper.tasks[0], options.method or paper.methods[-1]
    task, method, fidelity = choose_names(paper, options)
    parser.print_help()
    print(f"\nfields of {method} on {task}, {fidelity} (give --task, --method and --fidelity for others):")
    print_fields(paper.configure(task, method, fidelity))


def choose_names(paper: Paper, options: argparse.Namespace) -> tuple[str, str, str]:
    """Task, method and fidelity; raises ConfigError for a name that nobody knows."""
    if not re.fullmatch(r"[\w.-]*", options.variant):
        raise ConfigError(f"--variant must be made of letters, digits, dots and dashes, got {options.variant}")
    return (
        choose_of(paper, "task", options.task, paper.tasks),
        choose_of(paper, "method", options.method, paper.methods),
        choose_of(paper, "fidelity", options.fidelity, paper.fidelities),
    )


def make_config(default: Config, parser: Parser, options: argparse.Namespace, fields: Sequence[str]) -> Config:
    """`default` with the fields that the command line names."""
    taken = {field.name for field in dataclasses.fields(default)} & set(vars(options))  # type: ignore[arg-type]
    if taken:  # such a field could never be set
        raise TypeError(f"{type(default).__name__} must not have the fields {taken}: train has options of that name")
    return configs.parse(default, fields, parser.prog, parser.names)


def choose_device(paper: Paper, wanted: str) -> str:
    """'cpu' or 'cuda'; raises ConfigError where a GPU was asked for and none is visible."""
    configs.require(wanted in ("auto", "cpu", "cuda"), "device", wanted, "auto, cpu or cuda")
    gpu = paper.versions("cuda").get("gpu")
    hidden = f" ({VISIBLE}={os.environ[VISIBLE]})" if VISIBLE in os.environ else ""
    if wanted == "cuda" and not gpu:
        raise ConfigError(f"--device cuda needs a visible GPU, and the framework finds none{hidden}; use cpu or auto")
    if wanted == "auto" and not gpu and device_files():
        print(f"this host has an NVIDIA card, and the framework finds none{hidden}: training on the CPU", flush=True)
    return "cuda" if gpu and wanted != "cpu" else "cpu"


def train_to_the_end(paper: Paper, opened: Run, words: Sequence[str]) -> int:
    """Train, then write the manifest; whatever happens, the run directory says how it ended."""
    with opened, attempt_log(opened.directory):
        try:
            seed_everything(opened.seed)
            paper.train(opened, opened.config)
            opened.end("finished")
            write_manifest(opened, paper, words)
            print(f"{opened.header.run_id} is finished after {opened.wall_s:.0f} s", flush=True)
            return 0
        except BaseException as error:
            status, reason, code = judge(error)
            opened.progress.close()
            if status == "crashed":
                traceback.print_exc()
            print(f"{paper.name}: {reason}", file=sys.stderr)
            with contextlib.suppress(OSError):  # the disk is full, which has just been said
                opened.end("interrupted" if status == "interrupted" else "failed", reason)
            return code


def judge(error: BaseException) -> tuple[str, str, int]:
    """(interrupted, failed or crashed; the reason in one line; exit code) of a run that `error` ended."""
    if isinstance(error, Interrupted):
        return "interrupted", str(error), 128 + error.signal_number
    if isinstance(error, ConfigError):
        return "failed", str(error), 2
    if isinstance(error, NonFiniteLoss):
        return "failed", str(error), 1
    if isinstance(error, WorkerDiedError):
        return "failed", f"{error}; the same command continues from the last checkpoint", 1
    if isinstance(error, OSError) and error.filename:
        return "failed", describe_os_error(error), 1
    first_line = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, MemoryError) or type(error).__name__ in OUT_OF_MEMORY:
        return "failed", f"memory ran out: {first_line or 'no more is to be had'}", 1
    return "crashed", f"{type(error).__name__}: {first_line}".strip(), 1


def seed_everything(seed: int) -> None:
    """Seed Python's and NumPy's global generators; the papers pass generators of their own all the same."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
