"""`evaluate`: the paper's test protocol on a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirl import config as configs
from mirl.checkpoint import read_latest
from mirl.commands.options import Parser, choose_of, positive_number, print_table, require_option
from mirl.config import ConfigError
from mirl.film import Film
from mirl.folder import read_record, refuse_blocked
from mirl.paper import EvaluateOptions, Paper
from mirl.run import Header


def run(paper: Paper, words: Sequence[str]) -> int:
    """Judge a trained run with the paper's test protocol. Config fields may be given as for train."""
    parser = Parser(paper, "evaluate", run.__doc__ or "")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="a run directory with a checkpoint")
    parser.add_argument("--episodes", type=positive_number, metavar="N", help="evaluation episodes per test task")
    parser.add_argument("--setting", default=paper.settings[0], metavar="NAME", help=", ".join(paper.settings))
    parser.add_argument("--video", type=Path, metavar="OUT.mp4", help="film some episodes; .mp4 or .webm")
    options, fields = parser.parse_known_args(words)
    require_option(options, "run_dir", fields)
    film = Film(options.video) if options.video else None
    if film is not None:
        refuse_blocked("--video", film.path)
    setting = choose_of(paper, "setting", options.setting, paper.settings)
    header, config = load_run(paper, options.run_dir)
    config = configs.parse(config, fields, paper.name, parser.names)
    if film is not None:  # before anything is played, as the folder may not be to be made
        film.path.parent.mkdir(parents=True, exist_ok=True)
    metrics = paper.evaluate(options.run_dir, header, config, EvaluateOptions(options.episodes, setting, film))
    print_table([("metric", "value"), *((name, f"{value:.6g}") for name, value in metrics.items())])
    return 0


def load_run(paper: Paper, directory: Path) -> tuple[Header, Any]:
    """Who a run directory belongs to and the config it was trained with; raises ConfigError without a checkpoint."""
    record = read_record(directory)
    if record is None:
        raise ConfigError(f"--run-dir {directory} is not a run directory (it has no run.json)")
    if record["paper"] != paper.name:
        raise ConfigError(f"--run-dir {directory} is a run of {record['paper']}, not of {paper.name}")
    if read_latest(directory) is None:
        raise ConfigError(f"--run-dir {directory} has no checkpoint yet")
    stored = dict(record["config"])
    try:
        names = [name for name in Header.__dataclass_fields__ if name != "paper"]
        header = Header(paper.name, **{name: stored.pop(name) for name in names})
    except KeyError as field:
        raise ConfigError(f"--run-dir {directory} was written by another version: its config lacks {field}") from None
    default = paper.configure(header.task, header.method, header.fidelity)
    return header, configs.from_dictionary(default, stored)
