"""Clocks that say when something is due, and the progress line that says how long it will take."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class Clock:
    """`clock(env_step)` is True each time another multiple of `every` environment steps has been passed.

    `every` is in environment steps, with action repeat; 0 means at every call. Its state is one number, so that a
    continued run keeps the rhythm of the interrupted one.
    """

    def __init__(self, every: int, last: int = 0) -> None:
        if every < 0:
            raise ValueError(f"a clock's period must not be negative, got {every}")
        self.every = every
        self.last = last

    def __call__(self, env_step: int) -> bool:
        due = self.every == 0 or env_step // self.every > self.last // self.every
        if due:
            self.last = env_step
        return due


class Progress:
    """Prints how far a run is: in place on a terminal, a line every half minute elsewhere."""

    def __init__(self, name: str, total: int, start: int = 0, stream: TextIO | None = None) -> None:
        """`total` and `start` in environment steps; `stream` is stderr by default."""
        self.name, self.total, self.start = name, total, start
        self.stream = stream or sys.stderr
        self.in_place = self.stream.isatty()
        self.period_s = 0.5 if self.in_place else 30.0
        self.began = time.monotonic()
        self.shown_at = -float("inf")
        self.shown_step: int | None = None
        self.env_step = start

    @property
    def env_steps_per_s(self) -> float:
        """Environment steps a second since this attempt began."""
        return (self.env_step - self.start) / max(time.monotonic() - self.began, 1e-9)

    def __call__(self, env_step: int, note: str = "") -> None:
        """Tell how far the run is, unless that was told a moment ago; the end is always told, once."""
        self.env_step = env_step
        due = time.monotonic() - self.shown_at >= self.period_s or env_step >= self.total
        if not due or env_step == self.shown_step:
            return
        self.shown_at, self.shown_step = time.monotonic(), env_step
        line = f"{self.name}  {describe_progress(env_step, self.total, self.env_steps_per_s)}"
        line += f"  {note}" if note else ""
        if self.in_place:
            width = shutil.get_terminal_size().columns - 1
            line = "\r\x1b[K" + (line if len(line) <= width else line[: width - 1] + "…")
        self.stream.write(line if self.in_place else line + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Leave a line that was written in place."""
        if self.in_place and self.shown_step is not None:
            self.stream.write("\r\n")
            self.stream.flush()
            self.shown_step = None


def describe_progress(env_step: int, total: int, env_steps_per_s: float) -> str:
    """'480,000 / 4,120,000 env steps  11.7 %  39,812/s  eta 1 min 31 s'."""
    share = 100 * min(1.0, env_step / max(total, 1))
    left = max(total - env_step, 0)
    eta = f"  eta {describe_duration(left / env_steps_per_s)}" if left and env_steps_per_s > 0 else ""
    return f"{env_step:,} / {total:,} env steps  {share:.1f} %  {env_steps_per_s:,.0f}/s{eta}"


def describe_duration(seconds: float) -> str:
    """Two units at most: '45 s', '1 min 31 s', '3 h 05 min', '2 d 4 h'."""
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, second = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    if minutes:
        return f"{minutes} min {second:02d} s"
    return f"{second} s"
