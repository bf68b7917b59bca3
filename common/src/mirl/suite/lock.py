"""Writes poetry.lock and the hashed requirements made from it.

    python lock.py papers/mime      (in an environment with poetry and poetry-plugin-export; `make lock` makes one)

Only the standard library is used. The suite's project gives requirements-suite.txt; for images requirements-image.txt,
without the tools of development; and requirements-slurm.txt, which is what its environment lacks to submit to Slurm. A
paper gives requirements-gpu.txt, which is everything, with the extra `gpu` where there is one, and
requirements-cpu.txt, which leaves the CUDA libraries and torch's CUDA build out.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

CUDA_ONLY = re.compile(r"^(torch|triton|cuda-\w+|nvidia-[\w-]+)==")
MADE_BY = "# Made from poetry.lock by `make lock`; do not edit.\n"


def main() -> int:
    project = Path(sys.argv[1])
    poetry = str(Path(sys.executable).with_name("poetry"))
    subprocess.run([poetry, "lock", "--directory", str(project)], check=True)
    extras = tomllib.loads((project / "pyproject.toml").read_text())["project"].get("optional-dependencies", {})
    if "suite" in extras:
        suite = export(poetry, project, "--with", "dev", extras=["suite"])
        both = export(poetry, project, "--with", "dev", extras=["suite", "slurm"])
        write(project / "requirements-suite.txt", suite)
        write(project / "requirements-slurm.txt", [one for one in both if one not in suite])
        write(project / "requirements-image.txt", export(poetry, project, extras=["suite", "image"]))
        return 0
    whole, plain = (export(poetry, project, "--with", "dev", extras=names) for names in (list(extras), []))
    write(project / "requirements-gpu.txt", whole)
    write(project / "requirements-cpu.txt", [one for one in plain if not CUDA_ONLY.match(one)])
    return 0


def export(poetry: str, project: Path, *options: str, extras: list[str]) -> list[str]:
    """The locked packages of a project with these extras."""
    command = [poetry, "export", "--directory", str(project), "--format", "requirements.txt", *options]
    command += [word for extra in extras for word in ("--extras", extra)]
    return split(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def split(exported: str) -> list[str]:
    """One text a package, with its hashes; local projects and index addresses are left out."""
    blocks = re.findall(r"^[A-Za-z0-9][^\n]*(?:\n[ ]+[^\n]*)*\n", exported, flags=re.MULTILINE)
    return [block for block in blocks if "--hash=" in block]


def write(path: Path, blocks: list[str]) -> None:
    path.write_text(MADE_BY + "".join(blocks), encoding="utf-8")
    print(f"{path}: {len(blocks)} packages")


if __name__ == "__main__":
    raise SystemExit(main())
