from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mirl.suite import venvs


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements-cpu.txt").write_text("numpy==2.4.6\n")
    (tmp_path / "poetry.lock").write_text('[[package]]\nname = "torch"\nversion = "2.13.0"\n')
    (tmp_path / ".venv").mkdir()
    return tmp_path


def test_an_environment_is_ready_until_its_lock_changes(project: Path):
    assert not venvs.is_ready(project, "cpu")
    (project / ".venv/.ready").write_text(venvs.fingerprint(project, venvs.requirements(project, "cpu")))
    assert venvs.is_ready(project, "cpu")
    (project / "requirements-cpu.txt").write_text("numpy==2.4.7\n")
    assert not venvs.is_ready(project, "cpu")


def test_the_version_of_torch_comes_from_the_lock(project: Path):
    assert venvs.locked_versions(project) == {"torch": "2.13.0"}


def test_an_index_that_cannot_be_reached_is_given_up_soon():
    assert not venvs.answers("http://127.0.0.1:9/simple", timeout_s=1.0)
    assert not venvs.answers("not an address")


def test_what_apt_txt_names_and_dpkg_lacks_is_missing(project: Path, monkeypatch: pytest.MonkeyPatch):
    (project / "apt.txt").write_text("# for rendering\nlibhere\nlibmissing\n")
    monkeypatch.setattr(venvs.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(venvs, "is_installed", lambda package: package == "libhere")
    assert venvs.missing_system_packages(project) == ["libmissing"]


def test_without_a_right_to_install_the_one_command_is_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(venvs, "missing_system_packages", lambda project: ["libosmesa6"])
    monkeypatch.setattr(venvs.shutil, "which", lambda name: None)
    venvs.install_system_packages(project)
    assert "sudo apt-get install -y libosmesa6" in capsys.readouterr().err


def test_what_the_shell_brings_is_dropped_and_the_way_to_an_index_stays(monkeypatch: pytest.MonkeyPatch):
    for name in (
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONUSERBASE",
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_CONSTRAINT",
    ):
        monkeypatch.setenv(name, "/somewhere")
    for name in ("PIP_INDEX_URL", "PIP_CERT", "HOME_OF_MINE"):
        monkeypatch.setenv(name, "kept")
    clean = venvs.clean_environment()
    assert not {"PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"} & set(clean)
    assert "PIP_CONSTRAINT" not in clean
    assert (clean["PIP_INDEX_URL"], clean["PIP_CERT"], clean["HOME_OF_MINE"]) == ("kept",) * 3
    assert clean["PYTHONNOUSERSITE"] == "1"


def test_a_driver_that_hangs_or_cannot_be_started_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    smi = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    for script, device in (("exit 0", "gpu"), ("exit 9", "cpu"), ("exec /bin/sleep 30", "cpu")):
        smi.write_text(f"#!/bin/sh\n{script}\n")
        smi.chmod(0o755)
        monkeypatch.setattr(venvs, "PATIENCE_S", 0.5 if device == "cpu" else 60.0)
        assert venvs.detect_device() == device
    smi.write_text("#!/nowhere\n")
    assert venvs.detect_device() == "cpu"


@pytest.fixture
def made(project: Path) -> Path:
    """A real, empty environment, to which a package of our own belongs."""
    (project / "requirements-cpu.txt").write_text("")
    (project / "src/ours").mkdir(parents=True)
    (project / "src/ours/__init__.py").write_text("")
    subprocess.run([sys.executable, "-m", "venv", str(project / ".venv")], check=True)
    site(project).joinpath("ours.pth").write_text(str(project / "src"))
    return project


def site(project: Path) -> Path:
    [folder] = project.glob(".venv/lib/python3.*/site-packages")
    return folder


def put(folder: Path, name: str, version: str) -> None:
    """A package, as pip leaves it in a folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    (folder / f"{name}-{version}.dist-info").mkdir()
    (folder / f"{name}-{version}.dist-info/METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    (folder / f"{name}-{version}.dist-info/top_level.txt").write_text(name)


def test_an_environment_is_ready_only_when_its_packages_are_imported_from_where_they_should(made: Path, tmp_path: Path):
    listing = made / "requirements-cpu.txt"
    venvs.refuse_strangers(made, listing, [made])
    listing.write_text(
        'gym==0.17.2 ; python_version >= "3.11" \\\n    --hash=sha256:0\ncolorama==1 ; sys_platform == "win32"\n'
        'gym==0.9 ; python_version == "3.10" \\\n    --hash=sha256:0\n'
    )
    with pytest.raises(venvs.SetupError, match=r"is not what its lock says: gym 0\.17\.2 is missing$"):
        venvs.refuse_strangers(made, listing, [made])
    put(site(made), "gym", "0.26.0")
    with pytest.raises(venvs.SetupError, match=r"gym 0\.26\.0 instead of 0\.17\.2$"):
        venvs.refuse_strangers(made, listing, [made])
    (site(made) / "gym-0.26.0.dist-info").rename(site(made) / "gym-0.17.2.dist-info")
    (site(made) / "gym-0.17.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: gym\nVersion: 0.17.2\n")
    venvs.refuse_strangers(made, listing, [made])
    (site(made) / "gym-0.17.2.dist-info/top_level.txt").write_text("gym\n__pycache__\n")  # as Python 3.12 infers it
    (tmp_path / "elsewhere/__pycache__").mkdir(parents=True)
    (site(made) / "a.pth").write_text(str(tmp_path / "elsewhere"))
    venvs.refuse_strangers(made, listing, [made])
    put(tmp_path / "elsewhere", "gym", "0.17.2")
    (site(made) / "a.pth").write_text(f"import sys; sys.path.insert(0, {str(tmp_path / 'elsewhere')!r})")
    with pytest.raises(venvs.SetupError, match=rf"gym comes from {tmp_path}/elsewhere/gym/__init__\.py$"):
        venvs.refuse_strangers(made, listing, [made])


def test_our_own_package_from_another_folder_is_noticed(made: Path, tmp_path: Path):
    (tmp_path / "old/ours").mkdir(parents=True)
    (tmp_path / "old/ours/__init__.py").write_text("")
    (site(made) / "ours.pth").write_text(str(tmp_path / "old"))
    with pytest.raises(venvs.SetupError, match=rf"ours comes from {tmp_path}/old/ours/__init__\.py$"):
        venvs.refuse_strangers(made, made / "requirements-cpu.txt", [made])


def test_venv_is_quoted_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(venvs.SetupError, match=r"-m venv .*failed: .*contains the PATH separator"):
        venvs.make_venv(tmp_path / "a:b")
    full = venvs.subprocess.CompletedProcess([], 1, stdout="", stderr="Error: [Errno 28] No space left on device\n")
    monkeypatch.setattr(venvs.subprocess, "run", lambda *arguments, **options: full)
    with pytest.raises(venvs.SetupError, match=r"failed: Error: \[Errno 28\] No space left on device$"):
        venvs.make_venv(tmp_path)
    monkeypatch.setattr(venvs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(venvs.SetupError, match=r"comes without venv; .*sudo apt-get install -y python3\.1[12]-venv$"):
        venvs.make_venv(tmp_path)


def test_a_package_that_does_not_exist_is_one_line_that_names_it(project: Path, monkeypatch: pytest.MonkeyPatch):
    failed = venvs.subprocess.CompletedProcess([], 1, stdout="", stderr="WARNING: x\nERROR: no such package nope\n")
    monkeypatch.setattr(venvs.subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(venvs.SetupError, match=r"failed: ERROR: no such package nope$"):
        venvs.pip(Path("python"), "nope")
