"""YAML that people write, and YAML that nobody should."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from mirl.config import ConfigError
from mirl.suite.settings import read_yaml

LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
REFUSED = {
    "brackets": ("[" * 100_000, "refused: more than 50 lists and tables within one another, at line 1"),
    "tables": ("{a: " * 100_000, "refused: more than 50 lists and tables within one another, at line 1"),
    "aliases": (LAUGHS, "refused: more than 200,000 values with its aliases written out, at line 6"),
    "itself": ("a: &a [1, *a]", "refused: line 1 names 'a', which is nowhere whole before it"),
    "a date": ("a: 2020-13-45", "not valid YAML: month must be in 1..12"),
    "a number": (f"a: {'9' * 5000}", "not valid YAML: Exceeds the limit (4300 digits)"),
    "bytes": ("a: \xff", "not valid YAML: 'utf-8' codec can't decode byte 0xff"),
    "objects": ("!!python/object/apply:os.system [ls]", "not valid YAML: could not determine a constructor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_explodes_or_cannot_be_read_is_refused_within_a_second(tmp_path: Path, name: str):
    content, complaint = REFUSED[name]
    path = tmp_path / "reproduce.yaml"
    path.write_text(content, encoding="latin-1")
    began = time.process_time()
    with pytest.raises(ConfigError) as refused:
        read_yaml(path)
    assert time.process_time() - began < 1
    assert str(refused.value).startswith(f"{path} is {complaint}")
    assert "\n" not in str(refused.value)


def test_anchors_and_aliases_are_understood(tmp_path: Path):
    path = tmp_path / "cluster.yaml"
    path.write_text("a: &a {b: [1, 2]}\nc: *a\nd: &x 3\ne: *x\n")
    assert read_yaml(path) == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": 3, "e": 3}


def test_brackets_end_a_command_in_one_line(tmp_path: Path):
    (tmp_path / "reproduce.yaml").write_text("[" * 100_000)
    done = subprocess.run(
        [sys.executable, "-m", "mirl.suite.cli", "plan"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "lists and tables within one another" in done.stderr
