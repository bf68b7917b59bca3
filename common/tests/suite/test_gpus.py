from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
from processes import lives, trainers

from mirl.suite import gpus
from toy.driver import record, saved_step, wait_until

CARDS = {"0": "GPU-a", "1": "GPU-b"}
HOLD = """
import sys
from mirl.suite import gpus
with gpus.taken(int(sys.argv[1])):
    sys.stdin.read()
"""


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which nvidia-smi shows two cards."""
    folder = tmp_path / "driver"
    folder.mkdir()
    smi = folder / "nvidia-smi"
    lines = "".join(f"GPU {number}: one of two (UUID: {uuid})\n" for number, uuid in CARDS.items())
    smi.write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def card(share: gpus.Share) -> str:
    return share.environment["CUDA_VISIBLE_DEVICES"]


def is_free(runs_a_gpu: int = 1) -> bool:
    """Whether somebody could begin at once; looked at from another process."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(runs_a_gpu)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        holder.communicate("", timeout=3)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.communicate()
        return False
    return True


@pytest.mark.usefixtures("two_gpus")
def test_two_runs_get_two_cards_and_a_card_is_free_again_afterwards():
    with gpus.taken() as first, gpus.taken() as second:
        assert {card(first), card(second)} == {"0", "1"}
        assert not is_free()
    with gpus.taken() as again:
        assert again.environment == {"CUDA_VISIBLE_DEVICES": "0"}


@pytest.mark.usefixtures("two_gpus")
def test_shares_fill_every_card_once_before_any_twice():
    with gpus.taken(2) as first, gpus.taken(2) as second, gpus.taken(2) as third, gpus.taken(2) as fourth:
        assert [card(share) for share in (first, second, third, fourth)] == ["0", "1", "0", "1"]
        assert first.environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
        assert not is_free(2)


@pytest.mark.usefixtures("two_gpus")
def test_halves_thirds_and_wholes_never_overlap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with gpus.taken(2), gpus.taken(3):  # the first half, and the last third
        assert not is_free(1)
        assert not is_free(2)
        assert not is_free(3)  # the middle third overlaps the half
        assert is_free(6)
    assert is_free(1)


def test_every_share_is_a_whole_number_of_units():
    for runs in range(1, gpus.MOST_RUNS_A_GPU + 1):
        assert Fraction(gpus.UNITS, runs).denominator == 1


@pytest.mark.usefixtures("two_gpus")
def test_the_cards_that_somebody_names_are_the_ones_to_choose_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with gpus.taken() as mine:
        assert card(mine) == "1"
        assert not is_free()
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b")  # the same card by its other name
        assert not is_free()


@pytest.mark.parametrize("hidden", [True, False])
def test_without_cards_there_is_nothing_to_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hidden: bool, request: pytest.FixtureRequest
):
    if hidden:
        request.getfixturevalue("two_gpus")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    with gpus.taken() as mine:
        assert mine == gpus.Share()


def cards_in_use(root: Path) -> list[str]:
    return [trainer.card for trainer in trainers(root)]


def runner_of(trainer: psutil.Process) -> psutil.Process:
    parent = trainer.parent()
    assert parent is not None
    assert "mirl.suite.cli" in parent.cmdline()
    return parent


@pytest.fixture
def four_runs(root: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts four slow runs at a time."""
    drivers = []

    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mirl.suite.cli", "reproduce", "--paper", "toy", "--budget", "tiny"]
        command += ["--method", "drift@slow", "--seeds", "0,1,2,3", "--jobs", "4", "--retry-wait-s", "0", *words]
        drivers.append(
            subprocess.Popen(
                command, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
            )
        )
        return drivers[-1]

    yield begin
    for driver in drivers:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.communicate()
    wait_until(lambda: not trainers(root), 60)


@pytest.mark.usefixtures("two_gpus")
def test_never_two_runs_on_one_card_even_when_a_runner_is_killed_and_no_trainer_is_left(root: Path, four_runs):
    registered = root / "reproduce.yaml"
    slowly = registered.read_text().replace("seconds_per_step: 0.02", "seconds_per_step: 0.2")
    registered.write_text(slowly.replace("env_steps: 200", "env_steps: 80"))  # four updates of four seconds
    driver = four_runs("--retries", "1")
    wait_until(lambda: len(trainers(root)) == 2, 60)
    victim = trainers(root)[0]
    wait_until(lambda: saved_step(victim.directory) == 20)
    runner_of(victim.process).kill()  # its trainer hears of it, and saves when its update is done
    outlived = False
    while driver.poll() is None:
        cards = cards_in_use(root)
        assert len(cards) == len(set(cards)), cards
        outlived = outlived or lives(victim.process)
    said, _ = driver.communicate()
    assert driver.returncode == 0, said
    assert outlived
    assert not lives(victim.process)
    assert not trainers(root)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(("words", "given"), [((), ["0"]), (("--in-slurm-job",), ["0,1"])])
def test_slurm_s_cards_stand_where_it_started_the_run_and_not_in_a_shell_within_somebody_s_job(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], given: list[str]
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    command = [sys.executable, "-m", "mirl.suite.cli", "run", *words, "tiny/toy/line/drift@slow/seed0"]
    runner = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: trainers(root), 60)
    assert cards_in_use(root) == given
    [trainer] = trainers(root)
    wait_until(lambda: saved_step(trainer.directory) > 0)
    runner.terminate()
    if words:  # Slurm tells every process of a job
        trainer.process.terminate()
    runner.communicate(timeout=60)
    assert record(trainer.directory)["status"] == "interrupted"


@pytest.mark.usefixtures("two_gpus")
def test_two_runs_share_a_card_where_that_was_asked_for(root: Path, four_runs):
    four_runs("--runs-per-gpu", "2")
    wait_until(lambda: sorted(cards_in_use(root)) == ["0", "0", "1", "1"], 60)


@pytest.mark.usefixtures("two_gpus")
def test_a_killed_trainer_frees_its_card(root: Path, four_runs):
    four_runs("--retries", "1")
    wait_until(lambda: len(cards_in_use(root)) == 2, 60)
    victims = [trainer.process for trainer in trainers(root)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, 10)
    wait_until(lambda: sorted(cards_in_use(root)) == ["0", "1"], 60)
