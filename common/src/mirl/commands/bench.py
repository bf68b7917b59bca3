"""`bench`: how fast a paper's code is here, beside how fast the machine is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mirl.commands.options import Parser, choose_of, print_table
from mirl.measure import calibrate
from mirl.paper import Paper


def run(paper: Paper, words: Sequence[str]) -> int:
    """Measure acting, updating and both together, beside the machine's own speed."""
    parser = Parser(paper, "bench", run.__doc__ or "")
    parser.add_argument("--task", default=paper.tasks[0], metavar="T", help=", ".join(paper.tasks))
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_all(words)
    task = choose_of(paper, "task", options.task, paper.tasks)
    calibration = calibrate()
    rows = list(paper.bench(task))
    if options.json:
        print(json.dumps({"paper": paper.name, "task": task, "calibration": calibration, "rows": rows}, indent=2))
        return 0
    print_table([("this machine", "value"), *((name, f"{value:.3g}") for name, value in calibration.items())])
    print()
    print_table(
        [
            (f"{paper.name} {task}", "value", "unit", "over plain"),
            *((row["name"], f"{row['value']:,.4g}", row["unit"], times(row.get("ratio_to_plain"))) for row in rows),
        ]
    )
    return 0


def times(ratio: float | None) -> str:
    """'12.3x', or nothing where no plain twin was timed."""
    return f"{ratio:.1f}x" if ratio else ""
