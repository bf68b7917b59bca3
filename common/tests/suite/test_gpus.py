from __future__ import annotations

from pathlib import Path

import pytest

from mirl.suite import gpus


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which nvidia-smi shows two cards."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU 0: one (UUID: a)'\necho 'GPU 1: two (UUID: b)'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_two_runs_get_two_cards_and_a_card_is_free_again_afterwards():
    with gpus.taken() as first, gpus.taken() as second:
        assert {first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]} == {"0", "1"}
    with gpus.taken() as again:
        assert again == {"CUDA_VISIBLE_DEVICES": "0"}


@pytest.mark.usefixtures("two_gpus")
def test_the_choice_of_a_scheduler_stands(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with gpus.taken() as mine:
        assert mine == {}


def test_without_a_driver_there_is_nothing_to_take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with gpus.taken() as mine:
        assert mine == {}
