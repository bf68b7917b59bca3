"""python -m sami: train, evaluate, demo, describe, bench, or the original's own command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mirl.paper import Paper, main
from sami.bench import bench
from sami.check import check
from sami.config import CONFIGS
from sami.describe import parameter_counts, versions
from sami.evaluate import SETTINGS, evaluate
from sami.fidelity import FIDELITIES, configure
from sami.files import OUTPUTS
from sami.original import ALIASES, translate
from sami.probe import probe
from sami.settings import TASKS
from sami.state import write_policy
from sami.train import train

PAPER = Paper(
    name="sami",
    project=Path(__file__).parents[2],
    tasks=TASKS,
    methods=tuple(CONFIGS),
    fidelities=FIDELITIES,
    configure=configure,
    train=train,
    evaluate=evaluate,
    settings=SETTINGS,
    parameter_counts=parameter_counts,
    bench=bench,
    probe=probe,
    original=translate,
    versions=versions,
    outputs=OUTPUTS,
    policy=write_policy,
    check=check,
)


def without_aliases(words: Sequence[str]) -> list[str]:
    """`--method SaSAC`, as the released code spells it, is satesac."""
    given = list(words)
    for place, word in enumerate(given):
        option, equals, value = word.partition("=")
        if option == "--method" and equals:
            given[place] = f"--method={ALIASES.get(value.lower(), value)}"
        elif option == "--method" and place + 1 < len(given):
            given[place + 1] = ALIASES.get(given[place + 1].lower(), given[place + 1])
    return given


if __name__ == "__main__":
    raise SystemExit(main(PAPER, without_aliases(sys.argv[1:])))
