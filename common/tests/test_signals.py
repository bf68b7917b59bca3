"""Workers started while stop signals are held never see them; the run itself hears them again."""

from __future__ import annotations

import signal

from mirl.signals import stop_signals_held


def test_stop_signals_are_heard_again_once_workers_are_started():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with stop_signals_held():
        assert {signal.SIGINT, signal.SIGTERM} <= signal.pthread_sigmask(signal.SIG_BLOCK, set())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before
