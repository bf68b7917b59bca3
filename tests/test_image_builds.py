"""Building an image as its user meets it, with a tool in place of docker that does what the test says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOL = """#!/bin/sh
case "$1" in
    build) eval "$BUILD" ;;
    info) echo "$STORE" ;;
    image) echo 2097152000 ;;
esac
"""
FILLS = f'head -c {512 * 2**20} /dev/zero > "$STORE/layer"; sleep 1.2; rm "$STORE/layer"; '


def build(folder: Path, script: str, store: str | None = None) -> subprocess.CompletedProcess[str]:
    tool = folder / "docker"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    store = str(folder) if store is None else store
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "BUILD": script, "STORE": store}
    command = [sys.executable, str(ROOT / "docker/build.py"), "mime", "cpu"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_build_that_fails_says_how_full_the_disk_became(tmp_path: Path):
    """podman that meets a full disk says `io: read/write on closed pipe`, and nothing of the disk."""
    done = build(tmp_path, FILLS + "echo read/write on closed pipe >&2; exit 125")
    assert done.returncode == 2
    *_, told = done.stderr.splitlines()
    begin = "build: docker could not build mirl/mime:cpu; its reason stands above "
    found = re.fullmatch(re.escape(begin) + r"\((.+) GiB of disk were left at \S+ at worst\)", told)
    assert found, told
    assert float(found[1]) >= 0


def test_a_build_says_how_much_disk_it_took(tmp_path: Path):
    done = build(tmp_path, FILLS)
    assert done.returncode == 0, done.stderr
    found = re.search(
        r"^mirl/mime:cpu: 2000 MiB, built with docker in \d+ s, over (.+) GiB of disk$", done.stdout, re.MULTILINE
    )
    assert found, done.stdout
    assert float(found[1]) >= 0.1  # of half a GiB; whatever runs beside may free some


@pytest.mark.parametrize("store", ["", "/nowhere/at/all"])
def test_a_store_that_is_not_on_this_host_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str):
    monkeypatch.setenv("TMPDIR", "/nowhere/either")
    done = build(tmp_path, "exit 125", store)
    assert done.returncode == 2
    assert done.stderr.endswith("its reason stands above (where it builds is not a folder of this host)\n")
