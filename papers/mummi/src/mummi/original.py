"""The original's command lines, of mummi.py, cvrl.py and dreamer.py, as ours (card 2.1, 2.6)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path, PurePath
from typing import Any

from mirl.config import ConfigError, choose, from_dictionary, no_such_option, option_of, parse, require
from mirl.folder import read_record
from mummi.config import CONFIGS, Config, MummiConfig, configure
from mummi.envs import task_named

PROGRAMS = tuple(f"{method}.py" for method in CONFIGS)
NAMES = {"steps": "total_env_steps"}
"""The original's flag -> our field, where they differ."""
SUPPORTED_ONLY = {
    "gpu_growth": "True", "log_scalars": "True", "log_imgs": "False", "action_dist": "tanh_normal",
    "num_Qs": "2", "use_sac": "False", "use_dreamer": "True",
}  # fmt: skip
"""Flags whose other values no experiment uses, or could run: the soft actor-critic was not released (card 7.1.4)."""
IGNORED_BY_DREAMER = ("trajectory_opt", "traj_opt_lr", "forward_search", "num_samples")
"""Flags of all three programs that dreamer's takes and does not read: it searches for no action (card 2.6, 5.8)."""
HELP = {"-h", "--help"}
OWN = ("logdir", "task", "method", "test", "seed")


def translate(words: Sequence[str]) -> list[str]:
    """`--logdir L --task dmc_walker_walk [--method M] [--test True] [--<field> value ...]` -> train or evaluate.

    Raises ConfigError for flags that cannot be honoured; a test takes task, method and seed from the run that it tests.
    """
    if not words[0].startswith("-"):
        words = ["--method", PurePath(words[0]).stem, *words[1:]]
    flags, typed = read_flags([word for word in words if word not in HELP])
    if HELP & set(words):
        return ["train", "--help", "--method", flags.get("method", "mummi")]
    try:
        return ours(flags)
    except ConfigError as error:
        raise ConfigError(as_typed(str(error), typed)) from None


def ours(flags: Mapping[str, str]) -> list[str]:
    """The words of our command line; raises ConfigError, which names our options."""
    if "logdir" not in flags:
        raise ConfigError("--logdir is needed")
    is_test = truth("test", flags.get("test", "False"))
    names = {"task": "dmc_walker_walk", "method": "mummi", "seed": "0"}
    record = record_of(Path(flags["logdir"])) if is_test else {}
    trained = {name: str(record[name]) for name in names if name in record}
    names |= trained | {name: flags[name] for name in names if name in flags}
    names["method"] = choose("method", names["method"], CONFIGS, " in paper mummi")
    try:
        names["task"] = task_named(names["task"])
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for name, value in trained.items():
        require(names[name] == value, name, names[name], f"{value}, which {flags['logdir']} was trained with")
    default = configure(names["task"], names["method"], "faithful")
    known = {field.name for field in fields(default)}
    default = from_dictionary(default, {name: value for name, value in record.items() if name in known})
    options = [
        word
        for name, text in flags.items()
        if name not in OWN
        for word in as_option(default, names["method"], name, text)
    ]
    parse(default, options, "python -m mummi")  # a refusal names what was typed
    if is_test:
        return ["evaluate", "--run-dir", flags["logdir"], *options]
    header = [word for name, value in names.items() for word in (option_of(name), value)]
    return ["train", *header, "--run-dir", flags["logdir"], *options]


def as_typed(complaint: str, typed: Mapping[str, str]) -> str:
    """A complaint in the words of whoever typed the original's flags: `--batch-size` -> `--batch_size`."""
    for name in {field.name for kind in CONFIGS.values() for field in fields(kind)}:
        original = next((flag for flag, field in NAMES.items() if field == name), name)
        complaint = re.sub(rf"{option_of(name)}(?![\w-])", typed.get(original, f"--{original}"), complaint)
        complaint = re.sub(rf"{option_of('no_' + name)}(?![\w-])", f"--{original} False", complaint)
    return complaint


def record_of(directory: Path) -> dict[str, Any]:
    """Header and config that a run directory was trained with; nothing where it is none of this paper's."""
    record = read_record(directory)
    if record is None or record["paper"] != "mummi":
        return {}
    return dict(record["config"])


def read_flags(words: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """`--name value` or `--name=value` pairs: name, its dashes as underscores, -> value, and -> how it was typed."""
    flags: dict[str, str] = {}
    typed: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise ConfigError(f"{word!r} belongs to no option")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise ConfigError(f"--{name} needs a value")
            value = rest.pop(0)
        flags[name.replace("-", "_")], typed[name.replace("-", "_")] = value, f"--{name}"
    return flags, typed


def as_option(default: Config, method: str, flag: str, text: str) -> list[str]:
    """A flag's value as words of our command line; raises ConfigError for what cannot be honoured.

    What dreamer's program takes and does not read is checked, said to be without effect, and left out.
    """
    if flag in SUPPORTED_ONLY:
        if text != SUPPORTED_ONLY[flag]:
            raise ConfigError(f"--{flag} must be {SUPPORTED_ONLY[flag]}, got {text}")
        return []
    name = NAMES.get(flag, flag)
    known = {field.name for kind in CONFIGS.values() for field in fields(kind)}
    if name not in known:
        raise ConfigError(no_such_option(f"--{flag}", [option_of(one) for one in sorted({*known, *OWN})]))
    if method == "dreamer" and flag in IGNORED_BY_DREAMER:
        parse(MummiConfig(), as_option(MummiConfig(), "mummi", flag, text), "python -m mummi")
        print(f"mummi: --{flag} has no effect in dreamer, as in the original", file=sys.stderr)
        return []
    if not hasattr(default, name):
        raise ConfigError(f"--{flag} means nothing to the method asked for")
    value = getattr(default, name)
    if isinstance(value, bool):
        return [option_of(name) if truth(flag, text) else option_of(f"no_{name}")]
    if isinstance(value, int) and re.fullmatch(r"\d+(\.\d*)?[eE]\+?\d+|\d+\.0*", text):  # --steps 2e6
        text = str(int(float(text)))
    return [option_of(name), text]


def truth(flag: str, text: str) -> bool:
    """'True' or 'False', as the original writes them."""
    if text.lower() not in ("true", "false"):
        raise ConfigError(f"--{flag} must be True or False, got {text}")
    return text.lower() == "true"
