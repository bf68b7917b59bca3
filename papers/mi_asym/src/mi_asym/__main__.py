"""python -m mi_asym: train, evaluate, demo, describe, bench, the stages before, or the original's own command lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mi_asym.bench import bench
from mi_asym.config import FIDELITIES, METHODS, configure
from mi_asym.describe import parameter_counts, versions
from mi_asym.envs import TASKS
from mi_asym.evaluate import SETTINGS, evaluate
from mi_asym.original import is_script, translate
from mi_asym.stage_commands import STAGES
from mi_asym.train import train
from mirl.config import ConfigError
from mirl.files import describe_os_error
from mirl.paper import Paper
from mirl.paper import main as run_paper
from mirl.run import Interrupted

PAPER = Paper(
    name="mi_asym",
    project=Path(__file__).parents[2],
    tasks=TASKS,
    methods=METHODS,
    fidelities=FIDELITIES,
    configure=configure,
    train=train,
    evaluate=evaluate,
    settings=SETTINGS,
    parameter_counts=parameter_counts,
    bench=bench,
    original=translate,
    versions=versions,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The suite's command line, and before it the two stages and the original's scripts."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and (is_script(words[0]) or words[0].startswith("--config_")):
            words = translate(words)
        if words and words[0] in STAGES:
            return STAGES[words[0]](PAPER, words[1:])
    except ConfigError as error:
        complaint, code = str(error), 2
    except OSError as error:
        complaint, code = describe_os_error(error), 1
    except Interrupted as stop:
        complaint, code = str(stop), 128 + stop.signal_number
    else:
        return run_paper(PAPER, words)
    print(f"mi_asym: {complaint}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
