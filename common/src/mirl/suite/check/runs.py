"""Checks of run directories: who they are, whether they are whole, whether they are what reproduce.yaml registers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mirl import config as configs
from mirl.exhibits import EXHIBITS, FILM, POLICY, Exhibit, fault_of
from mirl.files import sha256
from mirl.suite.check.findings import Sentences, named
from mirl.suite.check.loader import RunFolder
from mirl.suite.experiments import Experiments
from mirl.suite.manifests import TABLES, DamagedRunError, read_bytes, run_id_of, table_file
from mirl.suite.results import read_state
from mirl.suite.selection import registered_fields


@named("run-place", RunFolder)
def place(run: RunFolder, experiments: Experiments) -> Sentences:
    """A run lies where its manifest says."""
    if run.spec_fault:
        yield run.spec_fault
    elif run.spec and run.manifest and run_id_of(run.manifest) != run.spec.run_id:
        yield f"is the run {run_id_of(run.manifest)} by its manifest and {run.spec.run_id} by its folder"


@named("run-known", RunFolder)
def known(run: RunFolder, experiments: Experiments) -> Sentences:
    """Paper, task, method and variant are in reproduce.yaml."""
    spec = run.spec
    if spec is None:
        return
    entry = experiments.papers.get(spec.paper)
    if entry is None:
        yield f"no paper {spec.paper} in reproduce.yaml"
    elif spec.task not in entry.tasks:
        yield f"no task {spec.task} of {spec.paper} in reproduce.yaml"
    elif spec.method not in entry.tasks[spec.task].methods:
        yield f"no method {spec.method} for {spec.paper}/{spec.task} in reproduce.yaml"
    elif spec.variant and spec.variant not in entry.variants:
        yield f"no variant {spec.variant} of {spec.paper} in reproduce.yaml"


@named("run-finished", RunFolder, "warning")
def finished(run: RunFolder, experiments: Experiments) -> Sentences:
    """A run is finished or still running."""
    if run.place == "published" or run.is_finished or run.record_fault or run.manifest_fault:
        return
    state = read_state(run.path)
    if state.state != "running":
        yield f"{state.state}: {state.reason}" if state.reason else state.state


@named("run-record", RunFolder)
def record(run: RunFolder, experiments: Experiments) -> Sentences:
    """run.json, where there is one, can be read and has the types of the contract."""
    if run.record_fault:
        yield f"run.json {run.record_fault}"


@named("manifest-schema", RunFolder)
def manifest_schema(run: RunFolder, experiments: Experiments) -> Sentences:
    """manifest.json has every field of the contract, each of its type."""
    if run.manifest_fault:
        yield f"manifest.json {run.manifest_fault}"
    elif run.place == "published" and not run.is_finished:
        yield "has no manifest.json"


@named("manifest-run-id", RunFolder)
def manifest_run_id(run: RunFolder, experiments: Experiments) -> Sentences:
    """The run id is made of the manifest's own paper, task, method, variant and seed."""
    if run.manifest and run.manifest.run_id != run_id_of(run.manifest):
        yield f"run_id is {run.manifest.run_id}, the other fields say {run_id_of(run.manifest)}"


@named("manifest-config", RunFolder)
def manifest_config(run: RunFolder, experiments: Experiments) -> Sentences:
    """The config has the recorded sha256 and agrees with the manifest's other fields."""
    if not run.manifest:
        return
    if configs.digest(run.raw["config"]) != run.manifest.config_sha256:
        yield "config does not have the sha256 that config_sha256 records"
    for name in ("task", "method", "variant", "seed", "fidelity", "device"):
        stored = run.raw["config"].get(name, run.raw[name])
        if stored != run.raw[name]:
            yield f"config has {name} {stored!r}, the manifest {run.raw[name]!r}"


@named("manifest-files", RunFolder)
def manifest_files(run: RunFolder, experiments: Experiments) -> Sentences:
    """Every file has the sha256 that the manifest records; published tables once they are unpacked."""
    if not run.manifest:
        return
    for name in TABLES:
        if name not in run.manifest.files:
            yield f"files does not name {name}"
    for name, expected in run.manifest.files.items():
        if name in TABLES:
            content = run.tables.get(name)
            if content is None:
                file = table_file(run.path, name)
                if file is None:
                    yield f"{name} is missing"
                elif run.place != "published":  # there published-small names a damaged archive
                    yield from unreadable(file)
            elif hashlib.sha256(content).hexdigest() != expected:
                yield f"{name} does not have the sha256 that the manifest records"
        elif run.place != "published":
            yield from wrong_file(run.path / name, name, expected)


def wrong_file(path: Path, name: str, expected: str) -> Sentences:
    try:
        if not path.is_file():
            yield f"{name} is missing"
        elif sha256(path) != expected:
            yield f"{name} does not have the sha256 that the manifest records"
    except OSError as error:
        yield f"{name} cannot be read ({error.strerror})"


@named("manifest-complete", RunFolder)
def manifest_complete(run: RunFolder, experiments: Experiments) -> Sentences:
    """A finished run reached the environment steps of its config and ended after it began."""
    if not run.manifest:
        return
    wanted = run.manifest.config.get("total_env_steps", 0)
    if not isinstance(wanted, int):
        yield f"config has total_env_steps {wanted!r}"
    elif run.manifest.env_steps < wanted:
        yield f"ended after {run.manifest.env_steps:,} of {wanted:,} env steps"
    if run.manifest.end < run.manifest.start:
        yield f"ended ({run.manifest.end}) before it began ({run.manifest.start})"


@named("published-fidelity", RunFolder)
def published_fidelity(run: RunFolder, experiments: Experiments) -> Sentences:
    """A published run without variant has the fidelity that its budget registers, else the one that verdicts use."""
    if (
        run.place != "published"
        or not run.spec
        or not run.manifest
        or run.manifest.variant
        or any(known(run, experiments))
    ):
        return
    wanted = registered_fields(experiments, run.spec).get("fidelity", experiments.papers[run.spec.paper].fidelity)
    if run.manifest.fidelity != wanted:
        yield f"has fidelity {run.manifest.fidelity}, verdicts use {wanted}"


@named("published-revision", RunFolder, "warning")
def published_revision(run: RunFolder, experiments: Experiments) -> Sentences:
    """A published run names the commit that made it, and no change beside it."""
    if run.place != "published" or not run.manifest:
        return
    if not run.manifest.git_revision:
        yield "names no git revision"
    elif run.manifest.git_dirty:
        yield f"was made by revision {run.manifest.git_revision[:12]} with changes that are not committed"


@named("published-small", RunFolder)
def published_small(run: RunFolder, experiments: Experiments) -> Sentences:
    """A published run holds its manifest, its two gzipped tables, perhaps policy and film, and nothing else."""
    allowed = {"manifest.json", *(f"{name}.gz" for name in TABLES), *(exhibit.name for exhibit in EXHIBITS)}
    for path in sorted(run.path.iterdir()) if run.place == "published" else ():
        if path.name not in allowed:
            yield f"holds {path.name}; only {', '.join(sorted(allowed))} belong there"
        elif path.suffix == ".gz":
            yield from unreadable(path)


@named("published-policy", RunFolder)
def published_policy(run: RunFolder, experiments: Experiments) -> Sentences:
    """A published policy is small, has the sha256 that it records, and is of the checkpoint that the manifest names."""
    yield from faults(run, POLICY)


@named("published-film", RunFolder)
def published_film(run: RunFolder, experiments: Experiments) -> Sentences:
    """A published film is small, says what it shows, has the sha256 that it records, and is of the run's checkpoint."""
    yield from faults(run, FILM)


def faults(run: RunFolder, exhibit: Exhibit) -> Sentences:
    folder = run.path / exhibit.name
    if run.place == "published" and run.manifest and folder.is_dir():
        fault = fault_of(exhibit, folder, run.raw)
        if fault:
            yield f"{exhibit.name}/{fault}"


def unreadable(path: Path) -> Sentences:
    try:
        read_bytes(path)
    except DamagedRunError as damage:
        yield damage.short
