"""How the environments' inner functions are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

from amigo.envs.tasks import Layout

Function = TypeVar("Function", bound=Callable[..., object])
njit: Any = numba.njit
typeof: Any = numba.typeof

VOID, BOOLEAN, INT = types.void, types.boolean, types.int64
PLACE, POSE, START = typeof((0, 0)), typeof((0, 0, 0)), typeof((0, 0, 0, 0))
"""x, y; with a heading; with a target's colour as well."""
LAYOUT = typeof(Layout(0, 0, 0, 0))
GRID, CELLS, STREAM = types.uint8[:, :, ::1], types.uint8[:, ::1], types.uint32[::1]
"""The grid of one environment; one byte for each of its cells; its random stream."""
SLOTS, PASSAGES = types.int64[:, :, ::1], types.boolean[:, :, ::1]
"""Places of doors, and ways between rooms, by column, row and side."""


def compiled(function: Function) -> Function:
    """`function` compiled by numba for whatever types it is called with.

    It runs outside the interpreter lock and is kept on disk, where numba finds a folder that it may write to.
    """
    return compile_with([], function)


def compiled_as(signature: Any) -> Callable[[Function], Function]:
    """As `compiled`, for one signature: else each mixture of literals, bytes and whole numbers is compiled anew."""
    return lambda function: compile_with([signature], function)


def compile_with(signatures: list[Any], function: Function) -> Function:
    """numba's function, from its cache or into it where there can be one."""
    try:
        result: Function = njit(*signatures, cache=True, nogil=True)(function)
    except RuntimeError:  # no folder to keep it in
        result = njit(*signatures, nogil=True)(function)
    return result
