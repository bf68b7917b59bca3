from __future__ import annotations

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
    assert venvs.locked_version(project, "torch") == "2.13.0"
    assert venvs.locked_version(project, "tensorflow") is None


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


def test_a_package_that_does_not_exist_is_one_line_that_names_it(project: Path, monkeypatch: pytest.MonkeyPatch):
    failed = venvs.subprocess.CompletedProcess([], 1, stdout="", stderr="WARNING: x\nERROR: no such package nope\n")
    monkeypatch.setattr(venvs.subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(venvs.SetupError, match=r"failed: ERROR: no such package nope$"):
        venvs.pip(Path("python"), "nope")
