"""The original's command lines, train.py's, test.py's and PEARL's launcher's, as ours (card 2.2, 5.9)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import torch

from mime.config import FOLDER, SETTINGS_FILES, config_from, configure, paper_settings, read_settings
from mime.pearl import config as pearl
from mirl.commands.options import Flags, natural_number, positive_number
from mirl.config import ConfigError, as_dictionary, choose, no_such, option_of
from mirl.folder import read_record

SWITCHES = ("use_vime", "use_inv_vime", "adapt_eta", "e_maml", "add_noise")
METHOD_OF_FLAGS = {
    frozenset(): "maml",
    frozenset({"--add-noise"}): "maml_noise",
    frozenset({"--use-vime"}): "maml_expl",
    frozenset({"--use-vime", "--adapt-eta"}): "mime",
    frozenset({"--e-maml"}): "e_maml",
}
"""What train.py's switches ask for (card 2.1)."""


PROGRAMS = ("train.py", "test.py")
"""The scripts of the original that a command line may begin with."""


def translate(words: Sequence[str]) -> list[str]:
    """The original's flags -> `train ...` or `evaluate ...`; raises ConfigError.

    What is meant says the script that they begin with, or else whether there is a --config.
    """
    if words and not words[0].startswith("-"):
        return {"train.py": translate_training, "test.py": translate_test}[PurePath(words[0]).name](words[1:])
    if any(word == "--config" or word.startswith("--config=") for word in words):
        return translate_training(words)
    return translate_test(words)


def translate_training(words: Sequence[str]) -> list[str]:
    """train.py's flags; values in the settings file that differ from the paper's become overrides."""
    parser = Flags("python -m mime", "The original's train.py")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output-folder", type=Path, required=True)
    parser.add_argument("--seed", type=natural_number, default=0)
    # ML10 is played in so many processes; the other tasks are sampled in one, and only note the number.
    parser.add_argument("--num-workers", type=positive_number)
    for flag in ("use_cuda", *SWITCHES):
        parser.add_argument(option_of(flag), action="store_true")
    options = parser.parse_args(words)
    if options.config.suffix == ".json":
        return pearl_line(options)
    method = method_of(options)
    settings = read_settings(find_settings(options.config, FOLDER))
    task = task_of(settings)
    wanted = as_dictionary(config_from(settings, method, "faithful"))
    paper = as_dictionary(configure(task, method, "faithful"))
    if options.num_workers is not None:
        wanted["num_workers"] = options.num_workers
    return [*train_line(task, method, options), "--trajectory-images-every", "1", *differences(wanted, paper)]


def train_line(task: str, method: str, options: argparse.Namespace) -> list[str]:
    """Our `train` for the flags that all methods share."""
    return [
        "train", "--task", task, "--method", method, "--seed", str(options.seed),
        "--run-dir", str(options.output_folder), "--device", "cuda" if options.use_cuda else "cpu",
    ]  # fmt: skip


def differences(wanted: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """Options for the fields whose values are not the paper's."""
    return [word for name, value in wanted.items() if value != paper[name] for word in as_option(name, value)]


def method_of(options: argparse.Namespace) -> str:
    """The method that train.py's switches ask for; raises ConfigError for what the original refused or never ran."""
    if options.use_inv_vime:
        raise ConfigError("--use-inv-vime asks for an inverse dynamics model, which the original could not run either")
    given = frozenset(option_of(flag) for flag in SWITCHES if vars(options)[flag])
    if given in METHOD_OF_FLAGS:
        return METHOD_OF_FLAGS[given]
    if "--adapt-eta" in given and "--use-vime" not in given:
        raise ConfigError("--adapt-eta has no effect without --use-vime; give both for mime, or neither")
    known = "; ".join(" ".join(sorted(flags, reverse=True)) or "none of them" for flags in METHOD_OF_FLAGS)
    raise ConfigError(f"{' '.join(sorted(given))} together are no method of the paper (methods: {known})")


def pearl_line(options: argparse.Namespace) -> list[str]:
    """PEARL's launcher: a JSON file in place of the YAML, and no switches."""
    for flag in SWITCHES:
        if vars(options)[flag]:
            raise ConfigError(f"{option_of(flag)} means nothing to pearl, which {options.config.name} asks for")
    settings = pearl.read_settings(find_settings(options.config, pearl.FOLDER))
    names = {pearl.read_settings(pearl.FOLDER / name)["env_name"]: task for task, name in pearl.SETTINGS_FILES.items()}
    task = names[choose("env_name", str(settings["env_name"]), names)]
    wanted = as_dictionary(pearl.config_from(settings, task, "faithful"))
    paper = as_dictionary(pearl.configure(task, "faithful"))
    return [*train_line(task, "pearl", options), *differences(wanted, paper)]


def translate_test(words: Sequence[str]) -> list[str]:
    """test.py's flags."""
    parser = Flags("python -m mime", "The original's test.py")
    parser.add_argument("--output-folder", type=Path, required=True)
    parser.add_argument("--num-batches", type=positive_number, default=3)
    parser.add_argument("--num-steps", type=natural_number, default=10)
    parser.add_argument("--seed", type=natural_number, default=1)
    parser.add_argument("--num-workers", type=positive_number)
    parser.add_argument("--use-cuda", action="store_true", help="a test runs where its training did, if it is there")
    options = parser.parse_args(words)
    trained = (read_record(options.output_folder) or {}).get("config", {})
    if trained.get("method") == "pearl":
        raise ConfigError(f"test.py does not test pearl; use: evaluate --run-dir {options.output_folder}")
    if options.use_cuda and trained.get("device") == "cpu":
        raise ConfigError(f"--use-cuda: {options.output_folder} was trained on the cpu, and is tested there too")
    if options.use_cuda and not torch.cuda.is_available():
        raise ConfigError("--use-cuda needs a visible GPU, and the framework finds none")
    return [
        "evaluate", "--run-dir", str(options.output_folder), "--evaluation-batches", str(options.num_batches),
        "--evaluation-steps", str(options.num_steps), "--evaluation-seed", str(options.seed),
        *(as_option("num_workers", options.num_workers) if options.num_workers else []),
    ]  # fmt: skip


def find_settings(path: Path, folder: Path) -> Path:
    """The settings file named, or the one of that name that comes with the package, in `folder`."""
    packaged = folder / path.name
    return packaged if not path.exists() and packaged.is_file() else path


def task_of(settings: dict[str, Any]) -> str:
    """The task whose environment a YAML file asks for; raises ConfigError where there is none."""
    names = dict.fromkeys(paper_settings(task)["env-name"] for task in SETTINGS_FILES)
    if str(settings["env-name"]) not in names:
        raise ConfigError(no_such("env-name", str(settings["env-name"]), names))
    for task in SETTINGS_FILES:
        paper = paper_settings(task)
        if all(settings.get(key) == paper[key] for key in ("env-name", "env-kwargs")):
            return task
    same = [task for task in SETTINGS_FILES if paper_settings(task)["env-name"] == settings["env-name"]]
    known = " or ".join(f"{paper_settings(task)['env-kwargs']} ({task})" for task in same)
    raise ConfigError(f"env-kwargs must be {known}, got {settings.get('env-kwargs')}")


def as_option(name: str, value: Any) -> list[str]:
    """A field's value as command-line words."""
    if isinstance(value, bool):
        return [option_of(name) if value else "--no-" + option_of(name)[2:]]
    return [option_of(name), *([str(item) for item in value] if isinstance(value, list) else [str(value)])]
