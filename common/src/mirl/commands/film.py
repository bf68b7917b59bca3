"""`film`: what a trained policy does, small enough to stand beside its published run."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from mirl.commands.evaluate import load_run
from mirl.commands.options import Parser, choose_of, positive_number, require_option
from mirl.config import ConfigError
from mirl.exhibits import FILM, size_of, write_facts
from mirl.film import Film
from mirl.folder import refuse_blocked
from mirl.paper import EvaluateOptions, Paper


def run(paper: Paper, words: Sequence[str]) -> int:
    """Film a trained run into a new folder: a WebM, its last picture, and both in words for the report."""
    parser = Parser(paper, "film", run.__doc__ or "")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="a run directory with a checkpoint")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="a folder that is not there yet")
    parser.add_argument("--episodes", type=positive_number, default=1, metavar="N", help="episodes of the test")
    parser.add_argument("--setting", default=paper.settings[0], metavar="NAME", help=", ".join(paper.settings))
    options = parser.parse_all(words)
    for field in ("run_dir", "out"):
        require_option(options, field, ())
    setting = choose_of(paper, "setting", options.setting, paper.settings)
    if options.out.exists():
        raise ConfigError(f"--out {options.out} is there already")
    refuse_blocked("--out", options.out)
    header, config = load_run(paper, options.run_dir)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=f".{options.out.name}.") as folder:
        draft = Path(folder) / FILM.name
        draft.mkdir()
        moving, still = (draft / name for name in FILM.holds)
        film = Film(moving)
        paper.evaluate(options.run_dir, header, config, EvaluateOptions(options.episodes, setting, film))
        film.write_poster(still)
        write_facts(FILM, draft, options.run_dir, film.texts)
        draft.rename(options.out)
    print(f"{options.out}: {size_of(options.out):,} bytes. {film.texts['caption']}")
    return 0
