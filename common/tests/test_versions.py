"""What a manifest tells of PyTorch; torch itself is in the papers' environments only."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mirl.versions import RESULTS_HANG_ON, imported_versions, torch_versions


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


def test_versions_are_those_of_what_was_imported_not_of_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RESULTS_HANG_ON:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "gym").mkdir()
    (tmp_path / "gym/__init__.py").write_text("__version__ = '0.26.9'\n")
    (tmp_path / "pybullet.py").write_text("")
    (tmp_path / "pybullet-3.1.dist-info").mkdir()
    (tmp_path / "pybullet-3.1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: pybullet\nVersion: 3.1\n")
    (tmp_path / "metaworld.py").write_text("")
    assert imported_versions() == {}
    for name in ("gym", "pybullet", "metaworld"):
        importlib.import_module(name)
    assert imported_versions() == {"gym": "0.26.9", "pybullet": "3.1", "metaworld": "unknown"}
    for name in ("gym", "pybullet", "metaworld"):
        monkeypatch.delitem(sys.modules, name)
