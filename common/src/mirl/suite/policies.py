"""Published policies, tested and filmed by `mirl watch`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mirl.exhibits import FILM, POLICY
from mirl.policy import unpack
from mirl.suite import venvs
from mirl.suite.exhibits import Kept, keep
from mirl.suite.manifests import read_manifest
from mirl.suite.results import published_directory, published_runs
from mirl.suite.runner import paper_python
from mirl.suite.selection import RunSpec


def published_policies(root: Path, paper: str) -> list[RunSpec]:
    """Those of a paper's published runs that have one, as `published_runs`."""
    return [spec for spec in published_runs(root, paper) if (published_directory(root, spec) / POLICY.name).is_dir()]


def watch(root: Path, spec: RunSpec, out: Path, words: Sequence[str]) -> int:
    """Let the paper test a published policy and film it into `out`; returns its exit code. `words`: for `evaluate`."""
    with unpacked(root, spec) as directory:
        command = [str(paper_python(root, spec.paper)), "-m", spec.paper, "evaluate", "--run-dir", str(directory)]
        done = subprocess.run(
            [*command, "--video", str(out.resolve()), *words], stdin=subprocess.DEVNULL, env=venvs.clean_environment()
        )
    return done.returncode


def publish_film(root: Path, spec: RunSpec, words: Sequence[str]) -> Kept:
    """Film a published policy for the report, beside its run. `words`: for the paper's `film`."""
    with unpacked(root, spec) as directory:
        return keep(root, spec, FILM, directory, words)


@contextmanager
def unpacked(root: Path, spec: RunSpec) -> Iterator[Path]:
    """A run directory that `evaluate` takes, with a published policy in it; raises ConfigError for a damaged one."""
    published = published_directory(root, spec)
    with tempfile.TemporaryDirectory(prefix="mirl-watch-") as folder:
        directory = Path(folder) / "run"
        unpack(published / POLICY.name, read_manifest(published, spec), directory)
        yield directory
