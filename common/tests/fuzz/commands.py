"""The suite's and the toy paper's commands in this process."""

from __future__ import annotations

from pathlib import Path

from watching import Outcome, watch

from mirl.paper import main as paper_main
from mirl.suite import cli
from toy.__main__ import PAPER

RUN = ("train", "--task", "line", "--method", "drift", "--total-env-steps", "200", "--no-tensorboard")
"""A short run of the toy paper; seed and folder are to be added."""


def mirl(folder: Path, *words: str) -> Outcome:
    """`mirl WORDS` in this process."""
    return watch(lambda: cli.run(list(words)), folder)


def toy(folder: Path, *words: str) -> Outcome:
    """`python -m toy WORDS` in this process."""
    return watch(lambda: paper_main(PAPER, words), folder)
