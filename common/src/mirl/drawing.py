"""Drawing MuJoCo without a screen: EGL where there is an NVIDIA GPU, else OSMesa."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from ctypes.util import find_library
from functools import lru_cache

from mirl import cards, egl
from mirl.cards import Card
from mirl.egl import Device

LIBRARIES = {"osmesa": ("OSMesa", "libosmesa6"), "egl": ("EGL", "libegl1")}
"""MUJOCO_GL -> library, and the system package that holds it (a paper's apt.txt)."""
EGL_DEVICE = "MUJOCO_EGL_DEVICE_ID"
"""Which of EGL's devices MuJoCo and dm_control draw on."""

_renderer: str | None = None


class RenderingError(ValueError):
    """No picture can be drawn here; says what to install."""


def drawing_library() -> str:
    """egl or osmesa: what MUJOCO_GL names, else the first that works. RenderingError where there is none.

    Where it is egl, MUJOCO_EGL_DEVICE_ID is set to the device that belongs to this process's card, unless it is set.
    """
    global _renderer  # a process draws in one way, and its manifest tells which
    wanted = os.environ.get("MUJOCO_GL", "")
    if wanted and wanted not in LIBRARIES:
        raise RenderingError(f"MUJOCO_GL is egl or osmesa where there is no screen, got {wanted!r}")
    preferred = ("egl", "osmesa") if cards.device_files() else ("osmesa", "egl")
    unusable = ""
    for name in (wanted,) if wanted else preferred:
        if not find_library(LIBRARIES[name][0]):
            continue
        if name == "osmesa":
            if unusable:
                tell_once(f"{unusable}: OSMesa draws, on the processor")
            _renderer = "OSMesa, on the processor"
            return name
        device = egl_device(seen_devices())
        if device:
            os.environ.setdefault(EGL_DEVICE, str(device.number))
            _renderer = f"EGL, {device.renderer or 'a device without a name'}"
            return name
        unusable = "EGL is installed and opens no device here that belongs to this run"
    if unusable:
        raise RenderingError(f"{unusable}; sudo apt-get install {LIBRARIES['osmesa'][1]}, and MUJOCO_GL=osmesa")
    package = LIBRARIES[wanted or preferred[0]][1]
    raise RenderingError(f"MuJoCo draws with a library that is missing here; sudo apt-get install {package}")


def renderer() -> str | None:
    """What this process draws with, for its manifest; None where nothing was to be drawn."""
    return _renderer


@lru_cache
def seen_devices() -> tuple[Device, ...]:
    return tuple(egl.devices())


@lru_cache
def tell_once(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def egl_device(devices: Sequence[Device]) -> Device | None:
    """The device to draw on: what MUJOCO_EGL_DEVICE_ID names, the first visible card's, else one that is no card."""
    usable = [device for device in devices if device.usable]
    named = os.environ.get(EGL_DEVICE)
    if named is not None:
        return next((device for device in usable if str(device.number) == named), None)
    mine = cards.visible_cards(cards.all_cards())
    own = [device for device in usable if mine and belongs_to(device, mine[0])]
    others = [device for device in usable if device.card is None and not device.uuid]
    unknown = usable if not mine and cards.VISIBLE not in os.environ else []  # no nvidia-smi to ask, nothing to keep to
    return next(iter([*own, *unknown, *others]), None)


def belongs_to(device: Device, card: Card) -> bool:
    """By the UUID where the driver tells it, else by the number along the PCI bus."""
    return device.uuid == card.uuid if device.uuid else device.card == card.number
