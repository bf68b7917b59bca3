"""The command line that all papers share: train, evaluate, demo, describe, bench, or the original's own flags."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from mirl import terminal
from mirl.config import ConfigError, no_such
from mirl.files import describe_os_error
from mirl.film import Film
from mirl.probe import Probe
from mirl.run import Header, Interrupted, Run
from mirl.workers import WorkerDiedError

COMMANDS = {
    "train": "train one seed into one run directory; the same command again continues",
    "evaluate": "judge a trained run with the paper's test protocol",
    "film": "film a trained run, small enough to be published, with what is seen in words",
    "policy": "write a trained run's weights alone, small enough to publish",
    "demo": "train, evaluate and print the comparison",
    "describe": "tasks, methods, config fields with units and sources, parameter counts",
    "bench": "measure acting, updating and both together, beside the machine's own speed",
    "probe": "one update on a device, to be held against another's: losses, gradients, time, launches, memory",
}
"""Each is a module of mirl.commands, loaded when it is asked for."""


@dataclass(frozen=True)
class EvaluateOptions:
    """How `evaluate` was asked to judge a run; None leaves the paper's own protocol."""

    episodes: int | None = None
    """Evaluation episodes per test task."""
    setting: str | None = None
    """Test condition."""
    video: Film | None = None
    """What to write a film of some episodes into, and to tell what it shows."""


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
    """(task, method, fidelity) -> frozen dataclass with every default resolved; has total_env_steps and threads.
    Raises ConfigError for a method that a task does not know."""
    train: Callable[[Run, Any], None]
    evaluate: Callable[[Path, Header, Any, EvaluateOptions], Mapping[str, float]]
    """(run directory, header, config, options) -> metrics, printed as a table; see mirl.checkpoint.load_checkpoint."""
    settings: tuple[str, ...]
    """What `evaluate --setting` takes; the first is the default."""
    parameter_counts: Callable[[str, str], Mapping[str, int]]
    bench: Callable[[str], Sequence[Mapping[str, Any]]]
    """task -> rows of name, value, unit and, where a plain twin was timed, ratio_to_plain."""
    original: Callable[[Sequence[str]], list[str]]
    """The original's command line, which begins with a flag or with one of `programs` -> ours, subcommand first."""
    versions: Callable[[str], Mapping[str, Any]]
    """device -> names and versions of framework, CUDA and `gpu`, thread count and deterministic flags; `gpu` is None
    where no GPU is visible. Asked again after training, for the manifest."""
    outputs: tuple[str, ...] = ()
    """The paper's own files in a run directory that belong to the result and go into the manifest."""
    check: Callable[[str, Any], None] = lambda task, config: None
    """(task, config): raises ConfigError for a config that cannot run on this task or machine, such as one that names
    an absent file; asked before a run directory is touched."""
    effective: Callable[[str, Any], Any] = lambda task, config: config
    """(task, config as it was asked for) -> the config that will run: what one field changes in others is changed in
    here, so that run directory and manifest hold the values that were run."""
    policy: Callable[[Path, Path], None] | None = None
    """(folder of a checkpoint, empty folder): write there the files that `evaluate` reads of a checkpoint, with zeros
    for what only training needs (see mirl.policy.blank). None where even so they would be too large to publish."""
    probe: Callable[[str, str, str, bool], Probe] | None = None
    """(task, method, device, whether small) -> what can be compared, counted and timed there."""
    programs: tuple[str, ...] = ()
    """Scripts of the original that a command line may begin with, in whatever folder."""
    commands: Mapping[str, Callable[[Sequence[str]], int]] = field(default_factory=dict)
    """The paper's own commands beside the common ones: name -> (words after it) -> exit code; help shows the first
    line of the docstring."""


def main(paper: Paper, arguments: Sequence[str] | None = None) -> int:
    """Run a paper's command line. Exit codes: 0 done, 1 failed, 2 bad input, 128 + n stopped by signal n."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    terminal.speak_plainly()
    complaint = ""
    try:
        code = dispatch(paper, words)
        sys.stdout.flush()
    except ConfigError as error:
        complaint, code = str(error), 2
    except BrokenPipeError:  # whoever reads our output has seen enough
        code = 1
    except OSError as error:
        complaint, code = describe_os_error(error), 1
    except WorkerDiedError as error:
        complaint, code = str(error), 1
    except (KeyboardInterrupt, Interrupted) as stop:
        complaint, code = str(stop) or "stopped by SIGINT", 128 + getattr(stop, "signal_number", 2)
    return terminal.end(paper.name, complaint, code)


def dispatch(paper: Paper, words: Sequence[str]) -> int:
    """Run the command that `words` begin with, or what the original's flags mean."""
    if not words or words[0] in ("-h", "--help"):
        print_help(paper)
        return 0
    if words[0].startswith("-") or PurePath(words[0]).name in paper.programs:
        words = paper.original(words)
    if words[0] in paper.commands:
        return paper.commands[words[0]](words[1:])
    if words[0] not in COMMANDS:
        raise ConfigError(no_such("command", words[0], [*COMMANDS, *paper.commands]))
    run: Callable[[Paper, Sequence[str]], int] = importlib.import_module(f"mirl.commands.{words[0]}").run
    return run(paper, words[1:])


def print_help(paper: Paper) -> None:
    print(f"usage: python -m {paper.name} COMMAND ...\n")
    own = {name: (run.__doc__ or "").partition("\n")[0] for name, run in paper.commands.items()}
    commands = {**COMMANDS, **own}
    width = max(9, *map(len, commands))
    for command, purpose in commands.items():
        print(f"  {command:{width}} {purpose}")
    print(f"\n  tasks:    {', '.join(paper.tasks)}\n  methods:  {', '.join(paper.methods)}")
    print("\nCOMMAND --help tells more. Without a command the original's own flags are understood.")
