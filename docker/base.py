"""A bookworm base image made on this host, for where no image registry can be reached.

common/.venv/bin/python docker/base.py [--tool podman]     (root, with debootstrap; prints the image's name)
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile

from tools import TOOLS, BuildError, run

from mirl.config import ConfigError
from mirl.suite.containers import choose_tool

NAME = "localhost/mirl-base:bookworm"


def make(tool: str) -> str:
    """Debootstrap bookworm as an image, unless it is there already; returns its name. Raises BuildError."""
    if run(tool, *(("inspect",) if tool == "buildah" else ("image", "inspect")), NAME).returncode == 0:
        return NAME
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise BuildError("a base made on this host needs root and debootstrap (apt-get install debootstrap)")
    with tempfile.TemporaryDirectory(prefix="mirl-base-") as folder:
        rootfs, archive = f"{folder}/rootfs", f"{folder}/rootfs.tar"
        must("debootstrap", "--variant=minbase", "bookworm", rootfs)
        must("tar", "-C", rootfs, "-cf", archive, "--exclude=./var/cache/apt/archives/*.deb", ".")
        if tool == "buildah":
            container = must("buildah", "from", "scratch").strip()
            must("buildah", "add", container, archive, "/")
            must("buildah", "commit", "--rm", container, NAME)
        else:
            must(tool, "import", archive, NAME)
    return NAME


def must(*command: str) -> str:
    """What a program printed. Raises BuildError with its last line where it failed."""
    done = run(*command)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:2])} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", help="docker, podman or buildah; default: the first that works")
    options = parser.parse_args()
    try:
        print(make(choose_tool(options.tool, TOOLS)))
    except (BuildError, ConfigError) as error:
        print(f"base: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
