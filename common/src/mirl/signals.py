"""The signals that stop a run at its next checkpoint."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(Exception):  # noqa: N818 - it is no error
    """Somebody asked a command to stop, and it did. Its text is one line."""


@contextlib.contextmanager
def stop_signals_held() -> Iterator[None]:
    """Processes started meanwhile never see SIGINT and SIGTERM: a terminal and `mirl run` send them to the whole
    group, but the run is to end at its next checkpoint, for which it needs its workers."""
    resource_tracker.ensure_running()  # the first process of all would start it, and that lets the signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
