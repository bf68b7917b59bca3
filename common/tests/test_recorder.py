"""metrics.csv, episodes.csv and their mirrors."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from mirl.recorder import NonFiniteLoss, Recorder
from mirl.sinks import TensorBoard
from toy.driver import full_disk


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def opened(directory: Path, lengths: Mapping[str, int] | None = None, *sinks: Any) -> Recorder:
    recorder = Recorder(directory, sinks)
    recorder.open(lengths)
    return recorder


def events(directory: Path) -> Iterator[Any]:
    """The events of all TensorBoard files of a folder, oldest file first."""
    for path in sorted(directory.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("Q", content[:8])
            yield Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]


def test_metrics_are_rows_whose_values_read_back_exactly(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.log(20, 0.12345, {"train/return": 0.1 + 0.2, "loss/policy": np.float32(0.5), "eval/success": 1})
    recorder.close()
    assert lines(tmp_path / "metrics.csv") == [
        "env_step,wall_s,name,value",
        "20,0.123,train/return,0.30000000000000004",
        "20,0.123,loss/policy,0.5",
        "20,0.123,eval/success,1.0",
    ]


def test_rows_are_on_disk_as_soon_as_they_are_logged(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.log(20, 0.0, {"train/return": 1.0})
    assert len(lines(tmp_path / "metrics.csv")) == 2
    recorder.close()


def test_episodes_are_rows(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.log_episodes(500, "extreme", np.array([1.5, -2.0]), np.array([10, 12]), np.array([True, False]))
    recorder.close()
    assert lines(tmp_path / "episodes.csv") == [
        "env_step,setting,episode,return,length,success",
        "500,extreme,0,1.5,10,1",
        "500,extreme,1,-2.0,12,0",
    ]


def test_episodes_of_unequal_number_are_refused(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    with pytest.raises(ValueError, match="argument"):
        recorder.log_episodes(500, "extreme", [1.0, 2.0], [1], [0, 1])
    recorder.close()
    assert len(lines(tmp_path / "episodes.csv")) == 1


@pytest.mark.parametrize("name", ["return", "trian/return", "train/", "train/a,b", 'eval/"x"', "loss/a\nb"])
def test_a_name_outside_the_groups_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    recorder = opened(tmp_path)
    with pytest.raises(ValueError, match="must be named <group>/<name>"):
        recorder.log(1, 0.0, {"train/fine": 1.0, name: 1.0})
    recorder.close()
    assert len(lines(tmp_path / "metrics.csv")) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_written_and_raised(tmp_path: Path, value: float) -> None:
    recorder = opened(tmp_path)
    with pytest.raises(NonFiniteLoss, match=rf"^loss/kl became {value} at env step 1,020$"):
        recorder.log(1020, 0.0, {"train/return": 1.0, "loss/kl": value})
    recorder.close()
    assert lines(tmp_path / "metrics.csv")[-1] == f"1020,0.000,loss/kl,{value}"


def test_other_metrics_may_be_nan(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.log(1, 0.0, {"eval/return": math.nan})
    recorder.close()
    assert lines(tmp_path / "metrics.csv")[-1] == "1,0.000,eval/return,nan"


def test_a_table_goes_on_where_its_checkpoint_left_it(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.log(1, 0.0, {"train/return": 1.0})
    lengths = {name: length for name, (length, _) in recorder.sync().items()}
    recorder.log(2, 0.0, {"train/return": 2.0})
    recorder.close()
    with (tmp_path / "metrics.csv").open("a") as stream:
        stream.write("3,0.0,tra")
    recorder = opened(tmp_path, lengths)
    recorder.log(2, 9.0, {"train/return": 2.0})
    recorder.close()
    assert lines(tmp_path / "metrics.csv")[1:] == ["1,0.000,train/return,1.0", "2,9.000,train/return,2.0"]


def test_without_a_checkpoint_the_tables_start_over(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.log(1, 0.0, {"train/return": 1.0})
    recorder.close()
    opened(tmp_path).close()
    assert lines(tmp_path / "metrics.csv") == ["env_step,wall_s,name,value"]


def test_a_full_disk_names_the_table_and_closing_raises_nothing_more(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    with full_disk(100), pytest.raises(OSError, match="File too large") as error:
        recorder.log(20, 0.0, {f"train/return_{number}": 1.0 for number in range(10)})
    assert error.value.filename == str(tmp_path / "metrics.csv")
    recorder.close()
    assert (tmp_path / "metrics.csv").stat().st_size == 100


def test_tensorboard_has_every_scalar_and_image_at_its_env_step(tmp_path: Path) -> None:
    recorder = opened(tmp_path, None, TensorBoard(tmp_path, continues_at=None))
    recorder.log(20, 0.0, {"train/return": 1.5, "eval/return": math.nan})
    recorder.image(40, "eval/view", np.zeros((4, 6, 3), np.uint8))
    recorder.close()
    version, first, second, picture = events(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert (first.step, first.summary.value[0].tag, first.summary.value[0].simple_value) == (20, "train/return", 1.5)
    assert math.isnan(second.summary.value[0].simple_value)
    assert (picture.step, picture.summary.value[0].image.width, picture.summary.value[0].image.height) == (40, 6, 4)


def test_tensorboard_hides_what_a_killed_attempt_wrote_after_its_checkpoint(tmp_path: Path) -> None:
    TensorBoard(tmp_path, continues_at=100).close()
    _, restart = events(tmp_path)
    assert restart.session_log.status == 1  # START: TensorBoard drops what it has from this step on
    assert restart.step == 101
