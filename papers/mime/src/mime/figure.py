"""Trajectories of finished runs side by side: `python -m mime.figure --run-dir A --run-dir B --output P.png`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mime.__main__ import PAPER
from mime.config import MamlConfig
from mime.evaluate import environment_for, run_tests, trained_agent
from mime.trajectories import draw_trajectories, scene_of
from mirl.arithmetic import set_up_torch
from mirl.commands.evaluate import load_run
from mirl.commands.options import Flags
from mirl.config import ConfigError
from mirl.files import describe_os_error
from mirl.run import Header

SUFFIXES = (".png", ".svg", ".pdf")
INCHES = 5.0
"""Width and height of each panel."""
TITLES = {"maml": "MAML", "maml_noise": "MAML+noise", "maml_expl": "MAML+expl", "mime": "MIME", "e_maml": "E-MAML"}


def main(words: Sequence[str] | None = None) -> int:
    """Draw how each run's adapted policy behaves on the test tasks; exit codes as of `python -m mime`."""
    parser = Flags("python -m mime.figure", __doc__ or "")
    parser.add_argument("--run-dir", type=Path, action="append", required=True, help="once per panel, from the left")
    parser.add_argument("--output", type=Path, required=True, help="a png, svg or pdf")
    try:
        options = parser.parse_args(words)
        refuse_bad_output(options.output)
        side_by_side(options.run_dir, options.output)
    except ConfigError as error:
        print(f"figure: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"figure: {describe_os_error(error)}", file=sys.stderr)
        return 1
    return 0


def refuse_bad_output(output: Path) -> None:
    """Raises ConfigError for a picture that could not be written; playing what it shows takes minutes."""
    if output.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--output must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, got {output}")
    if output.is_dir() or not output.parent.is_dir():
        raise ConfigError(f"--output {output}: {'is a folder' if output.is_dir() else 'its folder does not exist'}")


def side_by_side(directories: Sequence[Path], output: Path) -> None:
    """One panel per run directory, all of one task. Raises ConfigError for what cannot be drawn."""
    runs = [load_run(PAPER, directory) for directory in directories]
    tasks = {header.task for header, _ in runs}
    if len(tasks) > 1:
        raise ConfigError(f"--run-dir must name runs of one task, got {', '.join(sorted(tasks))}")
    figure = Figure(figsize=(INCHES * len(runs), INCHES), layout="constrained")
    panels = figure.subplots(1, len(runs), squeeze=False)[0]
    several = len({header.seed for header, _ in runs}) > 1
    for axes, directory, (header, config) in zip(panels, directories, runs, strict=True):
        draw_run(axes, directory, header, config)
        axes.set(title=TITLES[header.method] + (f", seed {header.seed}" if several else ""))
    figure.savefig(output, dpi=100)


def draw_run(axes: Axes, directory: Path, header: Header, config: MamlConfig) -> None:
    """The test's adapted episodes of one run; only the first repetition of the protocol is played."""
    if not isinstance(config, MamlConfig):
        raise ConfigError(f"--run-dir {directory} is a run of {header.method}, whose tests are not drawn")
    set_up_torch(config.threads)
    scene = scene_of(environment_for(header.task, header.seed, config))
    if scene is None:
        raise ConfigError(f"--run-dir {directory}: the trajectories of {header.task} do not lie in a plane")
    config = replace(config, evaluation_batches=1)
    (batch,) = run_tests(trained_agent(directory, header, config), config, header.task)
    draw_trajectories(axes, scene, batch.tasks, batch.adapted)
    axes.set(xticks=[], yticks=[])


if __name__ == "__main__":
    raise SystemExit(main())
