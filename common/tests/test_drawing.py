"""Which library draws, and on which device: the user's choice, else what fits the machine, else one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirl import drawing
from mirl.cards import Card
from mirl.drawing import EGL_DEVICE, RenderingError, drawing_library, egl_device
from mirl.egl import Device, devices

SOFTWARE = Device(0, True, None, "", "llvmpipe")
SECOND, FIRST = Device(1, True, 1, "GPU-b", "NVIDIA B"), Device(2, True, 0, "GPU-a", "NVIDIA A")
"""EGL lists the second card first, as it may."""
CARDS = [Card("GPU-a", 0, "NVIDIA A"), Card("GPU-b", 1, "NVIDIA B")]


class Host:
    """What is said to be here."""

    def __init__(self) -> None:
        self.libraries = {"OSMesa", "EGL"}
        self.files: list[Path] = []
        self.cards: list[Card] = []
        self.devices: list[Device] = [SOFTWARE]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Two libraries that work, no card; nothing is set by the user."""
    here = Host()
    monkeypatch.setattr(drawing, "find_library", lambda name: name if name in here.libraries else None)
    monkeypatch.setattr(drawing.cards, "device_files", lambda: here.files)
    monkeypatch.setattr(drawing.cards, "all_cards", lambda: here.cards)
    monkeypatch.setattr(drawing, "seen_devices", lambda: tuple(here.devices))
    monkeypatch.setattr(drawing, "_renderer", None)
    drawing.tell_once.cache_clear()
    for name in ("MUJOCO_GL", EGL_DEVICE, "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever is set meanwhile
        monkeypatch.delenv(name)
    return here


def with_cards(host: Host, *files: str) -> None:
    host.files = [Path("/dev") / name for name in files]
    host.cards, host.devices = CARDS, [SOFTWARE, SECOND, FIRST]


@pytest.mark.parametrize(("gpu", "chosen", "second"), [(True, "egl", "osmesa"), (False, "osmesa", "egl")])
def test_a_gpu_draws_where_there_is_one(gpu: bool, chosen: str, second: str, host: Host):
    host.files = [Path("/dev/nvidia0")] if gpu else []
    assert drawing_library() == chosen
    host.libraries.remove({"egl": "EGL", "osmesa": "OSMesa"}[chosen])
    assert drawing_library() == second, "the other one where the first is missing"


def test_a_container_with_the_second_card_alone_draws_on_it(host: Host, monkeypatch: pytest.MonkeyPatch):
    with_cards(host, "nvidia1")
    host.cards, host.devices = [Card("GPU-b", 0, "NVIDIA B")], [Device(0, True, 0, "GPU-b", "NVIDIA B")]
    assert drawing_library() == "egl"
    assert drawing.renderer() == "EGL, NVIDIA B"


@pytest.mark.parametrize(
    ("visible", "number"), [(None, "2"), ("GPU-b", "1"), ("1", "1"), ("GPU-a", "2"), ("1,0", "1"), ("-1", "0")]
)
def test_the_card_of_a_run_draws_for_it_however_egl_counts(
    host: Host, monkeypatch: pytest.MonkeyPatch, visible: str | None, number: str
):
    with_cards(host, "nvidia0", "nvidia1")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert drawing_library() == "egl"
    assert drawing.os.environ[EGL_DEVICE] == number


def test_cards_are_matched_by_number_where_the_driver_tells_no_uuid(host: Host, monkeypatch: pytest.MonkeyPatch):
    with_cards(host, "nvidia0", "nvidia1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b")
    found = egl_device([Device(0, True, 0, "", ""), Device(1, True, 1, "", "")])
    assert found is not None
    assert found.number == 1


def test_egl_that_opens_nothing_gives_way_to_osmesa_and_says_so_once(host: Host, capsys: pytest.CaptureFixture[str]):
    with_cards(host, "nvidia0")
    host.devices = [Device(0, False, 0, "GPU-a", "")]
    assert (drawing_library(), drawing_library()) == ("osmesa", "osmesa")
    assert drawing.renderer() == "OSMesa, on the processor"
    assert capsys.readouterr().err == (
        "EGL is installed and opens no device here that belongs to this run: OSMesa draws, on the processor\n"
    )
    host.libraries.remove("OSMesa")
    with pytest.raises(
        RenderingError, match=r"EGL is installed and opens no device .*; sudo apt-get install libosmesa6"
    ):
        drawing_library()


def test_a_device_that_the_user_names_is_kept(host: Host, monkeypatch: pytest.MonkeyPatch):
    with_cards(host, "nvidia0", "nvidia1")
    monkeypatch.setenv(EGL_DEVICE, "1")
    assert drawing_library() == "egl"
    assert (drawing.os.environ[EGL_DEVICE], drawing.renderer()) == ("1", "EGL, NVIDIA B")


@pytest.mark.parametrize("wanted", ["egl", "osmesa"])
def test_the_users_choice_is_respected(wanted: str, host: Host, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", wanted)
    assert drawing_library() == wanted
    host.libraries.clear()
    package = {"egl": "libegl1", "osmesa": "libosmesa6"}[wanted]
    with pytest.raises(RenderingError, match=f"sudo apt-get install {package}$"):
        drawing_library()


def test_where_nothing_can_draw_one_line_names_the_package(host: Host):
    host.libraries.clear()
    with pytest.raises(RenderingError, match=r"a library that is missing here; sudo apt-get install libosmesa6$"):
        drawing_library()


def test_an_unknown_choice_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(RenderingError, match="MUJOCO_GL is egl or osmesa where there is no screen, got 'nonsense'"):
        drawing_library()


@pytest.mark.skipif(drawing.find_library("EGL") is None, reason="EGL is not installed")
def test_the_devices_of_this_host_are_listed_as_egl_counts_them():
    seen = devices()
    assert [device.number for device in seen] == list(range(len(seen)))
    assert all(device.uuid == "" or device.uuid.startswith("GPU-") for device in seen)
