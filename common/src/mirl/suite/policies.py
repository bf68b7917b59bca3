"""Policies of published runs: kept by `mirl publish`, tested and filmed by `mirl watch`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mirl.config import ConfigError
from mirl.files import read_json
from mirl.policy import FACTS, FOLDER, LARGEST_BYTES, fault_of, size_of, unpack
from mirl.suite import venvs
from mirl.suite.experiments import RunSpec
from mirl.suite.manifests import read_manifest
from mirl.suite.results import choose_published, published_directory, published_runs, run_directory
from mirl.suite.runner import paper_python


def keep(root: Path, spec: RunSpec) -> str:
    """Put a finished run's policy beside its published tables; says what was kept, or why not.

    The paper's own program reads the checkpoint, so nothing new is kept where the paper is not set up. An older policy
    stays as long as it is that of the run which is published now.
    """
    target = published_directory(root, spec) / FOLDER
    with tempfile.TemporaryDirectory(prefix="mirl-policy-") as folder:
        draft = Path(folder) / FOLDER
        lack = write_draft(root, spec, draft)
        old = target.is_dir() and not fault_of(target, read_manifest(target.parent, spec))
        if lack and old:
            return f"the policy that was there ({lack})"
        shutil.rmtree(target, ignore_errors=True)
        if lack:
            return f"no policy ({lack})"
        shutil.copytree(draft, target)
    return f"policy after {read_json(target / FACTS)['env_step']:,} env steps, {size_of(target):,} bytes"


def write_draft(root: Path, spec: RunSpec, draft: Path) -> str:
    """Let the paper write a run's policy; returns why there is none, '' where there is."""
    try:
        python = paper_python(root, spec.paper)
    except ConfigError as error:
        return str(error)
    words = ["policy", "--run-dir", str(run_directory(root, spec)), "--out", str(draft)]
    done = subprocess.run(
        [str(python), "-m", spec.paper, *words],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, env=venvs.clean_environment(),
    )  # fmt: skip
    if done.returncode != 0:
        return last_line(done.stderr)
    size = size_of(draft)
    return f"{size:,} bytes, {LARGEST_BYTES:,} are kept at most" if size > LARGEST_BYTES else ""


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def choose_policy(root: Path, paper: str, task: str, labelled: str, budget: str | None, seed: int | None) -> RunSpec:
    """The published policy that is meant, as `choose_published`."""
    kept = [spec for spec in published_runs(root, paper) if (published_directory(root, spec) / FOLDER).is_dir()]
    return choose_published(kept, "policy", f"{paper}/{task}/{labelled}", budget, seed)


def watch(root: Path, spec: RunSpec, out: Path, words: Sequence[str]) -> int:
    """Let the paper test a published policy and film it into `out`; returns its exit code. `words`: for `evaluate`."""
    published = published_directory(root, spec)
    with tempfile.TemporaryDirectory(prefix="mirl-watch-") as folder:
        directory = Path(folder) / "run"
        unpack(published / FOLDER, read_manifest(published, spec), directory)
        command = [str(paper_python(root, spec.paper)), "-m", spec.paper, "evaluate", "--run-dir", str(directory)]
        done = subprocess.run(
            [*command, "--video", str(out.resolve()), *words], stdin=subprocess.DEVNULL, env=venvs.clean_environment()
        )
    return done.returncode
