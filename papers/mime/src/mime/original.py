"""The original's command lines, train.py's and test.py's, as ours (card 2.2)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mime.config import FOLDER, SETTINGS_FILES, config_from, configure, paper_settings, read_settings
from mirl.config import ConfigError, as_dictionary, choose, option_of

NOT_BUILT = {
    "add_noise": "MAML+noise",
    "e_maml": "E-MAML",
    "use_inv_vime": "the inverse dynamics model, which the original could not run either",
}


class Flags(argparse.ArgumentParser):
    """argparse that raises ConfigError, one line, where it would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message.removeprefix("argument "))


def translate(words: Sequence[str]) -> list[str]:
    """The original's flags -> `train ...` where --config is given, else `evaluate ...`; raises ConfigError."""
    if any(word == "--config" or word.startswith("--config=") for word in words):
        return translate_training(words)
    return translate_test(words)


def translate_training(words: Sequence[str]) -> list[str]:
    """train.py's flags; values in the YAML that differ from the paper's become overrides."""
    parser = Flags("python -m mime", description="The original's train.py", allow_abbrev=False)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output-folder", type=Path, required=True)
    parser.add_argument("--seed", type=at_least(0), default=0)
    # Episodes are sampled in one process, so that the number of workers changes nothing.
    parser.add_argument("--num-workers", type=at_least(1))
    for flag in ("--use-cuda", "--use-vime", "--use-inv-vime", "--adapt-eta", "--e-maml", "--add-noise"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args(words)
    for flag, meaning in NOT_BUILT.items():
        if getattr(options, flag):
            raise ConfigError(f"{option_of(flag)} asks for {meaning}; this version trains maml and mime")
    if options.use_vime != options.adapt_eta:
        missing = "--adapt-eta" if options.use_vime else "--use-vime"
        raise ConfigError(f"{missing} must be given too for mime, or neither for maml; MAML+expl is not built")
    method = "mime" if options.use_vime else "maml"
    settings = read_settings(find_settings(options.config))
    task = task_of(settings)
    wanted = as_dictionary(config_from(settings, method, "faithful"))
    paper = as_dictionary(configure(task, method, "faithful"))
    overrides = [word for name, value in wanted.items() if value != paper[name] for word in as_option(name, value)]
    return [
        "train", "--task", task, "--method", method, "--seed", str(options.seed),
        "--run-dir", str(options.output_folder), "--device", "cuda" if options.use_cuda else "cpu",
        "--trajectory-images-every", "1", *overrides,
    ]  # fmt: skip


def translate_test(words: Sequence[str]) -> list[str]:
    """test.py's flags."""
    parser = Flags("python -m mime", description="The original's test.py", allow_abbrev=False)
    parser.add_argument("--output-folder", type=Path, required=True)
    parser.add_argument("--num-batches", type=at_least(1), default=3)
    parser.add_argument("--num-steps", type=at_least(0), default=10)
    parser.add_argument("--seed", type=at_least(0), default=1)
    parser.add_argument("--num-workers", type=at_least(1))
    parser.add_argument("--use-cuda", action="store_true", help="the device is the one that the run was trained on")
    options = parser.parse_args(words)
    return [
        "evaluate", "--run-dir", str(options.output_folder), "--evaluation-batches", str(options.num_batches),
        "--evaluation-steps", str(options.num_steps), "--evaluation-seed", str(options.seed),
    ]  # fmt: skip


def at_least(least: int) -> Callable[[str], int]:
    """An argument type: whole numbers from `least` on."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text}")
        return int(text)

    return read


def find_settings(path: Path) -> Path:
    """The YAML file named, or the one of that name that comes with the package."""
    packaged = FOLDER / path.name
    return packaged if not path.exists() and packaged.is_file() else path


def task_of(settings: dict[str, Any]) -> str:
    """The task whose environment a YAML file asks for; raises ConfigError where there is none."""
    choose("env-name", str(settings["env-name"]), {paper_settings(task)["env-name"] for task in SETTINGS_FILES})
    for task in SETTINGS_FILES:
        paper = paper_settings(task)
        if all(settings.get(key) == paper[key] for key in ("env-name", "env-kwargs")):
            return task
    known = "; ".join(f"{task}: {paper_settings(task)['env-kwargs']}" for task in SETTINGS_FILES)
    raise ConfigError(f"env-kwargs must be those of one of the tasks ({known}), got {settings.get('env-kwargs')}")


def as_option(name: str, value: Any) -> list[str]:
    """A field's value as command-line words."""
    if isinstance(value, bool):
        return [option_of(name) if value else "--no-" + option_of(name)[2:]]
    return [option_of(name), *([str(item) for item in value] if isinstance(value, list) else [str(value)])]
