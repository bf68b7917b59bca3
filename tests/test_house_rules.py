"""The three rules that keep it a house (CONTRIBUTING.md), read off the sources."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAPERS = sorted(path.parent.name for path in ROOT.glob("papers/*/pyproject.toml"))
TEMPLATE = ROOT / "common/src/mirl/suite/rooms/template"
"""What `mirl new` writes: a paper, wherever it lies."""
SOURCES = {**{paper: ROOT / "papers" / paper / "src" for paper in PAPERS}, "newpaper": TEMPLATE / "papers/newpaper/src"}
COMMON = sorted(path for path in (ROOT / "common/src").rglob("*.py") if not path.is_relative_to(TEMPLATE))
LIGHT_HALF = sorted((ROOT / "common/src/mirl").glob("*.py"))
LIGHT_LIBRARIES = {"numpy", "tensorboardX", "tyro", "wandb", "imageio_ffmpeg", "PIL"}
"""Three, and what is imported when it is asked for: W&B, and films, whose libraries the papers' locks have."""
HOST_HALF = ("mirl.suite", "mirl.verdict", "mirl.results")
FRAMEWORKS = {"torch", "tensorflow", "jax", "gym", "gymnasium", *PAPERS}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def standard_or_own(module: str) -> bool:
    import sys

    return module.split(".")[0] in sys.stdlib_module_names | {"mirl"}


@pytest.mark.parametrize("path", LIGHT_HALF, ids=lambda path: path.stem)
def test_the_light_half_needs_three_libraries_and_nothing_of_the_suite(path: Path):
    modules = set(imports(path))
    assert {module.split(".")[0] for module in modules if not standard_or_own(module)} <= LIGHT_LIBRARIES
    assert not [module for module in modules if module.startswith(HOST_HALF)]


@pytest.mark.parametrize("path", COMMON, ids=lambda path: path.stem)
def test_common_imports_no_paper_and_no_framework(path: Path):
    assert not {module.split(".")[0] for module in imports(path)} & FRAMEWORKS


@pytest.mark.parametrize("paper", SOURCES)
def test_a_paper_imports_no_other_paper_and_only_the_light_half(paper: str):
    others = set(PAPERS) - {paper}
    for path in SOURCES[paper].rglob("*.py"):
        modules = set(imports(path))
        assert not {module.split(".")[0] for module in modules} & others, path
        assert not [module for module in modules if module.startswith(HOST_HALF)], path


def test_worker_processes_are_mirls_alone():
    """`mirl.workers` holds stop signals, names who died and leaves nothing behind; a pool of one's own forgets some."""
    files = [path for folder in SOURCES.values() for path in folder.rglob("*.py")]
    own = re.compile(r"\b(multiprocessing|ProcessPoolExecutor|SubprocVecEnv|os\.fork)\b")
    assert len(files) > 100
    assert not [path for path in files if own.search(path.read_text(encoding="utf-8"))]


def modules_below(folder: Path, package: str) -> dict[str, Path]:
    """Name -> file of a package's modules; of a folder of scripts with package ''."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        found[".".join(part for part in parts if part not in ("", "__init__"))] = path
    return found


def imported_modules(name: str, modules: dict[str, Path]) -> set[str]:
    """What a module imports of `modules`, at whatever moment; and the packages around that, which are run first."""
    wanted: set[str] = set()
    for node in ast.walk(ast.parse(modules[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            wanted |= {each if each in modules else node.module for each in names}
    around = {word for one in wanted for word in accumulate(one.split("."), "{}.{}".format) if not within(name, word)}
    return (wanted | around) & set(modules) - {name}


def within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


PACKAGES = {
    "mirl": (ROOT / "common/src/mirl", "mirl"),
    "toy": (ROOT / "common/tests/toy", "toy"),
    "docker": (ROOT / "docker", ""),
    **{paper: (folder / paper, paper) for paper, folder in SOURCES.items()},
}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_has_a_circle_of_imports(package: str):
    modules = modules_below(*PACKAGES[package])
    assert len(modules) > 2
    try:
        TopologicalSorter({name: imported_modules(name, modules) for name in modules}).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def test_no_tracked_file_is_large():
    """Published policies have a limit of their own, to which `mirl check` holds them."""
    policies = (ROOT / "results/published").glob("**/policy/*")
    others = set(tracked_files()) - set(policies)
    assert not [path for path in others if path.exists() and path.stat().st_size > 2**20]


def test_no_tracked_file_names_a_home_folder():
    home = re.compile(r"/(?:home|Users)/(?!\w*somebody)\w+/|/ro" + r"ot/")
    others = {".png", ".webm", ".webp", ".gz", ".lock"}
    texts = [path for path in tracked_files() if path.exists() and path.suffix not in others]
    assert not [path for path in texts if home.search(path.read_text(encoding="utf-8"))]
