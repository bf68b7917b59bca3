"""`policy`: what `evaluate` reads of a trained run, small enough to publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirl.commands.evaluate import load_run
from mirl.commands.options import Parser, require_option
from mirl.config import ConfigError
from mirl.exhibits import POLICY, size_of, write_facts
from mirl.folder import refuse_blocked
from mirl.paper import Paper
from mirl.policy import TOO_LARGE, pack, saved_folder


def run(paper: Paper, words: Sequence[str]) -> int:
    """Write the weights of a trained run, without what only training needs, into a new folder."""
    parser = Parser(paper, "policy", run.__doc__ or "")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="a run directory with a checkpoint")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="a folder that is not there yet")
    options = parser.parse_all(words)
    for field in ("run_dir", "out"):
        require_option(options, field, ())
    if paper.policy is None:
        raise ConfigError(f"the networks of {paper.name} {TOO_LARGE}")
    if options.out.exists():
        raise ConfigError(f"--out {options.out} is there already")
    refuse_blocked("--out", options.out)
    load_run(paper, options.run_dir)
    saved = saved_folder(options.run_dir)
    options.out.mkdir(parents=True)
    paper.policy(saved, options.out)
    pack(options.out)
    write_facts(POLICY, options.out, options.run_dir)
    print(f"{options.out}: {size_of(options.out):,} bytes")
    return 0
