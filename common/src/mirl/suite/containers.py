"""A paper's image in place of its virtual environment: the tool, the image, and the command that trains in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirl.config import ConfigError

TOOLS = ("docker", "podman")
"""What can run an image. buildah builds one as well, for another tool to run."""
RUNNERS = ("venv", "docker")
"""Where `mirl run` starts a trainer; `docker` means whichever of TOOLS answers."""
RESULTS = "/results"
"""Where an image finds the results folder."""
TOOLKIT = ("nvidia-ctk", "nvidia-container-runtime", "nvidia-container-cli")
"""Programs of the NVIDIA Container Toolkit."""
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


@dataclass(frozen=True)
class Image:
    """An image that this host has."""

    tool: str
    name: str
    digest: str


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


def require_image(paper: str, device: str) -> Image:
    """A paper's image. Raises ConfigError where no tool answers or the image is not there."""
    tool, name = choose_tool(), image_name(paper, device)
    found = digest(tool, name)
    if found is None:
        raise ConfigError(f"{name} is not built; run: make image PAPER={paper} DEVICE={device}")
    return Image(tool, name, found)


def train_command(
    image: Image,
    root: Path,
    directory: Path,
    arguments: Sequence[str],
    cards: str,
    environment: Mapping[str, str],
) -> list[str]:
    """`docker run` of a trainer: as this user, without network, writing nothing but the results folder and /tmp.

    directory: the run's, under results. arguments: those of `python -m <paper>`. cards: as CUDA_VISIBLE_DEVICES has
    them, or nothing. environment: of the container.
    """
    inside = f"{RESULTS}/{directory.relative_to(root / 'results')}"
    given = {**environment, "MIRL_IMAGE_DIGEST": image.digest}
    variables = [word for name, value in given.items() for word in ("--env", f"{name}={value}")]
    return [
        image.tool, "run", "--rm", "--name", container_name(directory), "--user", f"{os.getuid()}:{os.getgid()}",
        "--network", "none", "--read-only", "--tmpfs", "/tmp:exec", *mounts(root, directory),
        *gpu_options(image.tool, cards), *variables, image.name, *arguments, "--run-dir", inside,
    ]  # fmt: skip


def mounts(root: Path, directory: Path) -> list[str]:
    """What lets a container see the results folder, and results/runs where that is a link to another disk.

    Raises ConfigError where the run directory lies behind another link.
    """
    results, runs = root / "results", root / "results/runs"
    words = ["--volume", f"{results.resolve()}:{RESULTS}"]
    if runs.is_symlink():
        as_seen_inside = os.path.normpath(os.path.join(RESULTS, os.readlink(runs)))
        words += ["--volume", f"{runs.resolve()}:{as_seen_inside}"]
    if not directory.resolve().is_relative_to(runs.resolve()):
        raise ConfigError(f"{directory} is behind a link that a container does not see; only results/runs may be one")
    return words


def refuse_without_toolkit(tool: str) -> None:
    """Raises ConfigError where this host has a GPU that its containers cannot be given."""
    if not has_toolkit(tool):
        raise ConfigError(
            f"this host has a GPU, and {tool} cannot give it to a container: install the NVIDIA Container Toolkit, "
            "or run on the processor with CUDA_VISIBLE_DEVICES=-1"
        )


def has_toolkit(tool: str) -> bool:
    """Whether a container tool knows of NVIDIA's runtime or of its devices, or the toolkit's programs are here."""
    return any(map(shutil.which, TOOLKIT)) or "nvidia" in quiet(tool, "info").stdout.lower()


def gpu_options(tool: str, cards: str) -> list[str]:
    """What gives a container these cards, named as in CUDA_VISIBLE_DEVICES, and no other."""
    if not cards:
        return []
    if tool == "podman":
        return [word for card in cards.split(",") for word in ("--device", f"nvidia.com/gpu={card}")]
    return ["--gpus", f'"device={cards}"']


def container_name(directory: Path) -> str:
    """One name for each run directory, so that two containers never share one."""
    return f"mirl-{hashlib.sha256(str(directory).encode()).hexdigest()[:16]}"


def end_leftover(image: Image, directory: Path) -> None:
    """Let a container that outlived its killed runner save its checkpoint, and remove it."""
    tool, name = image.tool, container_name(directory)
    if quiet(tool, "container", "inspect", name).returncode == 0:
        quiet(tool, "stop", "--time", str(GRACE_S), name)
        quiet(tool, "rm", "--force", name)


def quiet(*command: str) -> subprocess.CompletedProcess[str]:
    """A program's exit code and words; one that is missing or hangs counts as failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=2 * GRACE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
