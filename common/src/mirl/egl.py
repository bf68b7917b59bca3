"""The EGL devices of this host. `python -m mirl.egl` prints them as JSON.

They are asked in a process of its own: a broken driver must not take a run with it, and a run that starts workers must
not hold a driver's threads.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from ctypes.util import find_library
from dataclasses import asdict, dataclass
from typing import Any

from mirl.cards import BY_BUS, ORDER, VISIBLE

PLATFORM_DEVICE, CUDA_DEVICE, DEVICE_UUID, RENDERER = 0x313F, 0x323A, 0x335C, 0x335F
"""EGL_PLATFORM_DEVICE_EXT, EGL_CUDA_DEVICE_NV, EGL_DEVICE_UUID_EXT, EGL_RENDERER_EXT: EGL's registry of extensions."""
MOST_DEVICES = 64
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Device:
    """One device that EGL lists."""

    number: int
    """Its place in EGL's list, which MUJOCO_EGL_DEVICE_ID names. CUDA counts otherwise."""
    usable: bool
    """A display of it can be opened."""
    card: int | None
    """Which NVIDIA card it is, counted along the PCI bus (EGL_CUDA_DEVICE_NV); None where it is none."""
    uuid: str
    """Of that card, as GPU-…; '' where the driver does not tell."""
    renderer: str
    """What it draws with; '' where the driver does not tell."""


def devices() -> list[Device]:
    """What EGL lists and whether it can be used; nothing without EGL, or where its driver fails or hangs."""
    environment = {name: value for name, value in os.environ.items() if name != VISIBLE}  # all cards, in one order
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "mirl.egl"], env={**environment, ORDER: BY_BUS}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        return [Device(**one) for one in json.loads(asked.stdout)]
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError):
        return []


def query() -> list[Device]:
    """As `devices`, in this process."""
    name = find_library("EGL")
    if not name:
        return []
    library = ctypes.CDLL(name)
    library.eglGetProcAddress.restype = ctypes.c_void_p

    def function(name: str, result: Any, *arguments: Any) -> Callable[..., Any] | None:
        address = library.eglGetProcAddress(name.encode())
        return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None

    word, number, pointer = ctypes.c_uint, ctypes.c_int, ctypes.c_void_p
    list_devices = function("eglQueryDevicesEXT", word, number, pointer, pointer)
    attribute = function("eglQueryDeviceAttribEXT", word, pointer, number, pointer)
    text = function("eglQueryDeviceStringEXT", ctypes.c_char_p, pointer, number)
    binary = function("eglQueryDeviceBinaryEXT", word, pointer, number, number, pointer, pointer)
    display = function("eglGetPlatformDisplayEXT", pointer, word, pointer, pointer)
    if not (list_devices and display):
        return []
    library.eglInitialize.argtypes, library.eglTerminate.argtypes = [pointer] * 3, [pointer]
    handles, found = (pointer * MOST_DEVICES)(), number()
    if not list_devices(MOST_DEVICES, handles, ctypes.byref(found)):
        return []

    def describe(place: int, handle: int | None) -> Device:
        opened = display(PLATFORM_DEVICE, handle, None)
        usable = bool(opened and library.eglInitialize(opened, None, None))
        if usable:
            library.eglTerminate(opened)
        value, content, size = ctypes.c_ssize_t(), (ctypes.c_ubyte * 16)(), number()
        is_card = attribute is not None and attribute(handle, CUDA_DEVICE, ctypes.byref(value))
        told = binary is not None and binary(handle, DEVICE_UUID, 16, content, ctypes.byref(size))
        own = f"GPU-{uuid.UUID(bytes=bytes(content))}" if told and size.value == 16 else ""
        renderer = text(handle, RENDERER) if text is not None else None
        return Device(place, usable, value.value if is_card else None, own, (renderer or b"").decode(errors="replace"))

    return [describe(place, handles[place]) for place in range(found.value)]


if __name__ == "__main__":
    print(json.dumps([asdict(one) for one in query()]))
