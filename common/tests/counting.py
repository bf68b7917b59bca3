"""What the tests of workers let work: it counts, sleeps, fails, dies. Apart, so that a worker starts without pytest."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from mirl.config import ConfigError


class StubbornError(ValueError):
    """An error that no pickle brings back: its making takes two arguments, and it keeps one."""

    def __init__(self, field: str, value: int) -> None:
        super().__init__(f"{field} is {value}")


FAULTS: dict[str, Any] = {
    "ValueError": ValueError("actions must be 0 to 6, got 9"),
    "ConfigError": ConfigError("--setting must be ratio_0.1, got x"),
    "OSError": FileNotFoundError(2, "No such file or directory", "natural_train.pkl"),
    "MemoryError": MemoryError("Unable to allocate 3 GiB"),
    "KeyError": KeyError("no-such-class"),
    "EOFError": EOFError("the file is torn"),
    "BrokenPipeError": BrokenPipeError("ffmpeg has gone"),
    "StubbornError": StubbornError("mass", 3),
}


class Counter:
    """Counts its calls from `start` on."""

    def __init__(self, start: int = 0) -> None:
        if start < 0:
            raise ValueError(f"start must be at least 0, got {start}")
        self.count = start

    def add(self, number: int) -> int:
        self.count += number
        return self.count

    def square(self, number: int) -> int:
        """Depends on the number alone; small ones take longest, so that they come in last."""
        time.sleep(0.01 if number < 2 else 0)
        return number * number

    def echo(self, content: Any) -> Any:
        return content

    def pid(self, _: int = 0) -> int:
        time.sleep(0.05)
        return os.getpid()

    def fail(self, name: str) -> None:
        raise FAULTS[name]

    def die(self, code: int) -> None:
        os._exit(code)

    def unsendable(self) -> Any:
        return threading.Lock()

    def sleep(self, seconds: float, told: str) -> None:
        """Says so in a file first."""
        Path(told).touch()
        time.sleep(seconds)

    def close(self) -> None:
        self.count = -1
