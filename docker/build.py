"""Build an image of mirl with docker, podman or buildah, whichever is there.

    make image PAPER=mime DEVICE=cpu           makes mirl/mime:cpu
    common/.venv/bin/python docker/build.py mummi gpu --base localhost/mirl-base:bookworm

The base is Debian by digest, as the Dockerfile names it. Where no registry answers, it is made on this host (base.py).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import room
from base import make
from tools import TOOLS, BuildError, run

from mirl.config import ConfigError
from mirl.suite import containers
from mirl.suite.venvs import DEVICES

ROOT = Path(__file__).resolve().parents[1]
PIP_SETTINGS = ("PIP_CERT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "TORCH_CPU_INDEX")
"""Settings of this host's pip that a build takes along; local files that they name are mounted while it lasts."""

MOUNTED = "/run/build-host"
"""Where a build finds them."""


def papers() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("papers/*/pyproject.toml"))


def registered_base() -> str:
    """The base image that the Dockerfile names."""
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / "docker/Dockerfile").read_text(), flags=re.MULTILINE)
    if not found:
        raise BuildError("docker/Dockerfile names no base")
    return found[1]


def choose_base(tool: str, base: str | None) -> str:
    """The base asked for; else the Dockerfile's, if a registry gives it, else one made here."""
    if base:
        return base
    wanted = registered_base()
    if run(tool, "pull", "--quiet", wanted).returncode == 0:
        return wanted
    print(f"no registry gives {wanted.partition('@')[0]}; a base is made on this host", flush=True)
    return make(tool)


def build(tool: str, paper: str, device: str, base: str) -> tuple[str, float]:
    """Build mirl/<paper>:<device>; returns its name and the GiB of disk that this took at most.

    The tool's output goes to ours. Raises BuildError.
    """
    name = containers.image_name(paper, device)
    command = [tool, "build", *(("--isolation", "chroot") if tool != "docker" else ())]
    command += ["--file", str(ROOT / "docker/Dockerfile"), "--tag", name, "--build-arg", f"BASE={base}"]
    settings = pip_settings()
    if tool != "docker":  # which cannot mount anything into a build
        command += [word for path in local_paths(settings) for word in ("--volume", f"{path}:{MOUNTED}{path}:ro")]
        settings = {name: as_mounted(value) for name, value in settings.items()}
    arguments = {"PAPER": paper, "DEVICE": device, "REVISION": revision(), **settings}
    command += [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    with room.of_a_build(tool) as disks:
        code = subprocess.run([*command, str(ROOT)]).returncode
    if code != 0:
        raise BuildError(f"{tool} could not build {name}; its reason stands above ({disks.describe()})")
    return name, disks.taken


def pip_settings() -> dict[str, str]:
    """pip's settings in this shell and in its configuration files."""
    settings = {name: os.environ[name] for name in PIP_SETTINGS if name in os.environ}
    for line in run(sys.executable, "-m", "pip", "config", "list").stdout.splitlines():
        key, _, value = line.partition("=")
        name = f"PIP_{key.rpartition('.')[2].upper().replace('-', '_')}"
        if key.startswith("global.") and name in PIP_SETTINGS:
            settings.setdefault(name, " ".join(value.strip("'\"").split()))
    return settings


def as_mounted(value: str) -> str:
    """A setting with the paths of this host as a build sees them."""
    words = [word.replace("file:///", f"file://{MOUNTED}/", 1) for word in value.split()]
    return " ".join(f"{MOUNTED}{word}" if word.startswith("/") else word for word in words)


def local_paths(settings: dict[str, str]) -> list[str]:
    """The folders of this host that hold what the settings name, none inside another.

    Of a folder the one above it is taken, since an index may point to files beside itself.
    """
    words = [word.removeprefix("file://") for value in settings.values() for word in value.split()]
    folders = {os.path.dirname(word.rstrip("/")) for word in words if word.startswith("/") and os.path.exists(word)}
    return sorted(one for one in folders if not any(one.startswith(f"{other}/") for other in folders))


def revision() -> str:
    """The commit that is built; with uncommitted changes it says so."""
    head = run("git", "-C", str(ROOT), "rev-parse", "HEAD").stdout.strip() or "unknown"
    changed = run("git", "-C", str(ROOT), "status", "--porcelain").stdout.strip()
    return f"{head}-dirty" if changed else head


def size_mib(tool: str, name: str) -> int:
    if tool == "buildah":
        value, unit = run(tool, "images", "--format", "{{.Size}}", name).stdout.split()[:2]
        return round(float(value) * {"KB": 1e3, "MB": 1e6, "GB": 1e9}[unit] / 2**20)
    return int(run(tool, "image", "inspect", "--format", "{{.Size}}", name).stdout) // 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paper", choices=papers())
    parser.add_argument("device", choices=DEVICES)
    parser.add_argument("--tool", help=f"{', '.join(TOOLS)}; default: the first that answers")
    parser.add_argument("--base", help="another base image")
    options = parser.parse_args()
    begin = time.monotonic()
    try:
        tool = containers.choose_tool(options.tool, TOOLS)
        name, taken = build(tool, options.paper, options.device, choose_base(tool, options.base))
        seconds = time.monotonic() - begin
        print(f"{name}: {size_mib(tool, name)} MiB, built with {tool} in {seconds:.0f} s, over {taken:.1f} GiB of disk")
    except (BuildError, ConfigError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
