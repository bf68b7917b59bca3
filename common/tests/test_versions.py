"""What a manifest tells of PyTorch; torch itself is in the papers' environments only."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from mirl.versions import torch_versions


@pytest.mark.parametrize(
    ("device", "visible", "gpu"), [("cuda", True, "H"), ("cuda", False, None), ("cpu", True, None)]
)
def test_a_gpu_is_told_where_it_is_used_and_ends_bitwise_repetition(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: bool, gpu: str | None
) -> None:
    cuda = SimpleNamespace(is_available=lambda: visible, get_device_name=lambda: "H")
    torch = SimpleNamespace(
        __version__="2.13.0",
        version=SimpleNamespace(cuda="13.0"),
        cuda=cuda,
        get_num_threads=lambda: 1,
        backends=SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=False)),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert torch_versions(device) == {
        "torch": "2.13.0", "cuda": "13.0" if gpu else None, "gpu": gpu, "deterministic": gpu is None, "threads": 1,
        "tf32": False,
    }  # fmt: skip
