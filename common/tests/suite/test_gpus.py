from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import psutil
import pytest
from processes import lives, trainers

from mirl import cards
from mirl.config import ConfigError
from mirl.suite import gpus, venvs
from mirl.suite.reproduce import idle_cards
from toy.driver import record, saved_step, wait_until

HOLD = """
import sys
from mirl.suite import gpus
with gpus.taken(int(sys.argv[1])):
    sys.stdin.read()
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes this a host on which nvidia-smi lists these cards; every test has cards, and so locks, of its own."""
    folder = tmp_path / "driver"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)

    def lists(lines: str) -> None:
        (folder / "listed").write_text(lines)
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\ncat {folder}/listed\n")
        (folder / "nvidia-smi").chmod(0o755)

    yield lists
    for card in cards.all_cards():
        gpus.lock_file(card).unlink(missing_ok=True)


@pytest.fixture
def two_gpus(driver: Callable[[str], None]) -> tuple[str, str]:
    """A host with two equal cards; their UUIDs."""
    own = uuid.uuid4().hex
    driver(f"GPU 0: one of two (UUID: GPU-a{own})\nGPU 1: one of two (UUID: GPU-b{own})\n")
    return f"GPU-a{own}", f"GPU-b{own}"


def card(share: gpus.Share) -> str:
    """a or b."""
    return share.environment["CUDA_VISIBLE_DEVICES"][4]


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


def test_two_runs_get_two_cards_by_uuid_and_a_card_is_free_again_afterwards(two_gpus: tuple[str, str]):
    with gpus.taken() as first, gpus.taken() as second:
        assert {card(first), card(second)} == {"a", "b"}
        assert not is_free()
    with gpus.taken() as again:
        assert again.environment == {"CUDA_VISIBLE_DEVICES": two_gpus[0]}


@pytest.mark.usefixtures("two_gpus")
def test_shares_fill_every_card_once_before_any_twice():
    with gpus.taken(2) as first, gpus.taken(2) as second, gpus.taken(2) as third, gpus.taken(2) as fourth:
        assert [card(share) for share in (first, second, third, fourth)] == ["a", "b", "a", "b"]
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


def test_the_cards_that_somebody_names_are_the_ones_to_choose_from(
    two_gpus: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with gpus.taken() as mine:
        assert card(mine) == "b"
        assert not is_free()
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", two_gpus[1][:8])  # the same card by its other name, shortened
        assert not is_free()
        monkeypatch.setenv("TMPDIR", "/var/tmp")
        assert not is_free()


@pytest.mark.usefixtures("two_gpus")
def test_who_waits_for_a_card_is_told_who_holds_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with gpus.taken(2, "tiny/toy/line/drift/seed7"), gpus.taken(2, "tiny/toy/line/drift/seed8"):
        pass
    with gpus.taken(2, "tiny/toy/line/drift/seed9"):  # the other half is free, and says nothing of who held it
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, "1"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert holder.stderr
        said = holder.stderr.readline()
        told = rf"GPU-a\w+ is held by process {os.getpid()} \(tiny/toy/line/drift/seed9\)"
        assert re.fullmatch(rf"mirl: this run waits for a GPU: {told}\n", said)
    holder.communicate("", timeout=10)


def test_the_slices_of_a_divided_card_are_handed_out_one_by_one(driver, monkeypatch: pytest.MonkeyPatch):
    own = uuid.uuid4().hex
    driver(
        f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a{own})\n"
        f"  MIG 3g.20gb     Device  0: (UUID: MIG-c{own})\n  MIG 3g.20gb     Device  1: (UUID: MIG-d{own})\n"
        f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b{own})\n"
    )
    assert [(one.uuid[:5], one.number, one.model) for one in cards.all_cards()] == [
        ("MIG-c", 0, "NVIDIA A100-SXM4-40GB MIG 3g.20gb"),
        ("MIG-d", 0, "NVIDIA A100-SXM4-40GB MIG 3g.20gb"),
        ("GPU-b", 1, "NVIDIA A100-SXM4-40GB"),
    ]
    with gpus.taken() as first, gpus.taken() as second, gpus.taken() as third:
        assert [card(share) for share in (first, second, third)] == ["c", "d", "b"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"MIG-d{own}")
    assert [one.uuid[:5] for one in gpus.visible()] == ["MIG-d"]


MIXED = "GPU 0: NVIDIA T4 (UUID: GPU-a1)\nGPU 1: NVIDIA A100 (UUID: GPU-b1)\n"


def test_numbers_of_mixed_cards_are_refused_unless_they_count_along_the_bus(driver, monkeypatch: pytest.MonkeyPatch):
    driver(MIXED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(
        ConfigError, match=r"=0 counts the cards of this host by their speed, and they differ \(NVIDIA T4"
    ):
        gpus.visible()
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert [one.uuid for one in gpus.visible()] == ["GPU-a1"]
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b1")
    assert [one.uuid for one in gpus.visible()] == ["GPU-b1"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("-1", "CUDA_VISIBLE_DEVICES=-1 names none of the cards of this host (2)"),
        ("", "CUDA_VISIBLE_DEVICES='' names none of the cards of this host (2)"),
        ("7", "CUDA_VISIBLE_DEVICES=7 names none of the cards of this host (2)"),
        ("GPU-nowhere", "CUDA_VISIBLE_DEVICES=GPU-nowhere names none of the cards of this host (2)"),
        ("1,7,0", "CUDA_VISIBLE_DEVICES=1,7,0 names 7, which is not here; CUDA sees only what comes before it"),
        ("1", ""),
    ],
)
def test_a_card_that_is_hidden_or_not_there_is_told(driver, monkeypatch: pytest.MonkeyPatch, chosen: str, said: str):
    driver(MIXED)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert cards.why_hidden(cards.all_cards()) == said


def test_a_folder_of_locks_that_is_somebody_else_s_is_refused(driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / f"mirl-gpus-{os.getuid()}").symlink_to("/tmp")
    driver(MIXED)
    with monkeypatch.context() as patch:
        patch.setattr(gpus, "PLACE", tmp_path)
        with pytest.raises(ConfigError, match="is not a folder of user"):
            gpus.lock_file(cards.all_cards()[0])


@pytest.mark.usefixtures("two_gpus")
def test_who_trains_on_the_processor_of_a_host_with_cards_is_told_why(mirl, root: Path):
    words = ("reproduce", "--paper", "toy", "--budget", "tiny", "--method", "random_walk", "--seeds", "0")
    refused = mirl(*words, "--runs-per-gpu", "2", CUDA_VISIBLE_DEVICES="-1")
    assert refused.returncode == 2
    assert refused.stderr == (
        "mirl: --runs-per-gpu 2 needs a GPU, and CUDA_VISIBLE_DEVICES=-1 names none of the cards of this host (2)\n"
    )
    project = root / "papers/toy"
    (project / ".venv/.ready").write_text(venvs.fingerprint(project, venvs.requirements(project, "cpu")))
    assert list(idle_cards(root, ["toy"])) == [
        "papers/toy/.venv is the build for processors: its runs leave the GPU alone; make setup PAPER=toy DEVICE=gpu"
    ]
    told = mirl(*words, CUDA_VISIBLE_DEVICES="7")
    assert "=7 names none of the cards of this host (2): these runs train on the processor\n" in told.stdout


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
    return [trainer.card[4] for trainer in trainers(root)]


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
@pytest.mark.parametrize(("words", "given"), [((), "GPU-a"), (("--in-slurm-job",), "0,1")])
def test_slurm_s_cards_stand_where_it_started_the_run_and_not_in_a_shell_within_somebody_s_job(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], given: str
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    command = [sys.executable, "-m", "mirl.suite.cli", "run", *words, "tiny/toy/line/drift@slow/seed0"]
    runner = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: trainers(root), 60)
    [trainer] = trainers(root)
    assert trainer.card.startswith(given)
    wait_until(lambda: saved_step(trainer.directory) > 0)
    runner.terminate()
    if words:  # Slurm tells every process of a job
        trainer.process.terminate()
    runner.communicate(timeout=60)
    assert record(trainer.directory)["status"] == "interrupted"


@pytest.mark.usefixtures("two_gpus")
def test_two_runs_share_a_card_where_that_was_asked_for(root: Path, four_runs):
    four_runs("--runs-per-gpu", "2")
    wait_until(lambda: sorted(cards_in_use(root)) == ["a", "a", "b", "b"], 60)


@pytest.mark.usefixtures("two_gpus")
def test_a_killed_trainer_frees_its_card(root: Path, four_runs):
    four_runs("--retries", "1")
    wait_until(lambda: len(cards_in_use(root)) == 2, 60)
    victims = [trainer.process for trainer in trainers(root)]
    for victim in victims:
        victim.kill()
    psutil.wait_procs(victims, 10)
    wait_until(lambda: sorted(cards_in_use(root)) == ["a", "b"], 60)
