"""The command line that all papers share: train, evaluate, demo, describe, bench, or the original's own flags."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mirl import config as configs
from mirl.attempt_log import attempt_log
from mirl.config import ConfigError
from mirl.files import describe_os_error
from mirl.manifest import write_manifest
from mirl.measure import calibrate
from mirl.run import Header, Interrupted, NonFiniteLoss, Run, open_run, read_record

COMMANDS = ("train", "evaluate", "demo", "describe", "bench")


@dataclass(frozen=True)
class EvaluateOptions:
    """How `evaluate` was asked to judge a run; None leaves the paper's own protocol."""

    episodes: int | None = None
    """Evaluation episodes per test task."""
    setting: str | None = None
    """Test condition."""
    video: Path | None = None
    """Where to write an mp4 of some episodes."""


@dataclass(frozen=True)
class Paper:
    """What a paper brings; everything else of its command line is here."""

    name: str
    project: Path
    """The paper's folder, which holds poetry.lock."""
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    fidelities: tuple[str, ...]
    configure: Callable[[str, str, str], Any]
    """(task, method, fidelity) -> frozen dataclass with every default resolved; has total_env_steps and threads."""
    train: Callable[[Run, Any], None]
    evaluate: Callable[[Path, Header, Any, EvaluateOptions], Mapping[str, float]]
    """(run directory, header, config, options) -> metrics, printed as a table."""
    settings: tuple[str, ...]
    """What `evaluate --setting` takes; the first is the default."""
    parameter_counts: Callable[[str, str], Mapping[str, int]]
    bench: Callable[[str], Sequence[Mapping[str, Any]]]
    """task -> rows of name, value, unit and, where a plain twin was timed, ratio_to_plain."""
    original: Callable[[Sequence[str]], list[str]]
    """The original's command line -> ours, subcommand first."""
    versions: Callable[[str], Mapping[str, Any]]
    """device -> names and versions of framework, CUDA and GPU, thread count and deterministic flags."""
    outputs: tuple[str, ...] = ()
    """The paper's own files in a run directory that belong to the result and go into the manifest."""


class Parser(argparse.ArgumentParser):
    """argparse that raises ConfigError, one line, where it would print its usage."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(re.sub(r"^argument ", "", message))


def main(paper: Paper, arguments: Sequence[str] | None = None) -> int:
    """Run a paper's command line. Exit codes: 0 done, 1 failed, 2 bad input, 128 + n stopped by signal n."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and words[0] not in COMMANDS and words[0] not in ("-h", "--help"):
            if not words[0].startswith("-"):
                raise ConfigError(configs.no_such("command", words[0], COMMANDS))
            words = paper.original(words)
        return dispatch(paper, words)
    except ConfigError as error:
        print(f"{paper.name}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{paper.name}: {describe_os_error(error)}", file=sys.stderr)
        return 1


def dispatch(paper: Paper, words: Sequence[str]) -> int:
    parser = Parser(prog=f"python -m {paper.name}", description=f"Tasks: {', '.join(paper.tasks)}.")
    parser.add_argument("command", choices=COMMANDS, help="what to do; `<command> --help` tells more")
    if not words or words[0] in ("-h", "--help"):
        parser.print_help()
        print("\nWithout a command the original's own flags are understood.")
        return 0
    run_command = {"train": train, "evaluate": evaluate, "demo": demo, "describe": describe, "bench": bench}
    return run_command[words[0]](paper, words[1:])


def train(paper: Paper, words: Sequence[str]) -> int:
    """Train one seed into one run directory; the same command again continues."""
    parser = Parser(prog=f"python -m {paper.name} train", add_help=False, description=train.__doc__)
    parser.add_argument("--task", required=True, metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--method", required=True, metavar="M", help=", ".join(paper.methods))
    parser.add_argument("--seed", required=True, type=natural_number, metavar="S")
    parser.add_argument("--run-dir", required=True, type=Path, metavar="DIR", help="where everything is written")
    parser.add_argument("--fidelity", default=paper.fidelities[0], metavar="F", help=", ".join(paper.fidelities))
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--variant", default="", help="name for a set of overrides, part of the run id")
    parser.add_argument("--save-every", default=0, type=natural_number, metavar="N", help="env steps between checkpoints")
    parser.add_argument("--overwrite", action="store_true", help="move an existing folder aside first")
    parser.add_argument("--no-tensorboard", action="store_true", help="write no TensorBoard events")
    parser.add_argument("--wandb", action="store_true", help="mirror to Weights & Biases as well")
    if "-h" in words or "--help" in words:
        parser.print_help()
        task, method = option_value(words, "--task"), option_value(words, "--method")
        default = paper.configure(task or paper.tasks[0], method or paper.methods[-1], paper.fidelities[0])
        print(f"\nFields of {type(default).__name__}, as resolved for the task and method given:\n")
        configs.parse(default, ["--help"], "")
    options, fields = parser.parse_known_args(words)
    task = configs.choose("task", options.task, paper.tasks)
    method = configs.choose("method", options.method, paper.methods)
    fidelity = configs.choose("fidelity", options.fidelity, paper.fidelities)
    config = configs.parse(paper.configure(task, method, fidelity), fields, paper.name)
    device = choose_device(paper, options.device)
    header = Header(paper.name, task, method, options.seed, fidelity, device, options.variant)
    sinks = [name for name, wanted in (("tensorboard", not options.no_tensorboard), ("wandb", options.wandb)) if wanted]
    run = open_run(options.run_dir, header, config, sinks, options.save_every, options.overwrite)
    if run is None:
        print(f"{header.run_id} is finished: {options.run_dir / 'manifest.json'} exists; nothing to do")
        return 0
    return train_to_the_end(paper, run, words)


def train_to_the_end(paper: Paper, run: Run, words: Sequence[str]) -> int:
    """Train, then write the manifest; whatever happens, the run directory says how it ended."""
    with attempt_log(run.directory):
        try:
            seed_everything(run.seed)
            paper.train(run, run.config)
            run.end("finished")
            command = ["python", "-m", paper.name, "train", *without_paths(words)]
            write_manifest(run, command, paper.project, paper.versions(run.device), paper.outputs)
            print(f"{run.header.run_id} is finished after {run.wall_s:.0f} s")
            return 0
        except Interrupted as stop:
            run.end("interrupted", str(stop))
            print(f"{paper.name}: {stop}", file=sys.stderr)
            return 128 + stop.signal_number
        except KeyboardInterrupt:
            run.end("interrupted", "stopped at once; the same command continues from the last checkpoint")
            return 130
        except (ConfigError, OSError) as error:
            end_in_spite_of_a_full_disk(run, describe_os_error(error) if isinstance(error, OSError) else str(error))
            raise
        except NonFiniteLoss as error:
            run.end("failed", str(error))
            print(f"{paper.name}: {error}", file=sys.stderr)
            return 1
        except Exception as error:
            traceback.print_exc()
            run.end("failed", f"{type(error).__name__}: {error}".splitlines()[0])
            return 1


def end_in_spite_of_a_full_disk(run: Run, reason: str) -> None:
    """Record the failure if the disk still takes it; the one-line message is printed either way."""
    try:
        run.end("failed", reason)
    except OSError:
        print(f"{run.directory} could not record the failure", file=sys.stderr)


def evaluate(paper: Paper, words: Sequence[str]) -> int:
    """Judge a trained run with the paper's test protocol."""
    parser = Parser(prog=f"python -m {paper.name} evaluate", description=evaluate.__doc__)
    parser.add_argument("--run-dir", required=True, type=Path, metavar="DIR", help="a run directory with a checkpoint")
    parser.add_argument("--episodes", type=positive_number, metavar="N", help="evaluation episodes per test task")
    parser.add_argument("--setting", default=paper.settings[0], metavar="NAME", help=", ".join(paper.settings))
    parser.add_argument("--video", type=Path, metavar="OUT.mp4", help="film some episodes")
    options, fields = parser.parse_known_args(words)
    setting = configs.choose("setting", options.setting, paper.settings)
    header, config = load_run(paper, options.run_dir)
    config = configs.parse(config, fields, paper.name)
    metrics = paper.evaluate(options.run_dir, header, config, EvaluateOptions(options.episodes, setting, options.video))
    print_table([("metric", "value"), *((name, f"{value:.6g}") for name, value in metrics.items())])
    return 0


def load_run(paper: Paper, directory: Path) -> tuple[Header, Any]:
    """Who a run directory belongs to and the config it was trained with."""
    record = read_record(directory)
    if record is None:
        raise ConfigError(f"--run-dir {directory} is not a run directory (it has no run.json)")
    if record["paper"] != paper.name:
        raise ConfigError(f"--run-dir {directory} is a run of {record['paper']}, not of {paper.name}")
    stored = dict(record["config"])
    names = [name for name in Header.__dataclass_fields__ if name != "paper"]
    header = Header(paper.name, **{name: stored.pop(name) for name in names})
    default = paper.configure(header.task, header.method, header.fidelity)
    return header, configs.from_dictionary(default, stored)


def demo(paper: Paper, words: Sequence[str]) -> int:
    """Train and evaluate one task, then print the comparison; this is what an image does by default."""
    parser = Parser(prog=f"python -m {paper.name} demo", description=demo.__doc__)
    parser.add_argument("--task", default=paper.tasks[0], metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--budget", default="tiny", choices=("tiny", "workstation", "paper"))
    options = parser.parse_args(words)
    task = configs.choose("task", options.task, paper.tasks)
    suite = find_suite(paper)
    os.execv(suite, [suite, "reproduce", "--paper", paper.name, "--task", task, "--budget", options.budget])


def find_suite(paper: Paper) -> str:
    """The `mirl` command: named by MIRL_SUITE, on the path, or in the repository that this paper lies in."""
    places = [os.environ.get("MIRL_SUITE"), shutil.which("mirl"), paper.project.parents[1] / "common/.venv/bin/mirl"]
    for place in places:
        if place and os.access(place, os.X_OK):
            return str(place)
    raise ConfigError("demo needs the suite's command `mirl`; `make setup` in the repository's root installs it")


def describe(paper: Paper, words: Sequence[str]) -> int:
    """Tasks, methods, config fields with defaults, units and sources, and parameter counts."""
    parser = Parser(prog=f"python -m {paper.name} describe", description=describe.__doc__)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(words)
    description = {
        "paper": paper.name,
        "tasks": paper.tasks,
        "methods": paper.methods,
        "fidelities": paper.fidelities,
        "settings": paper.settings,
        "config": {
            task: {
                method: configs.describe_fields(paper.configure(task, method, paper.fidelities[0]))
                for method in paper.methods
            }
            for task in paper.tasks
        },
        "parameter_counts": {
            task: {method: paper.parameter_counts(task, method) for method in paper.methods} for task in paper.tasks
        },
    }
    if options.json:
        print(json.dumps(description, indent=2))
        return 0
    for name in ("tasks", "methods", "fidelities", "settings"):
        print(f"{name + ':':12} {', '.join(description[name])}")  # type: ignore[arg-type]
    print("\nParameters\n")
    counts = description["parameter_counts"]
    rows = [(task, method, part, f"{number:,}") for task, methods in counts.items()  # type: ignore[attr-defined]
            for method, parts in methods.items() for part, number in parts.items()]  # fmt: skip
    print_table([("task", "method", "part", "parameters"), *rows])
    task, method = paper.tasks[0], paper.methods[-1]
    print(f"\nFields of {method} on {task} (all tasks and methods: describe --json)\n")
    for entry in description["config"][task][method]:  # type: ignore[index]
        print(f"  {configs.option_of(entry['name'])} = {entry['default']}\n      {entry['help']}")
    return 0


def bench(paper: Paper, words: Sequence[str]) -> int:
    """Measure acting, updating and both together, beside the machine's own speed."""
    parser = Parser(prog=f"python -m {paper.name} bench", description=bench.__doc__)
    parser.add_argument("--task", default=paper.tasks[0], metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(words)
    task = configs.choose("task", options.task, paper.tasks)
    calibration = calibrate()
    rows = list(paper.bench(task))
    if options.json:
        print(json.dumps({"paper": paper.name, "task": task, "calibration": calibration, "rows": rows}, indent=2))
        return 0
    print_table([("this machine", "value"), *((name, f"{value:.3g}") for name, value in calibration.items())])
    print()
    shown = [
        (row["name"], f"{row['value']:,.4g}", row["unit"], f"{row['ratio_to_plain']:.1f}x" if row.get("ratio_to_plain") else "")
        for row in rows
    ]  # fmt: skip
    print_table([(f"{paper.name} {task}", "value", "unit", "plain twin"), *shown])
    return 0


def choose_device(paper: Paper, wanted: str) -> str:
    """'cpu' or 'cuda'; raises ConfigError where a GPU was asked for and none is visible."""
    gpu = paper.versions("cuda").get("gpu")
    if wanted == "cuda" and not gpu:
        raise ConfigError("--device cuda needs a visible GPU, and the framework finds none; use cpu or auto")
    return "cuda" if gpu and wanted != "cpu" else "cpu"


def seed_everything(seed: int) -> None:
    """Seed Python's and NumPy's global generators; the papers pass generators of their own all the same."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)


def without_paths(words: Sequence[str]) -> list[str]:
    """A command line as the manifest may show it: without the folders of the machine it ran on."""
    return [word if not Path(word).is_absolute() else f"<{Path(word).name}>" for word in words]


def option_value(words: Sequence[str], option: str) -> str | None:
    return words[words.index(option) + 1] if option in words[:-1] else None


def natural_number(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text}")
    return int(text)


def positive_number(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    return int(text)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, the first row underlined."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
