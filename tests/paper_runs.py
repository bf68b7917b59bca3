"""A paper's runs as a person or a scheduler meets them: processes, signals, and the tables that they leave."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """`python -m <paper>`; none of its processes may take longer than `patience_s`."""

    paper: str
    patience_s: float = 170.0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=self.patience_s)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin; what it says on stderr can be read."""
        return subprocess.Popen(self.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def stopped(self, *words: str, when: Callable[[], object], kill: signal.Signals = signal.SIGTERM) -> str:
        """Send the trainer that these words begin a signal once `when` is true; what it said on stderr.

        It must not have ended by itself, and it must end as the signal asks.
        """
        process = self.start(*words)
        wait_for(process, when, self.patience_s)
        process.send_signal(kill)
        _, said = process.communicate(timeout=self.patience_s)
        asked = process.returncode == (-kill if kill is signal.SIGKILL else 128 + kill)
        assert asked, f"it ended with {process.returncode}: {said}"
        return said

    def continues(self, *words: str) -> None:
        """The same words once more go on and come to the end."""
        resumed = self.run(*words)
        assert resumed.returncode == 0, resumed.stderr
        assert "continuing" in resumed.stdout

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", self.paper, *words]


def wait_for(process: subprocess.Popen[str], when: Callable[[], object], patience_s: float) -> None:
    """Until something is true; the process must live as long."""
    deadline = time.monotonic() + patience_s
    while not when():
        assert process.poll() is None, f"it ended before it could be stopped: {process.communicate()[1]}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def saved_step(directory: Path) -> int:
    """The env step of a run's newest checkpoint, 0 where there is none."""
    path = directory / "checkpoint" / "latest.json"
    return int(json.loads(path.read_text())["env_step"]) if path.exists() else 0


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file with a header."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def records(directory: Path) -> list[tuple[str, str, str]]:
    """What a run measured, without times: (env_step, name, value)."""
    found = [(row["env_step"], row["name"], row["value"]) for row in rows(directory / "metrics.csv")]
    return [record for record in found if not record[1].startswith("time/")]
