"""Sets up the virtual environment of the suite or of a paper from its lock.

Only the standard library is used: `make setup` runs this file before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

DEVICES = ("cpu", "gpu")
PYTHON = Path(".venv/bin/python")
READY, LOCKED = ".ready", ".locked"
"""Stamps in an environment: it is whole; it has what is locked and not yet our own packages."""
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where PyTorch publishes its CPU builds; the variable TORCH_CPU_INDEX replaces it, empty means pip's own setting."""


PATIENCE_S = 60.0
"""For a driver to answer."""
NOT_FROM_THE_SHELL = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONOPTIMIZE")
"""Variables that change what an interpreter imports, or whether it checks its assertions."""
HOW_PIP_REACHES_AN_INDEX = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE", "PIP_CERT",
    "PIP_CLIENT_CERT", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES",
    "PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_ROOT_USER_ACTION", "PIP_KEYRING_PROVIDER",
)  # fmt: skip
"""pip's other variables say what is installed and where, which is the lock's matter."""


class SetupError(RuntimeError):
    """What stopped the set-up, in one line that says how to mend it."""


def clean_environment() -> dict[str, str]:
    """This process's variables without those that put other packages in the place of the locked ones."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in NOT_FROM_THE_SHELL and (not name.startswith("PIP_") or name in HOW_PIP_REACHES_AN_INDEX)
    }
    return {**kept, "PYTHONNOUSERSITE": "1"}


def detect_device() -> str:
    """'gpu' where an NVIDIA driver answers, else 'cpu'; one that is broken may hang, and is given up."""
    smi = shutil.which("nvidia-smi")
    try:
        return (
            "gpu"
            if smi and subprocess.run([smi, "-L"], capture_output=True, timeout=PATIENCE_S).returncode == 0
            else "cpu"
        )
    except (OSError, subprocess.TimeoutExpired):
        return "cpu"


def requirements(project: Path, device: str) -> Path:
    """The hashed requirements that the lock was exported to."""
    suite = project / "requirements-suite.txt"
    return suite if suite.exists() else project / f"requirements-{device}.txt"


def fingerprint(project: Path, listing: Path) -> str:
    """What an environment was made from; another value means that it has to be made again."""
    content = hashlib.sha256(listing.read_bytes())
    for source in (project / "pyproject.toml", project / "apt.txt"):
        content.update(source.read_bytes() if source.exists() else b"")
    return f"{listing.name} {content.hexdigest()}\n"


def is_ready(project: Path, device: str) -> bool:
    """True where the project's environment exists and is of its present lock."""
    return has_stamp(project, READY, requirements(project, device))


def has_stamp(project: Path, name: str, listing: Path) -> bool:
    stamp = project / ".venv" / name
    return stamp.exists() and listing.exists() and stamp.read_text() == fingerprint(project, listing)


def set_up(project: Path, device: str, listing: Path | None = None) -> None:
    """Make `<project>/.venv` from the requirements in `listing`; does nothing where it is ready. Raises SetupError."""
    listing = listing or requirements(project, device)
    if has_stamp(project, READY, listing):
        return
    install_locked(project, device, listing)
    common = project if (project / "src/mirl").is_dir() else project.parents[1] / "common"
    sources = list(dict.fromkeys([common, project]))
    for folder in sources:
        pip(project / PYTHON, "--no-deps", "--editable", str(folder))
    refuse_strangers(project, listing, sources)
    (project / ".venv" / READY).write_text(fingerprint(project, listing))


def install_locked(project: Path, device: str, listing: Path) -> None:
    """An environment with everything that is locked, without our own packages: an image's layer of its own."""
    if has_stamp(project, LOCKED, listing):
        return
    print(f"setting up {project}/.venv ({listing.name}); this takes a few minutes", flush=True)
    install_system_packages(project)
    python = make_venv(project)
    pip(python, "--require-hashes", "--no-deps", "--requirement", str(listing))
    if device == "cpu" and (version := locked_versions(project).get("torch")):
        install_cpu_torch(python, version)
    (project / ".venv" / LOCKED).write_text(fingerprint(project, listing))


def make_venv(project: Path) -> Path:
    """An empty environment with this Python; returns its interpreter."""
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        raise SetupError(f"Python 3.11 or 3.12 is needed, this is {sys.version.split()[0]}; name one: make PYTHON=…")
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(project / ".venv")],
        capture_output=True, text=True, env=clean_environment(),
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        if importlib.util.find_spec("ensurepip") is None:
            raise SetupError(f"{name} comes without venv; Debian and Ubuntu: sudo apt-get install -y {name}-venv")
        raise SetupError(f"{name} -m venv {project}/.venv failed: {said[-1]}")
    return project / PYTHON


def pip(python: Path, *arguments: str) -> None:
    """`pip install`, quiet; raises SetupError with pip's own last lines."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-user", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[
            -1:
        ]
        raise SetupError(f"pip install {' '.join(arguments)} failed: {' '.join(errors)}")


def locked_versions(project: Path) -> dict[str, str]:
    """Package -> version of the project's lock, by canonical names; raises SetupError where it cannot be read."""
    import tomllib  # Python 3.11; `make doctor` reads this file with whatever Python there is

    path = project / "poetry.lock"
    try:
        packages = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
        return {canonical(entry["name"]): entry["version"] for entry in packages}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SetupError(f"{path} is not a lock that can be read ({' '.join(str(error).split())})") from None


def install_cpu_torch(python: Path, version: str) -> None:
    """The CPU build, in a step of its own: the lock's hashes are those of the CUDA build."""
    index = os.environ.get("TORCH_CPU_INDEX", TORCH_CPU_INDEX)
    source = ["--index-url", index] if index and answers(index) else []
    pip(python, "--no-deps", *source, f"torch=={version}")
    imported = subprocess.run([str(python), "-c", "import torch"], capture_output=True, env=clean_environment())
    if imported.returncode != 0:
        raise SetupError(
            f"the torch {version} that pip found does not start without CUDA; "
            "set TORCH_CPU_INDEX to an index with CPU builds, or use DEVICE=gpu"
        )


def refuse_strangers(project: Path, listing: Path, sources: Sequence[Path]) -> None:
    """Raises SetupError where the environment would import something from elsewhere, or not what is listed."""
    words = ["--strangers", "--requirements", str(listing), str(project), *map(str, sources)]
    command = [str(project / PYTHON), "-P", str(Path(__file__).resolve()), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
    if done.returncode != 0:
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise SetupError(f"{project}/.venv is not what its lock says: {said[0] if done.stdout else said[-1]}")


def strangers(listing: Path, sources: Sequence[Path]) -> Iterator[str]:
    """What this interpreter lacks of the listing, or would import from elsewhere than its environment and `sources`.

    sources: the folders of our own packages, each with a `src`.
    """
    installed = {canonical(one.name): one.version for one in reversed(list(metadata.distributions()))}
    for name, version in listed(listing):
        found = installed.get(canonical(name), "")
        if found.partition("+")[0] != version:
            yield f"{name} {found} instead of {version}" if found else f"{name} {version} is missing"
    for folder in sources:
        for package in (path.parent.name for path in folder.glob("src/*/__init__.py")):
            if place := imported_outside(package, folder / "src"):
                yield f"{package} comes from {place}"
    for module in filter(str.isidentifier, metadata.packages_distributions()):
        if place := imported_outside(module, Path(sys.prefix)):
            yield f"{module} comes from {place}"


def imported_outside(module: str, home: Path) -> str:
    """Where `import module` would find it, if that is not in `home`; '' otherwise, or where no file would be read."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder without code, such as the __pycache__ of single modules
        return ""
    return "" if Path(spec.origin).resolve().is_relative_to(home.resolve()) else spec.origin


def listed(listing: Path) -> list[tuple[str, str]]:
    """(name, version) of what a listing wants of this interpreter; a package may have a version for each Python."""
    from pip._vendor.packaging.markers import Marker  # pip is in every environment that is looked at

    lines = re.findall(r"^([\w.-]+)==([^ ;\\]+) *;?([^\n\\]*)", listing.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        (name, version.partition("+")[0])
        for name, version, marker in lines
        if not marker.strip() or Marker(marker.strip()).evaluate()
    ]


def canonical(name: str) -> str:
    """A distribution's name as all its spellings have it in common."""
    return re.sub(r"[-_.]+", "-", name).lower()


def answers(url: str, timeout_s: float = 5.0) -> bool:
    """True where the address can be reached soon; an index that hangs must not stall the set-up."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout_s):
            return True
    except (OSError, ValueError):
        return False


def install_system_packages(project: Path) -> None:
    """Install what apt.txt names and dpkg lacks, where this user may; otherwise print the one command."""
    missing = missing_system_packages(project)
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") and (
        not prefix or subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    ):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["apt-get", "update", "-q"], command):
            subprocess.run([*prefix, *step], capture_output=True, env=environment)
        if not (missing := missing_system_packages(project)):
            return
    print(f"system packages are missing; please run: sudo apt-get install -y {' '.join(missing)}", file=sys.stderr)


def missing_system_packages(project: Path) -> list[str]:
    """The packages of apt.txt that dpkg does not know as installed; none where there is no dpkg."""
    listing = project / "apt.txt"
    if not listing.exists() or not shutil.which("dpkg-query"):
        return []
    names = [line.strip() for line in listing.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [name for name in names if not is_installed(name)]


def is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat", "${Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout.endswith("ok installed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="the folder with pyproject.toml and poetry.lock")
    parser.add_argument("--device", choices=DEVICES, default=None, help="default: gpu where a driver answers")
    parser.add_argument("--requirements", type=Path, help="another export of the lock; default: the device's")
    parser.add_argument("--locked-only", action="store_true", help="leave our own packages out")
    parser.add_argument("--strangers", action="store_true", help="say what this interpreter imports from elsewhere")
    parser.add_argument("sources", type=Path, nargs="*", help="with --strangers: folders of our own packages")
    options = parser.parse_args()
    project, device = options.project, options.device or detect_device()
    listing = options.requirements or requirements(project, device)
    if options.strangers:
        found = list(strangers(listing, options.sources))
        print("\n".join(found))
        return 1 if found else 0
    try:
        for needed in (project / "poetry.lock", listing):
            if not needed.exists():
                raise SetupError(f"{needed} is missing; `make lock` writes it")
        if options.locked_only:
            install_locked(project, device, listing)
        else:
            set_up(project, device, listing)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
