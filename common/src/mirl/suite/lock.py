"""Writes poetry.lock and the hashed requirements made from it.

    python lock.py papers/mime      (in an environment with poetry and poetry-plugin-export; `make lock` makes one)

Only the standard library is used. The suite's project gives requirements-suite.txt; a paper gives requirements-gpu.txt,
which is everything, and requirements-cpu.txt, which leaves torch's CUDA build and its libraries out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CUDA_ONLY = re.compile(r"^(torch|triton|cuda-\w+|nvidia-[\w-]+)==")
MADE_BY = "# Made from poetry.lock by `make lock`; do not edit.\n"


def main() -> int:
    project = Path(sys.argv[1])
    poetry = str(Path(sys.executable).with_name("poetry"))
    subprocess.run([poetry, "lock", "--directory", str(project)], check=True)
    is_suite = (project / "src/mirl").is_dir()
    extras = ["--extras", "suite"] if is_suite else []
    export = [poetry, "export", "--directory", str(project), "--with", "dev", "--format", "requirements.txt", *extras]
    blocks = split(subprocess.run(export, check=True, capture_output=True, text=True).stdout)
    if is_suite:
        write(project / "requirements-suite.txt", blocks)
        return 0
    write(project / "requirements-gpu.txt", blocks)
    write(project / "requirements-cpu.txt", [block for block in blocks if not CUDA_ONLY.match(block)])
    return 0


def split(exported: str) -> list[str]:
    """One text a package, with its hashes; local projects and index addresses are left out."""
    blocks = re.findall(r"^[A-Za-z0-9][^\n]*(?:\n[ ]+[^\n]*)*\n", exported, flags=re.MULTILINE)
    return [block for block in blocks if "--hash=" in block]


def write(path: Path, blocks: list[str]) -> None:
    path.write_text(MADE_BY + "".join(blocks), encoding="utf-8")
    print(f"{path}: {len(blocks)} packages")


if __name__ == "__main__":
    raise SystemExit(main())
