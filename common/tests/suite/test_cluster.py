"""cluster.yaml, and what runs ask of Slurm; that Slurm understands it is tested on a real one (cluster/)."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import yaml

from mirl.config import ConfigError
from mirl.suite import cluster, slurm
from mirl.suite import experiments as registry
from mirl.suite.plan import Estimate
from mirl.suite.selection import RunSpec

REPOSITORY = Path(__file__).parents[3]
SPEC = RunSpec(budget="paper", paper="toy", task="line", method="drift", variant="slow", seed=3)


def settings_of(**changes: object) -> cluster.Slurm:
    """The repository's own, with changes."""
    content = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())["slurm"]
    return cluster.Slurm.model_validate({**content, **changes})


def expected(wall_s: float, memory_mib: int = 1000) -> Estimate:
    return Estimate(SPEC, 1, wall_s, 1, memory_mib, None, "", False)


def test_the_repositorys_own_file_is_valid():
    assert cluster.load(REPOSITORY).slurm.budgets.keys() == set(registry.BUDGETS)


def test_a_run_asks_for_its_estimate_with_room_to_spare_within_the_bounds():
    limits = cluster.Limits(time_factor=2, memory_factor=1.5, least_minutes=60, most_minutes=1440)
    assert [limits.minutes(wall_s) for wall_s in (1, 3600, 3601, 10**6)] == [60, 120, 121, 1440]
    assert limits.memory_mb(1001) == 1502


def test_what_is_not_set_is_not_asked_for():
    [plain] = cluster.requests(settings_of(gres=""), [expected(1)], {}).values()
    assert plain.keys() == {"runtime", "mem_mb", "slurm_extra"}
    [full] = cluster.requests(
        settings_of(partition="long", account="me", constraint="a100|h100", gres="gpu:a100:1"), [expected(1)], {}
    ).values()
    assert full["slurm_partition"] == "long"
    assert full["slurm_account"] == "me"
    assert full["constraint"] == "a100|h100"
    assert full["gres"] == "gpu:a100:1"


def test_the_signal_comes_before_the_limit_but_leaves_half_of_a_short_one_for_work():
    long, short = (
        settings_of(stop_before_s=300),
        settings_of(
            stop_before_s=300,
            budgets={
                budget: {"time_factor": 1, "memory_factor": 1, "least_minutes": 2, "most_minutes": 2}
                for budget in registry.BUDGETS
            },
        ),
    )
    assert cluster.requests(long, [expected(1)], {})[str(SPEC)]["slurm_extra"] == "--signal=URG@300"
    assert cluster.requests(short, [expected(1)], {})[str(SPEC)]["slurm_extra"] == "--signal=URG@60"


def test_a_run_that_still_goes_on_in_an_earlier_job_is_waited_for():
    asked = cluster.requests(settings_of(options="--nice=5"), [expected(1)], {str(SPEC): ["7", "9"]})
    assert asked[str(SPEC)]["slurm_extra"] == "--signal=URG@300 --nice=5 --dependency=afterany:7:9"


def test_every_option_that_is_asked_for_is_one_that_the_plugin_leaves_to_us():
    validation = pytest.importorskip("snakemake_executor_plugin_slurm.validation")
    asked = cluster.requests(settings_of(), [expected(1)], {str(SPEC): ["7"]})[str(SPEC)]["slurm_extra"]
    assert not [option for option in validation.get_forbidden_slurm_options() if re.search(option, str(asked))]


@pytest.mark.parametrize(
    ("line", "changed", "words"),
    [
        ("partition: ", "partitoin: ", "slurm.partitoin: Extra inputs are not permitted"),
        ('gres: "gpu:1"', 'gres: "gpu 1"', "slurm.gres: String should match pattern"),
        ('account: ""', 'account: "$(id)"', "slurm.account: String should match pattern"),
        ("device: gpu", "device: tpu", "slurm.device: Input should be 'cpu' or 'gpu', got tpu"),
        ("least_minutes: 15", "least_minutes: 90", "least_minutes 90 is more than most_minutes 60"),
        ("slurm:", "slurm: [", "is not valid YAML"),
    ],
)
def test_a_fault_is_named_by_its_place(tmp_path: Path, line: str, changed: str, words: str):
    content = (REPOSITORY / "cluster.yaml").read_text()
    assert line in content
    (tmp_path / "cluster.yaml").write_text(content.replace(line, changed, 1))
    with pytest.raises(ConfigError) as refused:
        cluster.load(tmp_path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_results_folders_have_jobs_of_different_names():
    assert slurm.job_prefix(Path("/a")) != slurm.job_prefix(Path("/b"))


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """squeue tells of what stands in the file `queue`; scancel writes its words into `cancelled`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("squeue", f"cat {tmp_path}/queue"), ("scancel", f'echo "$@" >> {tmp_path}/cancelled')):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def test_a_dead_drivers_jobs_that_wait_are_withdrawn_and_those_that_run_go_on(fake_slurm: Path):
    root, name = Path("/repository"), f"{slurm.job_prefix(Path('/repository'))}_run"
    comment = slurm.comment_of(SPEC)
    (fake_slurm / "queue").write_text(
        f"1|PENDING|{name}|rule_train_wildcards_paper_toy_line_drift_0\n"
        f"2|RUNNING|{name}|{comment}\n"
        f"3|RUNNING|mirl-of-somebody-else|{comment}\n"
        f"4|PENDING|{name}|x\n"
    )
    assert slurm.take_over(root, [SPEC]) == {str(SPEC): ["2"]}
    assert (fake_slurm / "cancelled").read_text() == "--state=PENDING 1 4\n"


def test_a_command_of_slurm_that_fails_is_one_line(fake_slurm: Path):
    (fake_slurm / "bin/squeue").write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact' >&2; exit 1\n")
    with pytest.raises(ConfigError, match=r"^squeue failed: slurm_load_jobs error: Unable to contact$"):
        slurm.queue(Path("/repository"))


def test_without_slurm_here_that_is_said(mirl, root: Path):
    (root / "cluster.yaml").write_text((REPOSITORY / "cluster.yaml").read_text())
    refused = mirl(
        "reproduce", "--paper", "toy", "--budget", "tiny", "--executor", "slurm", PATH=str(Path(sys.executable).parent)
    )
    assert refused.returncode == 2
    assert (
        refused.stderr == "mirl: --executor slurm needs sbatch, which is not here; use a host that has Slurm's client\n"
    )


def test_an_executor_that_nobody_knows_is_one_line_with_those_that_are(mirl, root: Path):
    (root / "cluster.yaml").write_text((REPOSITORY / "cluster.yaml").read_text().replace("{}", "{dryrun: []}"))
    refused = mirl("reproduce", "--paper", "toy", "--budget", "tiny", "--executor", "slrum")
    assert refused.returncode == 2
    assert refused.stderr == "mirl: no executor 'slrum'; did you mean slurm? (executors: local, slurm, dryrun)\n"


def test_sharing_a_gpu_is_not_for_clusters(mirl):
    refused = mirl("reproduce", "--paper", "toy", "--budget", "tiny", "--executor", "slurm", "--runs-per-gpu", "2")
    assert refused.returncode == 2
    assert refused.stderr.startswith("mirl: --runs-per-gpu is for --executor local;")


def test_another_executor_gets_the_words_of_cluster_yaml(mirl, root: Path):
    content = (REPOSITORY / "cluster.yaml").read_text()
    (root / "cluster.yaml").write_text(content.replace("{}", '{touch: ["--cores", "1"]}'))
    mirl("reproduce", "--paper", "toy", "--budget", "tiny", "--executor", "touch", "--retry-wait-s", "0")
    log = (root / "results/runs/engine.log").read_text()
    assert "rule train" in log
