"""`make gpu-table`: counts what every PyTorch method asks of a card, and renews the table of docs/gpu.md.

The counts are those of tests/simulated_device, at the papers' own sizes; 20 minutes on one core.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/gpu.md"
PAPERS = ("amigo", "mi_asym", "mime", "sami")
BLOCK = re.compile(r"(<!-- launches -->\n).*?(<!-- end -->)", re.DOTALL)
H100_FLOP_PER_S = 67e12
"""float32 without tensor cores, NVIDIA's data sheet of the H100 SXM; mirl leaves TF32 off."""
SHARE = 0.5
LAUNCH_US = (5, 10)
COLUMNS = (
    "method", "acting: launches", "waits a turn", "env steps a turn", "an update: launches", "waits",
    *(f"ms at {us} µs" for us in LAUNCH_US), "arithmetic ms",
)  # fmt: skip


def counted(paper: str, *methods: str) -> list[dict[str, Any]]:
    """The counts of a paper's methods (default: all), in its own environment."""
    python = ROOT / "papers" / paper / ".venv/bin/python"
    words = [str(python), "tests/simulated_device/table.py", paper, *methods]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    turns, act, update = row["turns"], row["act"], row["update"]
    costs = [f"{update['launches'] * us / 1000:.2f}" for us in LAUNCH_US]
    arithmetic = 1000 * row["update_flop"] / (SHARE * H100_FLOP_PER_S)
    return (
        f"{row['paper']} {row['method']}", f"{act['launches'] / turns:.0f}", f"{act['waits'] / turns:.2f}",
        f"{row['env_steps'] / turns:.0f}", f"{update['launches']:,}", str(update["waits"]), *costs, f"{arithmetic:.3f}",
    )  # fmt: skip


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """All of it in Markdown."""
    lines = [COLUMNS, ("---", *("---:",) * (len(COLUMNS) - 1)), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def renewed(text: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """A page with the table of these counts."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{table(rows)}\n\n{match[2]}", text)


def main() -> None:
    rows = [row for paper in PAPERS for row in counted(paper)]
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(rows)} methods\n")


if __name__ == "__main__":
    main()
