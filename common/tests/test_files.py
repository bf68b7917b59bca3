"""Files that are whole or absent."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from mirl import files
from toy.driver import full_disk


def test_an_atomic_write_leaves_the_new_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for text in ("old", "nëw"):
        files.write_atomically(path, text)
        assert path.read_text(encoding="utf-8") == text
        assert os.listdir(tmp_path) == ["run.json"]


def test_a_failed_atomic_write_keeps_the_old_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    files.write_atomically(path, "old")
    with full_disk(1000), pytest.raises(OSError, match="File too large") as error:
        files.write_atomically(path, "x" * 2000)
    assert files.describe_os_error(error.value) == f"cannot use {path}: File too large"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_json_survives_and_bad_json_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"a": [1, None, "ü"]})
    assert files.read_json(path) == {"a": [1, None, "ü"]} == json.loads(path.read_text())
    for damaged in (b'{"a": [1', b"", b"\xff\xfe"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.json is not valid JSON"):
            files.read_json(path)


def test_sha256_is_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


@pytest.mark.parametrize(("text", "lines"), [("", []), ("a", []), ("a\n", ["a"]), ("a\nb\nc", ["a", "b"])])
def test_a_torn_last_line_is_left_out(text: str, lines: list[str]) -> None:
    assert files.whole_lines(text) == lines


def test_a_folder_is_moved_to_the_first_free_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("first", "second"):
        (tmp_path / "seed0").mkdir()
        (tmp_path / "seed0/a").write_text(content)
        monkeypatch.chdir(tmp_path / "seed0")
        files.move_aside(Path("."))
    assert (tmp_path / "seed0.aside-1/a").read_text() == "first"
    assert (tmp_path / "seed0.aside-2/a").read_text() == "second"
    assert not (tmp_path / "seed0").exists()


def test_an_error_without_a_number_is_described_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="10 requested and 0 written") as error, files.naming(tmp_path):
        raise OSError("10 requested and 0 written")
    assert error.value.errno == errno.EIO
    assert files.describe_os_error(error.value) == f"cannot use {tmp_path}: 10 requested and 0 written"
    assert files.describe_os_error(OSError("broken")) == "broken"
