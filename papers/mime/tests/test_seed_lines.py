"""The command lines that the original's README prints: each runs as it stands, with every flag that it names.

Its last one is TensorBoard's own, which reads the event files that the runs leave.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from paper_runs import rows
from toys import SWITCHES

from mime.__main__ import PAPER
from mime.config import FOLDER, SETTINGS_FILES
from mirl.folder import read_record
from mirl.paper import main

TRAIN = (
    "python train.py  --use-vime --adapt-eta --config configs/msc_project/dog-feeding-robot-navigation.yaml "
    "--output-folder ../mime-experiments/metaworld_ml10/mime/0 --seed 0 --num-workers 6"
)
TEST = "python test.py --output-folder ../mime-experiments/metaworld_ml10/mime/4 "
PATIENCE_S = 170


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that lines are typed in; experiments lie beside it."""
    folder = tmp_path / "mime"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def words_of(line: str) -> list[str]:
    """A printed line's words after `python`, which `python -m mime` stands for."""
    return shlex.split(line)[1:]


def short_settings(folder: Path) -> Path:
    """The settings of `wide_ring`, cut to one iteration of two tasks with two trajectories each."""
    settings = yaml.safe_load((FOLDER / SETTINGS_FILES["wide_ring"]).read_text())
    small = {"num-batches": 1, "pre-epochs": 0, "meta-batch-size": 2, "fast-batch-size": 2}
    (folder / "short.yaml").write_text(yaml.safe_dump(settings | small))
    return folder / "short.yaml"


def test_the_printed_training_line_trains_mime_on_the_dog_task(workplace: Path):
    folder = workplace.parent / "mime-experiments" / "metaworld_ml10" / "mime" / "0"
    command = [sys.executable, "-m", "mime", *words_of(TRAIN)]
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_S
    while training.poll() is None and time.monotonic() < deadline:  # the whole run takes minutes; one iteration is told
        if (folder / "metrics.csv").exists() and "train/return" in (folder / "metrics.csv").read_text():
            os.kill(training.pid, signal.SIGTERM)
            break
        time.sleep(0.05)
    _, said = training.communicate(timeout=PATIENCE_S)
    assert training.returncode == 128 + signal.SIGTERM, said
    record = read_record(folder)
    assert record is not None
    wanted = {"task": "dog", "method": "mime", "seed": 0, "num_workers": 6, "total_env_steps": 1_500_000}
    assert {name: record["config"][name] for name in wanted} == wanted
    assert {"Eta", "Valid/Returns"} <= rows(folder / "train_result.csv")[0].keys()


@pytest.mark.parametrize(("switches", "method"), SWITCHES.items())
def test_every_switch_trains_and_the_printed_testing_line_tests_it(workplace: Path, switches: str, method: str):
    output = words_of(TEST)[-1]
    line = f"train.py {switches} --config {short_settings(workplace)} --output-folder {output} --seed 4 --num-workers 2"
    assert main(PAPER, shlex.split(line)) == 0
    assert json.loads((workplace / output / "manifest.json").read_text())["method"] == method
    assert main(PAPER, words_of(TEST)) == 0
    table = rows(workplace / output / "test_result.csv")
    assert [row["Batch"] for row in table] == ["0", "1", "2"]
    assert {name.partition("/")[0] for name in table[0]} == {"Batch", *(f"Train-{k}" for k in range(10)), "Valid"}
    assert (workplace / output / "dynamics.th").exists() == ("--use-vime" in switches)


def test_every_flag_of_the_testing_script_is_understood(workplace: Path, capsys: pytest.CaptureFixture[str]):
    line = f"train.py --config {short_settings(workplace)} --output-folder run"
    assert main(PAPER, shlex.split(line)) == 0
    assert main(PAPER, shlex.split("./test.py --output-folder run --num-batches 1 --num-steps 2 --seed 5")) == 0
    (row,) = rows(workplace / "run" / "test_result.csv")
    assert {name.partition("/")[0] for name in row} == {"Batch", "Train-0", "Train-1", "Valid"}
    capsys.readouterr()
    assert main(PAPER, shlex.split("test.py --output-folder run --num-workers 2 --use-cuda")) == 2
    assert capsys.readouterr().err == "mime: --use-cuda: run was trained on the cpu, and is tested there too\n"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("train.py --output-folder x", "--config"),
        ("test.py --config dog.yaml --output-folder x", "--config"),
        ("train.py --use-inv-vime --config dog-feeding-robot-navigation.yaml --output-folder x", "--use-inv-vime"),
        ("trian.py --output-folder x", "no command 'trian.py'"),
    ],
)
def test_a_line_that_cannot_be_honoured_is_refused_in_one_line(
    workplace: Path, line: str, complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, shlex.split(line)) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not any(workplace.iterdir())
