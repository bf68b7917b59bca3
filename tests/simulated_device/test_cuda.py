"""torch.cuda as programs ask it, checkpoints, and the launcher."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from simulated_device import Counts, simulated_device

HERE = Path(__file__).parent


@pytest.mark.usefixtures("counts")
def test_one_card_is_told_of():
    assert (torch.cuda.is_available(), torch.cuda.device_count(), torch.cuda.current_device()) == (True, 1, 0)
    assert torch.cuda.get_device_name() == torch.cuda.get_device_properties(0).name == "simulated device"
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    end.record()
    assert start.elapsed_time(end) >= 0
    assert not torch.cuda.is_current_stream_capturing()
    assert not torch.accelerator.current_stream().is_capturing()
    torch.cuda.reset_peak_memory_stats()
    assert torch.cuda.max_memory_allocated() == 0
    torch.cuda.set_rng_state(torch.cuda.get_rng_state())


def test_outside_there_is_what_the_host_has():
    before = torch.cuda.is_available()
    with simulated_device():
        here = torch.ones(2, device="cuda")
    assert torch.cuda.is_available() == before
    if not before:  # a CPU build says the first, a CUDA build the second
        with pytest.raises((AssertionError, RuntimeError), match=r"not compiled with CUDA|NVIDIA driver"):
            torch.ones(2, device="cuda")
    assert here.device.type == "cpu"  # what it really was


def test_generators_of_both_devices_repeat(counts: Counts):
    for device in ("cpu", "cuda"):
        drawn = [torch.rand(3, device=device, generator=torch.Generator(device).manual_seed(7)) for _ in range(2)]
        assert drawn[0].tolist() == drawn[1].tolist()
        assert drawn[0].device.type == torch.Generator(device).device.type == device


def test_a_checkpoint_names_the_device_of_its_tensors(tmp_path: Path):
    with simulated_device():
        torch.save({"here": torch.ones(2, device="cuda"), "there": torch.ones(2)}, tmp_path / "state.pt")
        again = torch.load(tmp_path / "state.pt", weights_only=True)
        assert [again[name].device.type for name in ("here", "there")] == ["cuda", "cpu"]
        for where in ("cpu", "cuda", torch.device("cuda", 0)):
            placed = torch.load(tmp_path / "state.pt", weights_only=True, map_location=where)
            assert {value.device.type for value in placed.values()} == {torch.device(where).type}
    with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
        torch.load(tmp_path / "state.pt", weights_only=True)  # as on a host without a card
    assert torch.load(tmp_path / "state.pt", weights_only=True, map_location="cpu")["here"].tolist() == [1, 1]


def test_optimisers_keep_their_moments_on_the_device(counts: Counts):
    layer = torch.nn.Linear(2, 2).to("cuda")
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2, device="cuda")).sum().backward()
    torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    before = counts.copy()
    optimiser.step()
    assert {state["exp_avg"].device.type for state in optimiser.state.values()} == {"cuda"}
    found = counts.since(before)
    assert "_foreach_lerp_" in found.launches  # the path that PyTorch takes on a card
    assert not found.waits


def test_the_launcher_runs_a_module_and_tells_what_was_counted(tmp_path: Path):
    (tmp_path / "program.py").write_text(
        "import sys, torch\nprint(torch.ones(2, device='cuda').sum().item(), sys.argv[1:])\nraise SystemExit(3)\n"
    )
    words = [sys.executable, str(HERE), "-m", "program", "--device", "cuda"]
    done = subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 3, done.stderr
    assert done.stdout == "2.0 ['--device', 'cuda']\n"
    assert "simulated device: 2 launches (1 ones, 1 sum); 1 waits (1 item)" in done.stderr


def test_the_launcher_without_a_module_says_how_it_is_called():
    done = subprocess.run([sys.executable, str(HERE)], capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "usage" in done.stderr
