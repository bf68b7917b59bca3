"""A paper's image in place of its virtual environment: the tool, the image, and the command that trains in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mirl.config import ConfigError

TOOLS = ("docker", "podman")
"""What can run an image. buildah builds one as well, for another tool to run."""
RUNNERS = ("venv", "docker")
"""Where `mirl run` starts a trainer; `docker` means whichever of TOOLS answers."""
RESULTS = "/results"
"""Where an image finds the results folder."""
GRACE_S = 120
"""How long a container that lost its runner may take to save its checkpoint."""


def choose_tool(name: str | None = None, tools: Sequence[str] = TOOLS) -> str:
    """The container tool to use: the one asked for, else the first that answers. Raises ConfigError."""
    if name and name not in tools:
        raise ConfigError(f"no container tool {name} (tools: {', '.join(tools)})")
    for tool in (name,) if name else tools:
        if shutil.which(tool) and quiet(tool, "info").returncode == 0:
            return tool
    raise ConfigError(f"no container tool answers ({' or '.join((name,) if name else tools)}); mirl doctor tells more")


def image_name(paper: str, device: str) -> str:
    return f"mirl/{paper}:{device}"


def digest(tool: str, image: str) -> str | None:
    """The image's content hash, sha256:…; None where this host does not have the image."""
    done = quiet(tool, "image", "inspect", "--format", "{{.Id}}", image)
    found = done.stdout.strip()
    return (found if found.startswith("sha256:") else f"sha256:{found}") if done.returncode == 0 else None


def make_images(root: Path, papers: set[str], device: str) -> None:
    """Build the images that this host lacks. Raises ConfigError where one cannot be built."""
    tool = choose_tool()
    for paper in sorted(papers):
        if digest(tool, image_name(paper, device)) is None:
            command = [sys.executable, str(root / "docker/build.py"), paper, device, "--tool", tool]
            if subprocess.run(command).returncode != 0:
                raise ConfigError(f"{image_name(paper, device)} was not built; the reason stands above")


def train_command(
    root: Path,
    directory: Path,
    paper: str,
    arguments: Sequence[str],
    gpu: Mapping[str, str],
    environment: Sequence[str],
) -> list[str]:
    """`docker run` of a trainer: as this user, without network, writing nothing but the results folder and /tmp.

    directory: the run's, under results. arguments: those of `python -m <paper>`. environment: NAME=value for the
    container. gpu: CUDA_VISIBLE_DEVICES of the card to use, or nothing. A container that an earlier, killed runner
    left is ended first.
    Raises ConfigError where no tool answers or the image is not there.
    """
    tool = choose_tool()
    image = image_name(paper, "gpu" if gpu else "cpu")
    found = digest(tool, image)
    if found is None:
        raise ConfigError(f"{image} is not built; run: make image PAPER={paper} DEVICE={image.rpartition(':')[2]}")
    name = container_name(directory)
    end_container(tool, name)
    inside = f"{RESULTS}/{directory.relative_to(root / 'results')}"
    words = [word for one in (*environment, f"MIRL_IMAGE_DIGEST={found}") for word in ("--env", one)]
    return [
        tool, "run", "--rm", "--name", name, "--user", f"{os.getuid()}:{os.getgid()}", "--network", "none",
        "--read-only", "--tmpfs", "/tmp:exec", "--volume", f"{root / 'results'}:{RESULTS}",
        *gpu_options(tool, gpu), *words, image, *arguments, "--run-dir", inside,
    ]  # fmt: skip


def gpu_options(tool: str, gpu: Mapping[str, str]) -> list[str]:
    """What gives a container the cards of CUDA_VISIBLE_DEVICES, and no other."""
    cards = gpu.get("CUDA_VISIBLE_DEVICES")
    if not cards:
        return []
    if tool == "podman":
        return [word for card in cards.split(",") for word in ("--device", f"nvidia.com/gpu={card}")]
    return ["--gpus", f'"device={cards}"']


def container_name(directory: Path) -> str:
    """One name for each run directory, so that two containers never share one."""
    return f"mirl-{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}"


def end_container(tool: str, name: str) -> None:
    """Let a container that outlived its runner save its checkpoint, and remove it; nothing where there is none."""
    if quiet(tool, "container", "inspect", name).returncode == 0:
        quiet(tool, "stop", "--time", str(GRACE_S), name)
        quiet(tool, "rm", "--force", name)


def quiet(*command: str) -> subprocess.CompletedProcess[str]:
    """A program's exit code and words; one that is missing or hangs counts as failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=2 * GRACE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
