"""Checkpoints that are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError

import pytest

from mirl.checkpoint import SEAL, load_checkpoint, read_latest, seal_of, write_checkpoint
from mirl.config import ConfigError
from mirl.files import sha256
from toy.driver import full_disk

FACTS = {"wall_s": 1.0, "lengths": {}, "tables": {}, "clocks": {}}


class State:
    """Two files, one of them in a folder."""

    def __init__(self, env_step: int = 0, weights: str = "") -> None:
        self.env_step, self.weights = env_step, weights

    def save(self, folder: Path) -> None:
        assert not list(folder.iterdir())
        (folder / "step").write_text(str(self.env_step))
        (folder / "replay").mkdir()
        (folder / "replay/shard-0").write_text(self.weights)

    def load(self, folder: Path) -> None:
        self.env_step, self.weights = int((folder / "step").read_text()), (folder / "replay/shard-0").read_text()


class Unable(State):
    """Fails in the middle, in the words of `error`; with a torch that met a full disk it is a RuntimeError."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(20)
        self.error = error

    def save(self, folder: Path) -> None:
        super().save(folder)
        raise self.error


def folders(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "checkpoint").iterdir())


def test_the_newest_state_is_loaded_and_the_older_ones_are_gone(tmp_path: Path) -> None:
    for env_step in (10, 20, 30):
        write_checkpoint(tmp_path, State(env_step, f"w{env_step}"), FACTS)
    state = load_checkpoint(tmp_path, State())
    assert (state.env_step, state.weights) == (30, "w30")
    assert folders(tmp_path) == ["latest.json", "save-3"]
    latest = read_latest(tmp_path)
    assert latest is not None
    assert (latest["env_step"], latest["wall_s"]) == (30, 1.0)
    assert set(latest["files"]) == {"step", "replay/shard-0"}


def test_no_checkpoint_is_no_error_until_one_is_needed(tmp_path: Path) -> None:
    assert read_latest(tmp_path) is None
    with pytest.raises(ConfigError, match="has no checkpoint yet"):
        load_checkpoint(tmp_path, State())


def test_a_checkpoint_of_other_shapes_is_one_line(tmp_path: Path) -> None:
    class Wider(State):
        def load(self, folder: Path) -> None:
            raise RuntimeError("Error(s) in loading:\n\tsize mismatch for weight")

    write_checkpoint(tmp_path, State(), FACTS)
    with pytest.raises(
        ConfigError, match=r"does not fit this config: Error\(s\) in loading: size mismatch for weight$"
    ):
        load_checkpoint(tmp_path, Wider())


def test_half_a_checkpoint_left_by_a_kill_is_ignored_and_cleared(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, State(10, "w10"), FACTS)
    torn = tmp_path / "checkpoint/save-2"
    torn.mkdir()
    (torn / "step").write_text("2")
    assert load_checkpoint(tmp_path, State()).env_step == 10
    write_checkpoint(tmp_path, State(20, "w20"), FACTS)
    assert folders(tmp_path) == ["latest.json", "save-3"]


@pytest.mark.parametrize("error", [ValueError("a fault of the paper"), KeyboardInterrupt()])
def test_a_save_that_fails_keeps_the_old_checkpoint(tmp_path: Path, error: BaseException) -> None:
    write_checkpoint(tmp_path, State(10, "w10"), FACTS)
    with pytest.raises(type(error)):
        write_checkpoint(tmp_path, Unable(error), FACTS)
    assert load_checkpoint(tmp_path, State()).env_step == 10
    assert folders(tmp_path) == ["latest.json", "save-1"]


@pytest.mark.parametrize("error", [RuntimeError("unexpected pos 576 vs 534"), OSError("5000 requested and 20 written")])
def test_a_full_disk_names_the_checkpoint_whatever_the_framework_calls_it(tmp_path: Path, error: Exception) -> None:
    write_checkpoint(tmp_path, State(10, "w10"), FACTS)
    with full_disk(50_000), pytest.raises(OSError, match="save-2") as raised:
        write_checkpoint(tmp_path, Unable(error), FACTS)
    assert raised.value.filename == str(tmp_path / "checkpoint/save-2")
    assert folders(tmp_path) == ["latest.json", "save-1"]


def test_what_latest_json_says_is_checked(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("12345")
    counted = {"lengths": {"metrics.csv": 5}, "tables": {"metrics.csv": sha256(table)}}
    write_checkpoint(tmp_path, State(10), {**FACTS, **counted})
    table.write_text("12345 and more")
    assert read_latest(tmp_path)
    for rows, complaint in (
        ("1234", "is shorter than its checkpoint says"),
        ("12354", "has other rows than its check"),
    ):
        table.write_text(rows)
        with pytest.raises(ConfigError, match=rf"metrics\.csv {complaint}"):
            read_latest(tmp_path)


OTHERS = {
    "another length": {"lengths": {"metrics.csv": 4}},
    "another clock": {"clocks": {"log": 7}},
    "another step": {"env_step": 20},
    "another folder": {"folder": "save-9"},
}


@pytest.mark.parametrize("other", OTHERS)
def test_latest_json_vouches_for_itself(tmp_path: Path, other: str) -> None:
    write_checkpoint(tmp_path, State(10), FACTS)
    with pytest.raises(ConfigError, match=r"latest\.json is damaged \(it does not have the sha256 that it names\)"):
        read_latest(rewritten(tmp_path, OTHERS[other], sealed=False))


WRONG: dict[str, tuple[dict[str, object], str]] = {
    **{f"no {name}": ({name: None}, rf"lacks what a checkpoint says of itself \({name}\)")
       for name in ("folder", "env_step", "wall_s", "clocks", "lengths", "files", "tables")},
    "a folder that is a list": ({"folder": []}, r"lacks what a checkpoint says of itself \(folder\)"),
    "files that are a list": ({"files": ["step"]}, r"lacks what a checkpoint says of itself \(files\)"),
    "a length in words": ({"lengths": {"metrics.csv": "five"}}, "counts something by what is no whole number"),
    "a negative step": ({"env_step": -1}, "counts something by what is no whole number"),
    "a folder elsewhere": ({"folder": "../save-1"}, "names files outside its run directory"),
    "a file elsewhere": ({"files": {"../../step": "x"}}, "names files outside its run directory"),
    "a file of the host": ({"files": {"/etc/passwd": "x"}}, "names files outside its run directory"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_checkpoint_says_of_itself_is_named(tmp_path: Path, wrong: str) -> None:
    write_checkpoint(tmp_path, State(10), FACTS)
    change, complaint = WRONG[wrong]
    with pytest.raises(ConfigError, match=f"latest\\.json {complaint}; start again with --overwrite"):
        read_latest(rewritten(tmp_path, change))


def rewritten(directory: Path, change: dict[str, object], sealed: bool = True) -> Path:
    """Change latest.json, as a hand or a disk may, and give it the digest that belongs to it or leave the old one."""
    path = directory / "checkpoint/latest.json"
    content = json.loads(path.read_text()) | change
    path.write_text(json.dumps(content | ({SEAL: seal_of(content)} if sealed else {})))
    return directory


def test_a_checkpoint_of_an_earlier_version_without_checksums_of_its_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("12345")
    write_checkpoint(tmp_path, State(10), {**FACTS, "lengths": {"metrics.csv": 5}})
    path = tmp_path / "checkpoint/latest.json"
    old = {name: value for name, value in json.loads(path.read_text()).items() if name not in (SEAL, "tables")}
    path.write_text(json.dumps(old))
    assert load_checkpoint(tmp_path, State()).env_step == 10
    (tmp_path / "metrics.csv").write_text("1234")
    with pytest.raises(ConfigError, match=r"metrics\.csv is shorter than its checkpoint says"):
        read_latest(tmp_path)


def test_stray_folders_beside_the_checkpoints_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint/save-of-mine").mkdir(parents=True)
    for env_step in (10, 20):
        write_checkpoint(tmp_path, State(env_step), FACTS)
    assert folders(tmp_path) == ["latest.json", "save-2", "save-of-mine"]


@pytest.mark.parametrize(
    "error", [UnpicklingError("foreign"), EOFError("end"), TypeError("a list"), IndexError("none")]
)
def test_whatever_a_loader_makes_of_foreign_files_is_one_line(tmp_path: Path, error: Exception) -> None:
    class Foreign(State):
        def load(self, folder: Path) -> None:
            raise error

    write_checkpoint(tmp_path, State(), FACTS)
    with pytest.raises(ConfigError, match=f"does not fit this config: {type(error).__name__}: {error}"):
        load_checkpoint(tmp_path, Foreign())
