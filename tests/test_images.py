"""The Dockerfile and the bake file, read as text: what an image must never do, whatever builds it."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    " ".join(line.split()) for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines() if re.match(r"[A-Z]+ ", line)
]


def instructions(word: str) -> list[str]:
    return [line.removeprefix(f"{word} ") for line in INSTRUCTIONS if line.startswith(f"{word} ")]


def test_the_base_is_named_once_by_digest():
    [base] = [line for line in instructions("ARG") if line.startswith("BASE=")]
    assert re.fullmatch(r"BASE=\S+:\S+@sha256:[0-9a-f]{64}", base)
    assert [line.split()[0] for line in instructions("FROM")] == ["${BASE}", "base", "base"]


def test_an_image_runs_as_a_fixed_user_without_rights():
    assert instructions("USER") == ["10001"]
    assert INSTRUCTIONS.index("USER 10001") > max(
        number for number, line in enumerate(INSTRUCTIONS) if "apt-get" in line
    )


def test_an_image_checks_itself_as_that_user():
    steps = INSTRUCTIONS[INSTRUCTIONS.index("USER 10001") :]
    assert any("selfcheck" in step for step in steps if step.startswith("RUN "))


def test_signals_reach_the_program_and_the_demo_is_the_default():
    assert instructions("ENTRYPOINT") == ['["/opt/mirl/entrypoint"]']
    assert instructions("CMD") == ['["demo"]']
    assert 'exec python -m "$MIRL_PAPER" "$@"' in (ROOT / "docker/entrypoint").read_text(encoding="utf-8")


def test_results_are_a_volume():
    assert instructions("VOLUME") == ["/results"]


@pytest.mark.parametrize("step", [step for step in instructions("RUN") if "apt-get" in step])
def test_system_packages_leave_no_lists_and_bring_no_recommendations(step: str):
    assert step.count("apt-get install") == step.count("--no-install-recommends") == 1
    assert "rm -rf /var/lib/apt/lists/*" in step


@pytest.mark.parametrize("forbidden", [r"<<", r"--link", r"--mount", r"# syntax=", r"curl|wget", r"\bADD ", r":latest"])
def test_what_not_every_builder_knows_or_nobody_should_do_is_not_there(forbidden: str):
    assert not re.search(forbidden, "\n".join(INSTRUCTIONS))


def test_pip_settings_and_secrets_stay_in_the_build_stage():
    runtime = INSTRUCTIONS[INSTRUCTIONS.index("FROM base AS runtime") :]
    assert not [line for line in runtime if re.search(r"PIP_|TOKEN|PASSWORD|SECRET|KEY", line)]


def test_everything_is_installed_from_hashed_requirements():
    assert "pip install" not in DOCKERFILE
    assert DOCKERFILE.count("venvs.py common") == DOCKERFILE.count("venvs.py papers/${PAPER}") == 2


def test_an_image_carries_its_labels_and_its_list_of_packages():
    labels = " ".join(instructions("LABEL"))
    for name in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert "cyclonedx-py environment" in DOCKERFILE


def test_the_bake_matrix_has_every_paper_on_both_devices():
    text = (ROOT / "docker/docker-bake.hcl").read_text(encoding="utf-8")
    found = {name: re.findall(r'"([a-z_]+)"', words) for name, words in re.findall(r"(\w+)\s*= \[(.*?)\]", text)}
    assert found["paper"] == sorted(path.parent.name for path in ROOT.glob("papers/*/pyproject.toml"))
    assert found["device"] == ["cpu", "gpu"]


def test_no_cuda_package_is_in_a_cpu_listing():
    for listing in ROOT.glob("papers/*/requirements-cpu.txt"):
        assert not re.findall(r"^(?:nvidia|cuda|triton)[\w-]*==", listing.read_text(encoding="utf-8"), re.MULTILINE)


LISTINGS = [*ROOT.glob("common/requirements-*.txt"), *ROOT.glob("papers/*/requirements-*.txt")]


@pytest.mark.parametrize("listing", sorted(LISTINGS), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_listing_has_each_package_once(listing: Path):
    """On the platform of the images; pip installs nothing of a listing that names two versions of one package."""
    image = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    lines = re.findall(r"^[A-Za-z0-9][^\\\n]*", listing.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    names = [one.name for one in wanted if not one.marker or one.marker.evaluate(image)]
    assert names, "nothing is listed"
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_an_image_has_modes_of_its_own_whatever_umask_the_clone_was_made_under(tmp_path: Path):
    """Everything comes into the runtime stage from the build stage, after its modes were set where they were others."""
    begin, end = INSTRUCTIONS.index("FROM base AS build"), INSTRUCTIONS.index("FROM base AS runtime")
    build, runtime = INSTRUCTIONS[begin:end], INSTRUCTIONS[end:]
    [modes] = [number for number, line in enumerate(build) if "chmod a+x entrypoint" in line]
    assert max(number for number, line in enumerate(build) if line.startswith("COPY ")) < modes
    assert [line for line in runtime if line.startswith("COPY ")] == ["COPY --from=build /opt/mirl /opt/mirl"]
    own = {
        "closed": 0o700,
        "closed/file": 0o600,
        "closed/program": 0o710,
        "open": 0o755,
        "open/file": 0o644,
        "entrypoint": 0o600,
    }
    for name, mode in own.items():
        path = tmp_path / name
        path.mkdir() if name in ("closed", "open") else path.write_text("")
        path.chmod(mode)
    (tmp_path / "open/link").symlink_to("nowhere")
    touched = (tmp_path / "open/file").stat().st_ctime_ns
    subprocess.run(["sh", "-ec", build[modes].removeprefix("RUN ")], cwd=tmp_path, check=True)
    assert {name: oct(stat.S_IMODE((tmp_path / name).stat().st_mode)) for name in own} == {
        "closed": "0o755", "closed/file": "0o644", "closed/program": "0o755",
        "open": "0o755", "open/file": "0o644", "entrypoint": "0o755",
    }  # fmt: skip
    assert (tmp_path / "open/file").stat().st_ctime_ns == touched
