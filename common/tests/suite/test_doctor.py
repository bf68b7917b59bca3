from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

import pytest

from mirl import cards
from mirl.suite import doctor, gpus, host, venvs
from mirl.suite.doctor import Finding


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def environment(project: Path, device: str = "cpu") -> None:
    """A paper's virtual environment, ready."""
    install_python = project / ".venv/bin"
    install_python.mkdir(parents=True)
    install(install_python, "python", "echo Python 3.11.9")
    for name in ("requirements-cpu.txt", "requirements-gpu.txt", "pyproject.toml"):
        (project / name).write_text(name)
    (project / ".venv/.ready").write_text(venvs.fingerprint(project, venvs.requirements(project, device)))


def test_this_host_is_described_and_shown(tmp_path: Path) -> None:
    environment(tmp_path / "papers/toy")
    findings = doctor.examine(tmp_path)
    names = {finding.name for finding in findings}
    assert {"processor cores", "memory", "disk", "Python", "make", "git", "GPU", "docker", "Slurm"} <= names
    assert all(finding.mend for finding in findings if finding.state != "ok")
    shown = doctor.render(findings, width=60)
    assert "toy environment" in shown
    assert max(map(len, shown.partition("to mend")[0].splitlines())) <= 60


def test_a_docker_client_without_a_daemon_is_said_so(programs: Path) -> None:
    install(programs, "docker", 'case $1 in --version) echo "Docker version 28.2.2, build x";; *) exit 1;; esac')
    found = doctor.docker()
    assert found.state == "optional"
    assert found.seen == "Docker version 28.2.2 (client), but no daemon answers"
    assert found.mend == "sudo apt-get install -y docker.io"
    install(programs, "dockerd", "exit 0")
    assert "docker" in doctor.docker().mend
    assert "apt-get" not in doctor.docker().mend


def test_a_docker_daemon_that_answers_is_ok(programs: Path) -> None:
    install(programs, "docker", "echo 20.10.24")
    assert doctor.docker() == Finding("docker", "ok", "daemon 20.10.24")


def test_a_docker_daemon_that_refuses_is_not_an_absent_one(programs: Path) -> None:
    install(
        programs,
        "docker",
        'case $1 in --version) echo "Docker version 1";; *) echo permission denied >&2; exit 1;; esac',
    )
    assert "refuses this user" in doctor.docker().seen
    assert "usermod" in doctor.docker().mend


def test_slurm_must_answer(programs: Path) -> None:
    assert "no sbatch" in doctor.slurm().seen
    install(programs, "sbatch", "exit 0")
    install(programs, "sinfo", "echo cannot contact slurmctld >&2; exit 1")
    assert doctor.slurm().state == "optional"
    assert "cannot contact slurmctld" in doctor.slurm().seen
    install(programs, "sinfo", 'echo "gpu*, 2 nodes, idle"')
    assert doctor.slurm() == Finding("Slurm", "ok", "partition gpu*, 2 nodes, idle")


def test_a_driver_without_a_gpu_is_not_a_gpu_and_who_uses_one_is_named(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.gpu().state == "optional"
    install(programs, "nvidia-smi", "echo NVIDIA-SMI has failed; exit 9")
    assert "NVIDIA-SMI has failed" in doctor.gpu().seen
    own = uuid.uuid4().hex
    listed = f"echo 'GPU 0: H200 (UUID: GPU-a{own})'; echo 'GPU 1: H200 (UUID: GPU-b{own})'"
    install(programs, "nvidia-smi", f'case $1 in -L) {listed};; *) echo "H200, 143771 MiB, 570";; esac')
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert doctor.gpu() == Finding("GPU", "ok", "2 × H200, 143771 MiB, 570")
    with gpus.taken(who="tiny/toy/line/drift/seed0"):
        seen = doctor.gpu().seen
    assert seen.endswith(f"in use: GPU-a{own} by process {os.getpid()} (tiny/toy/line/drift/seed0)")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert doctor.gpu().seen.endswith("; CUDA_VISIBLE_DEVICES=-1 names none of the cards of this host (2)")
    for card in cards.all_cards():
        gpus.lock_file(card).unlink(missing_ok=True)


def test_a_program_that_hangs_is_given_up(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE_S", 0.2)
    install(programs, "podman", "exec /bin/sleep 30")
    found = doctor.tool("podman")
    assert found.state == "optional"
    assert "no answer" in found.seen


def test_python_without_venv_names_the_package(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON", raising=False)
    install(programs, "python3.11", "[ -z $2 ] || { echo No module named ensurepip >&2; exit 1; }")
    found = doctor.python()
    assert found.state == "missing"
    assert found.mend == "sudo apt-get install -y python3.11-venv"
    install(programs, "python3.11", "echo 3.11.7")
    assert doctor.python() == Finding("Python", "ok", "3.11.7 with venv")


def test_a_python_that_does_not_start_is_passed_over(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON", raising=False)
    install(programs, "python3.11", "echo 'python3.11: command not found, but exists in 3.11.7' >&2; exit 127")
    install(programs, "python3.12", "echo 3.12.1")
    assert doctor.python() == Finding("Python", "ok", "3.12.1 with venv")


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.locks(tmp_path).state == "ok"

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(doctor, "file_system", lambda place: ("nfs", "/data"))
    found = doctor.locks(tmp_path)
    assert found.state == "missing"
    assert found.seen == f"{tmp_path} lies on nfs (/data), where flock fails: No locks available"


def test_an_environment_is_absent_half_made_outdated_or_ready(tmp_path: Path) -> None:
    project = tmp_path / "papers/toy"
    assert doctor.environment("toy", project, "make setup", True).seen == "not set up"
    environment(project)
    assert doctor.environment("toy", project, "make setup", True) == Finding("toy", "ok", "Python 3.11.9, cpu")
    (project / "requirements-cpu.txt").write_text("another lock")
    assert "another lock" in doctor.environment("toy", project, "make setup", True).seen
    (project / ".venv/.ready").unlink()
    assert doctor.environment("toy", project, "make setup", True).seen == "its set-up did not end"


def test_an_environment_without_its_interpreter_is_broken(tmp_path: Path) -> None:
    project = tmp_path / "papers/toy"
    environment(project)
    (project / ".venv/bin/python").unlink()
    found = doctor.environment("toy", project, "make setup", False)
    assert (found.state, found.mend) == ("optional", "make setup")
    assert "broken" in found.seen


def test_only_the_paper_that_is_needed_must_be_ready(tmp_path: Path) -> None:
    for name in ("toy", "other"):
        (tmp_path / "papers" / name).mkdir(parents=True)
        (tmp_path / "papers" / name / "pyproject.toml").touch()
    states = {finding.name: finding.state for finding in doctor.examine(tmp_path, needed="toy")}
    assert states["toy environment"] == "missing"
    assert states["other environment"] == "optional"


def test_the_system_packages_of_a_paper_are_asked_for(programs: Path, tmp_path: Path) -> None:
    project = tmp_path / "papers/toy"
    environment(project)
    (project / "apt.txt").write_text("# drawing\nlibegl1\nlibosmesa6\n")
    (project / ".venv/.ready").write_text(venvs.fingerprint(project, venvs.requirements(project, "cpu")))
    absent = [*doctor.paper_environment(project, False)][1]
    assert (absent.seen, absent.mend) == ("no dpkg here to ask", "install what corresponds to: libegl1 libosmesa6")
    install(programs, "dpkg-query", "case $4 in libegl1) printf 'install ok installed';; *) exit 1;; esac")
    found = [*doctor.paper_environment(project, False)][1]
    assert (found.state, found.seen) == ("missing", "not installed: libosmesa6")
    assert found.mend == "sudo apt-get install -y --no-install-recommends libosmesa6"


def test_a_full_disk_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_DISK_GIB", 1e9)
    assert doctor.disk(tmp_path).state == "missing"


def test_a_container_s_limits_are_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "CGROUP", tmp_path)
    unlimited = host.memory_gib()
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**29}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\nfile {2**28}\n")
    assert host.usable_cores() == 0.5
    assert host.memory_gib() == pytest.approx((1.0, 0.75))
    assert unlimited[0] > 1


def test_only_what_is_needed_fails() -> None:
    assert doctor.healthy([Finding("docker", "optional", "not found", "install it"), Finding("make", "ok", "4.3")])
    assert not doctor.healthy([Finding("make", "missing", "not found", "install it")])
