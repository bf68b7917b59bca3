"""Options that many commands take, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from toy.driver import contents


@pytest.mark.parametrize(
    ("words", "empty"),
    [
        (["plan", "--paper", ""], "--paper"),
        (["reproduce", "--all", "--task", "", "--budget", "tiny"], "--task"),
        (["plan", "--paper", "toy", "--method", ""], "--method"),
        (["watch", "", "line", "drift"], "PAPER"),
        (["watch", "toy", "", "drift"], "TASK"),
        (["repeat", "toy", "line", ""], "METHOD"),
        (["repeat", "toy", "line", "drift", "--budget", ""], "--budget"),
        (["findings", "--paper", "toy", "--task", ""], "--task"),
        (["findings", "--paper", "toy", "--task", "line", "--metric", ""], "--metric"),
        (["status", "--budget", ""], "--budget"),
        (["report", "--budget", ""], "--budget"),
    ],
)
def test_a_name_that_is_empty_stands_for_nothing(mirl_here, root: Path, words: list[str], empty: str):
    before = contents(root)
    refused = mirl_here(*words)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"mirl: {empty} is empty\n")
    assert contents(root) == before


@pytest.mark.parametrize("command", ["doctor", "list", "new sixth"])
@pytest.mark.parametrize("place", ["nowhere", "reproduce.yaml"])
def test_a_root_that_is_no_folder_is_refused(mirl_here, command: str, place: str):
    refused = mirl_here(*command.split(), "--root", place)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"mirl: --root {place} is not a folder\n")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["plot", "--paper", "toy", "--task", "line", "--out", "reproduce.yaml/a.png"], "--out reproduce.yaml/a.png"),
        (["report", "--out", "reproduce.yaml/site"], "--out reproduce.yaml/site"),
        (["watch", "toy", "line", "drift", "--out", "reproduce.yaml/a/b.webm"], "--out reproduce.yaml/a/b.webm"),
    ],
)
def test_a_place_beneath_a_file_is_refused(mirl_here, root: Path, words: list[str], option: str):
    before = contents(root)
    refused = mirl_here(*words)
    complaint = f"mirl: {option} cannot be written: {root}/reproduce.yaml is a file\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", complaint)
    assert contents(root) == before


def test_a_picture_is_no_folder(mirl_here, root: Path):
    (root / "curves.png").mkdir()
    refused = mirl_here("plot", "--paper", "toy", "--task", "line", "--out", "curves.png")
    assert (refused.returncode, refused.stderr) == (2, "mirl: --out curves.png is a folder\n")
