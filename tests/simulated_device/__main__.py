"""python tests/simulated_device -m MODULE WORDS...: run a program with a card that is not there."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run the module; exit codes are its own, 2 for a command line without one."""
    if len(sys.argv) < 3 or sys.argv[1] != "-m":
        print("usage: python tests/simulated_device -m MODULE [WORDS ...]", file=sys.stderr)
        raise SystemExit(2)
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from simulated_device import simulated_device

    sys.argv = sys.argv[2:]
    with simulated_device() as counts:
        try:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        finally:
            print(f"simulated device: {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
