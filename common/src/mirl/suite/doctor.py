"""`mirl doctor`: what this host has and what is missing, with the command that mends it.

Everything is tried, not guessed: a daemon must answer, a library must load, an environment must be of its present lock.
Only the standard library is used: `make doctor` runs this file where nothing is set up yet.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mirl import cards
from mirl.config import ConfigError
from mirl.suite import containers, gpus, host, venvs

State = Literal["ok", "missing", "optional"]
PATIENCE_S = 20.0
"""How long a program may take to answer."""
LEAST_MEMORY_GIB = 2.0
LEAST_DISK_GIB = 5.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    name: str
    state: State
    """`optional`: absent, and most of mirl works without it."""
    seen: str
    mend: str = ""
    """The command, or the step, that makes it ok."""


def examine(root: Path, needed: str | None = None) -> list[Finding]:
    """Everything about this host. `needed`: the paper that must be ready; the others' environments are optional."""
    projects = sorted(path.parent for path in root.glob("papers/*/pyproject.toml"))
    return [
        cores(), memory(), disk(root), locks(root), python(), *programs(), suite_environment(root),
        *(one for project in projects for one in paper_environment(project, project.name == needed)),
        gpu(), *graphics(), docker(), tool("podman"), tool("buildah"), slurm(),
    ]  # fmt: skip


def healthy(findings: Iterable[Finding]) -> bool:
    """False where something is missing that is needed."""
    return all(finding.state != "missing" for finding in findings)


def answer(*command: str) -> tuple[bool, str]:
    """Whether a program ends well within PATIENCE_S, and the first line that it prints."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {PATIENCE_S:.0f} s"
    except OSError as error:
        return False, error.strerror or str(error)
    printed = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return done.returncode == 0, printed[0].strip() if printed else ""


# The machine.


def cores() -> Finding:
    return Finding("processor cores", "ok", f"{host.usable_cores():g}")


def memory() -> Finding:
    total, free = host.memory_gib()
    seen = f"{free:.1f} GiB free of {total:.1f}"
    if free >= LEAST_MEMORY_GIB:
        return Finding("memory", "ok", seen)
    return Finding("memory", "missing", seen, f"free some; a small run takes up to {LEAST_MEMORY_GIB:.0f} GiB")


def disk(root: Path) -> Finding:
    results = root / "results"
    place = results if results.exists() else root
    free = shutil.disk_usage(place).free / 2**30
    seen = f"{free:.1f} GiB free for results"
    if not os.access(place, os.W_OK):
        return Finding("disk", "missing", f"{seen}, but {place} cannot be written", f"sudo chown -R $(id -u) {place}")
    if free >= LEAST_DISK_GIB:
        return Finding("disk", "ok", seen)
    return Finding("disk", "missing", seen, f"free some; an environment takes up to {LEAST_DISK_GIB:.0f} GiB")


def locks(root: Path) -> Finding:
    """Run directories are locked with flock, which some network file systems lack."""
    place = root / "results" if (root / "results").exists() else root
    try:
        with tempfile.TemporaryFile(dir=place) as one:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        kind, mounted = file_system(place)
        return Finding(
            "locks", "missing", f"{place} lies on {kind} ({mounted}), where flock fails: {error.strerror or error}",
            "make results a link to a local disk, or have the file system mounted with locks (NFS: without nolock)",
        )  # fmt: skip
    return Finding("locks", "ok", f"{file_system(place)[0]} under results locks files")


def file_system(place: Path) -> tuple[str, str]:
    """The kind of file system that a path lies on, and where that is mounted."""
    found = ("an unknown file system", "?")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        mounted, kind = line.split()[1:3]
        where = Path(mounted.encode().decode("unicode_escape"))
        if where in (place.resolve(), *place.resolve().parents) and len(mounted) >= len(found[1]):
            found = (kind, mounted)
    return found


# What set-up and runs need.


def python() -> Finding:
    """The interpreter that makes the papers' environments."""
    names = dict.fromkeys([os.environ.get("PYTHON", "python3.11"), "python3.11", "python3.12"])
    starting = [path for path in filter(None, map(shutil.which, names)) if answer(path, "-c", "")[0]]
    for path in starting:
        works, version = answer(path, "-c", "import sys, ensurepip, venv; print(sys.version.split()[0])")
        if works:
            return Finding("Python", "ok", f"{version} with venv")
    for path in starting:
        return Finding(
            "Python", "missing", f"{Path(path).name} without venv", f"sudo apt-get install -y {Path(path).name}-venv"
        )
    if sys.version_info[:2] in ((3, 11), (3, 12)) and importlib.util.find_spec("ensurepip"):
        return Finding("Python", "ok", f"{sys.version.split()[0]} with venv, as {sys.executable}")
    return Finding(
        "Python", "missing", "no python3.11 or python3.12",
        "sudo apt-get install -y python3.11-venv   # Debian 12; python3.12-venv on Ubuntu 24.04",
    )  # fmt: skip


def programs() -> Iterator[Finding]:
    if path := shutil.which("make"):
        yield Finding("make", "ok", answer(path, "--version")[1])
    else:
        yield Finding("make", "missing", "not found", "sudo apt-get install -y make")
    if path := shutil.which("git"):
        yield Finding("git", "ok", answer(path, "--version")[1])
    else:
        yield Finding("git", "optional", "not found; manifests name no revision", "sudo apt-get install -y git")


def suite_environment(root: Path) -> Finding:
    """The one that this very program runs in, unless nothing is set up yet; `make` may find it outdated."""
    project = root / "common"
    is_suite = importlib.util.find_spec("typer") is not None
    if is_suite and Path(sys.prefix).resolve() != (project / ".venv").resolve():
        return Finding("suite environment", "ok", f"runs from {sys.prefix}")
    return environment("suite environment", project, "make suite", False)


def paper_environment(project: Path, needed: bool) -> Iterator[Finding]:
    """The paper's virtual environment and the system packages of its apt.txt."""
    name = project.name
    mend = f"make setup PAPER={name}"
    state = environment(f"{name} environment", project, mend, needed)
    yield state
    if not (project / "apt.txt").exists():
        return
    if not shutil.which("dpkg-query"):
        lines = (project / "apt.txt").read_text().splitlines()
        packages = " ".join(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        yield Finding(f"{name} packages", "optional", "no dpkg here to ask", f"install what corresponds to: {packages}")
    elif missing := venvs.missing_system_packages(project):
        absent: State = "missing" if needed or state.state == "ok" else "optional"
        yield Finding(f"{name} packages", absent, f"not installed: {', '.join(missing)}",
                      f"sudo apt-get install -y --no-install-recommends {' '.join(missing)}")  # fmt: skip
    else:
        yield Finding(f"{name} packages", "ok", "all of apt.txt")


def environment(name: str, project: Path, mend: str, needed: bool) -> Finding:
    """A virtual environment: of the present lock, of another one, half made, or absent."""
    absent: State = "missing" if needed else "optional"
    if not (project / ".venv").exists():
        return Finding(name, absent, "not set up", mend)
    for device in venvs.DEVICES:
        if venvs.requirements(project, device).exists() and venvs.is_ready(project, device):
            works, version = answer(str(project / ".venv/bin/python"), "--version")
            kind = "" if venvs.requirements(project, device).name == "requirements-suite.txt" else f", {device}"
            return Finding(name, "ok", version + kind) if works else Finding(name, absent, f"broken: {version}", mend)
    half_made = not (project / ".venv/.ready").exists()
    seen = "its set-up did not end" if half_made else "made from another lock than the present one"
    return Finding(name, absent, seen, mend)


# What makes it faster, or runs it elsewhere.


def gpu() -> Finding:
    path = shutil.which("nvidia-smi")
    if not path:
        return Finding(
            "GPU", "optional", "no nvidia-smi; runs use the processor", "install the NVIDIA driver, if there is a GPU"
        )
    works, seen = answer(path, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if works and seen:
        here = cards.all_cards()
        told = f"{len(here)} × {seen}" if len(here) > 1 else seen
        try:
            hidden = cards.why_hidden(here)
        except ConfigError as error:
            hidden = str(error)
        if hidden:
            return Finding(
                "GPU", "optional", f"{told}; {hidden}", f"unset {cards.VISIBLE}, or name a card that is here"
            )
        taken = [f"{card.uuid} by {' and '.join(held)}" for card in here if (held := gpus.holders(card))]
        return Finding("GPU", "ok", "; in use: ".join([told, *(["; ".join(taken)] if taken else [])]))
    return Finding(
        "GPU", "optional", f"nvidia-smi is there, but: {seen or 'it lists no GPU'}", "load or update the NVIDIA driver"
    )


def graphics() -> Iterator[Finding]:
    """Libraries that draw without a screen."""
    for name, libraries, package in (
        ("EGL", ("libEGL.so.1", "libEGL.so"), "libegl1"),
        ("OSMesa", ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"), "libosmesa6"),
    ):
        found = next((library for library in libraries if loads(library)), None)
        if found:
            yield Finding(f"headless {name}", "ok", f"{found} loads")
        else:
            yield Finding(
                f"headless {name}", "optional", f"{libraries[0]} does not load", f"sudo apt-get install -y {package}"
            )


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def docker() -> Finding:
    """A client and the daemon behind it are two things."""
    path = shutil.which("docker")
    if not path:
        return Finding("docker", "optional", "not found", "sudo apt-get install -y docker.io")
    works, server = answer(path, "version", "--format", "{{.Server.Version}}")
    if works and server:
        if cards.all_cards() and not containers.has_toolkit(path):
            return Finding(
                "docker", "optional", f"daemon {server}, whose containers get no GPU: no NVIDIA Container Toolkit here",
                "install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker",
            )  # fmt: skip
        return Finding("docker", "ok", f"daemon {server}")
    client = f"{answer(path, '--version')[1].partition(',')[0]} (client)"
    if "permission denied" in server.lower():
        mend = "sudo usermod -aG docker $USER   # then log in again"
        return Finding("docker", "optional", f"{client}, but its daemon refuses this user", mend)
    if not shutil.which("dockerd"):
        mend = "sudo apt-get install -y docker.io"
    else:
        mend = "sudo systemctl start docker" if Path("/run/systemd/system").exists() else "sudo dockerd &"
    return Finding("docker", "optional", f"{client}, but no daemon answers", mend)


def tool(name: str) -> Finding:
    path = shutil.which(name)
    if not path:
        return Finding(name, "optional", "not found", f"sudo apt-get install -y {name}")
    works, version = answer(path, "--version")
    return (
        Finding(name, "ok", version)
        if works
        else Finding(name, "optional", f"does not start: {version}", f"{name} --version")
    )


def slurm() -> Finding:
    if not shutil.which("sbatch") or not (sinfo := shutil.which("sinfo")):
        return Finding(
            "Slurm", "optional", "no sbatch and sinfo; runs stay on this host", "sudo apt-get install -y slurm-client"
        )
    works, seen = answer(sinfo, "--noheader", "--format", "%P, %D nodes, %T")
    if works and seen:
        return Finding("Slurm", "ok", f"partition {seen}")
    return Finding(
        "Slurm",
        "optional",
        f"the commands are there, but sinfo says: {seen or 'nothing'}",
        "start slurmctld, or set SLURM_CONF",
    )


def render(findings: Sequence[Finding], width: int = 120) -> str:
    """A line a finding, then the commands that mend what is not ok, each on a line of its own to be copied."""
    names = max((len(one.name) for one in findings), default=0)
    lines = []
    for one in findings:
        before = f"{one.name:{names}}  {one.state:8}  "
        room = max(width - len(before), 20)
        lines += [before + f"\n{' ' * len(before)}".join(textwrap.wrap(one.seen, room) or [""])]
    commands = [f"{one.name:{names}}  {one.mend}" for one in findings if one.mend]
    if commands:
        lines += ["", "to mend what is not ok:", *commands]
    missing = [one.name for one in findings if one.state == "missing"]
    lines += ["", f"missing: {', '.join(missing)}" if missing else "everything that is needed is here"]
    return "\n".join(line.rstrip() for line in lines)


def main(root: Path) -> int:
    """Print what this host has; exit code 1 where something is missing that is needed."""
    findings = examine(root)
    print(render(findings, shutil.get_terminal_size((120, 24)).columns))
    return 0 if healthy(findings) else 1


if __name__ == "__main__":
    raise SystemExit(main(Path.cwd()))
