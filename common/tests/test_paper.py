"""The command line that all papers share, as a person meets it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirl import manifest
from mirl.checkpoint import load_checkpoint
from mirl.commands import train as train_command
from mirl.config import ConfigError
from mirl.paper import COMMANDS, main
from mirl.sinks import name_of
from toy import driver
from toy.__main__ import PAPER
from toy.config import DriftConfig
from toy.driver import complaint, contents, record, toy, train

RUN = "--task line --method drift --seed 0 --run-dir {dir}"
BAD = {
    "trian": f"no command 'trian'; did you mean train? (commands: {', '.join(COMMANDS)})",
    "fly": f"no command 'fly' (commands: {', '.join(COMMANDS)})",
    "train": "--task is needed (line, plane)",
    "train --task line": "--method is needed (random_walk, drift)",
    "train --task line --method drift --run-dir {dir}": "--seed is needed",
    "train --task line --method drift --seed 0": "--run-dir is needed",
    "train --task line --method drift --seed 0 --run-dri {dir}": "no option '--run-dri'; did you mean --run-dir?",
    "train --task line --method drift --seed 0 --run-dir": "--run-dir needs a value",
    "train --task line --method drift --seed 0 --run-dir=": "--run-dir must name a folder, got nothing",
    "train --task lien --method drift --seed 0 --run-dir {dir}":
        "no task 'lien' in paper toy; did you mean line? (tasks: line, plane)",
    "train --task line --method drfit --seed 0 --run-dir {dir}":
        "no method 'drfit' in paper toy; did you mean drift? (methods: random_walk, drift)",
    "train --task line --method drift --seed -1 --run-dir {dir}":
        "--seed must be a whole number of at least 0, got -1",
    "train --task line --method drift --seed x --run-dir {dir}": "--seed must be a whole number of at least 0, got x",
    f"train {RUN} --fidelity paper": "no fidelity 'paper' in paper toy (fidelities: faithful, fixed)",
    f"train {RUN} --device gpu": "--device must be auto, cpu or cuda, got gpu",
    f"train {RUN} --device cuda": "--device cuda needs a visible GPU, and the framework finds none; use cpu or auto",
    f"train {RUN} --variant a/b": "--variant must be made of letters, digits, dots and dashes, got a/b",
    f"train {RUN} --save-every often": "--save-every must be a whole number of at least 0, got often",
    f"train {RUN} --overwrite=yes": "--overwrite takes no value, got yes",
    f"train {RUN} --stepsize 0.1": "no option '--stepsize'; did you mean --step-size?",
    f"train {RUN} --no-tensorbord": "no option '--no-tensorbord'; did you mean --no-tensorboard?",
    f"train {RUN} --step-size big": "--step-size must be a number, got big",
    f"train {RUN} --step-size -0.1": "--step-size must be positive, got -0.1",
    f"train {RUN} --total-env-steps 0": "--total-env-steps must be at least 1, got 0",
    f"train {RUN} --form zigzag": "--form must be straight or winding, got zigzag",
    f"train {RUN} now": "'now' belongs to no option",
    "train --task line --method random_walk --seed 0 --run-dir {dir} --drift 0.1":
        "no option '--drift' (options: --total-env-steps, --threads, --dimensions, --steps-per-update, --step-size, "
        "--log-every, --evaluate-every, --save-from, --seconds-per-step, --nan-at, --crash-at, --help, --task, "
        "--method, --seed, --run-dir, --fidelity, --device, --variant, --save-every, --overwrite, "
        "--no-tensorboard, --wandb)",
    "evaluate": "--run-dir is needed",
    "evaluate --run-dir {dir}": "--run-dir {dir} is not a run directory (it has no run.json)",
    "evaluate --run-dir {finished} --setting extreme":
        "no setting 'extreme' in paper toy (settings: training, moderate)",
    "film --run-dir {finished}": "--out is needed",
    "film --run-dir {finished} --out {finished}": "--out {finished} is there already",
    "film --run-dir {finished} --out new --setting modrate":
        "no setting 'modrate' in paper toy; did you mean moderate? (settings: training, moderate)",
    "film --run-dir {finished} --out new --episodes 0": "--episodes must be a whole number of at least 1, got 0",
    "film --run-dir {finished} --out {finished}/run.json/new":
        "--out {finished}/run.json/new cannot be written: {finished}/run.json is a file",
    "policy --run-dir {finished} --out {finished}/run.json/new":
        "--out {finished}/run.json/new cannot be written: {finished}/run.json is a file",
    "evaluate --run-dir {finished} --video {finished}/run.json/a/film.mp4":
        "--video {finished}/run.json/a/film.mp4 cannot be written: {finished}/run.json is a file",
    "evaluate --run-dir {finished} --video film.txt": "a film is a .mp4 or a .webm file, got film.txt",
    "evaluate --run-dir {finished} --episodes 0": "--episodes must be a whole number of at least 1, got 0",
    "describe --jsno": "no option '--jsno'; did you mean --json?",
    "bench --task lime": "no task 'lime' in paper toy; did you mean line? (tasks: line, plane)",
    "demo --budget huge": "no budget 'huge' (budgets: tiny, workstation, paper)",
    "walk.py --fast": "--fast is no flag of the original (flags: --env, --logdir, --steps)",
    "--env line --fast": "--fast is no flag of the original (flags: --env, --logdir, --steps)",
}  # fmt: skip


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"dir": tmp_path / "seed0", "finished": finished}
    assert main(PAPER, line.format(**places).split()) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"toy: {BAD[line].format(**places)}\n")
    assert contents(tmp_path) == {}


def test_a_paper_may_have_commands_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def count(words: Sequence[str]) -> int:
        """count words"""
        return len(words)

    paper = replace(PAPER, commands={"count_words": count})
    assert main(paper, ["count_words", "a", "--task", "c"]) == 3
    assert main(paper, ["--help"]) == 0
    assert "  count_words count words\n" in capsys.readouterr().out
    assert main(paper, ["count"]) == 2
    assert (
        "did you mean count_words? (commands: train, evaluate, film, policy, demo, describe, bench, probe, count_words)"
        in (capsys.readouterr().err)
    )


def test_what_a_paper_cannot_run_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(task: str, config: DriftConfig) -> None:
        raise ConfigError(f"--form {config.form} needs a ruler on {task}")

    folder = tmp_path / "seed0"
    assert main(replace(PAPER, check=check), ["train", *RUN.format(dir=folder).split()]) == 2
    assert capsys.readouterr().err == "toy: --form straight needs a ruler on line\n"
    assert not folder.exists()


@pytest.mark.parametrize("line", [f"train {RUN} --stepsize 0.1", f"train {RUN} --step-size -0.1"])
def test_a_process_says_the_same(tmp_path: Path, line: str) -> None:
    answer = toy(*line.format(dir=tmp_path / "seed0").split(), cwd=tmp_path)
    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", f"toy: {BAD[line]}\n")
    assert contents(tmp_path) == {}


def test_names_are_found_whatever_their_case(tmp_path: Path) -> None:
    words = "train --task LINE --method Drift --seed 0 --fidelity FIXED --total-env-steps 20 --no-tensorboard --run-dir"
    assert toy(*words.split(), tmp_path / "seed0").returncode == 0
    config = record(tmp_path / "seed0")["config"]
    assert (config["task"], config["method"], config["fidelity"]) == ("line", "drift", "fixed")
    assert config["step_size"] == 0.2


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("", ["usage: python -m toy COMMAND", "train one seed", "line, plane", "the original's own flags"]),
        ("--help", ["usage: python -m toy COMMAND"]),
        (
            "train --help",
            ["--run-dir DIR", "fields of drift on line, faithful", "= straight   (straight or winding)"],
        ),
        (
            "train --help --task plane --method random_walk",
            ["--dimensions = 2\n", "Standard deviation of a step"],
        ),
        ("train --help --fidelity fixed", ["--step-size = 0.2"]),
        ("evaluate --help", ["--setting NAME", "training, moderate"]),
        ("demo --help", ["tiny, workstation, paper"]),
        ("describe --help", ["--json"]),
        ("bench --help", ["--task T"]),
    ],
)
def test_help_says_what_can_be_asked(words: str, shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(words.split()) == 0
    said = capsys.readouterr()
    assert all(text in said.out for text in shown), said.out
    assert said.err == ""


def run_here(words: list[str]) -> int:
    """The command line in this process; argparse leaves by SystemExit where it has printed its help."""
    try:
        return main(PAPER, words)
    except SystemExit as stop:
        return int(str(stop.code or 0))


def test_describe_tells_tasks_methods_parameters_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PAPER, ["describe"]) == 0
    said = capsys.readouterr().out
    assert "tasks:      line, plane\n" in said
    assert re.search(r"plane +drift +position +2\n", said)
    assert "  --drift = 0.01\n      Share of the way to the origin that a step covers, in [0, 1).\n" in said


def test_describe_json_has_every_task_and_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PAPER, ["describe", "--json"]) == 0
    description = json.loads(capsys.readouterr().out)
    assert description["methods"] == ["random_walk", "drift"]
    assert description["parameter_counts"]["plane"]["drift"] == {"position": 2}
    fields = {field["name"]: field for field in description["config"]["plane"]["drift"]}
    assert fields["dimensions"]["default"] == 2
    assert fields["step_size"]["help"] == "Standard deviation of a step, positive."


def test_bench_shows_the_machine_beside_the_paper(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = toy("bench", "--task", "plane")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^memory_copy_gb_per_s +[\d.]+$", shown.stdout, re.MULTILINE)
    assert re.search(r"^update +[\d,.e+]+ +updates/s +12\.5x$", shown.stdout, re.MULTILINE)
    calibration = {"python_loop_million_per_s": 19.0}
    monkeypatch.setattr("mirl.commands.bench.calibrate", lambda: calibration)
    assert main(PAPER, ["bench", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["paper"], content["task"], content["calibration"]) == (
        "toy",
        "line",
        {"python_loop_million_per_s": 19.0},
    )
    assert [row["unit"] for row in content["rows"]] == ["env_steps/s", "updates/s", "MiB"]


def test_evaluate_judges_the_last_checkpoint_of_a_run(finished: Path, interrupted: Path) -> None:
    before = contents(finished)
    for directory, env_step in ((finished, 1000), (interrupted, driver.saved_step(interrupted))):
        shown = toy("evaluate", "--run-dir", directory, "--episodes", 5, "--setting", "moderate")
        assert shown.returncode == 0, shown.stderr
        assert re.search(rf"^env_step +{env_step}$", shown.stdout, re.MULTILINE)
        assert "moderate/return" in shown.stdout
    assert contents(finished) == before


def test_evaluate_says_what_is_wrong_with_a_folder(finished: Path, interrupted: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(interrupted, tmp_path / "seed0"))
    (path,) = copy.glob("checkpoint/save-*/parameters.npz")
    path.write_bytes(path.read_bytes()[:50])
    damaged = toy("evaluate", "--run-dir", copy)
    assert damaged.returncode == 2
    assert complaint(damaged).startswith(f"{path} is damaged")
    (copy / "checkpoint/latest.json").unlink()
    assert complaint(toy("evaluate", "--run-dir", copy)) == f"--run-dir {copy} has no checkpoint yet"
    foreign = record(copy) | {"paper": "mime"}
    (copy / "run.json").write_text(json.dumps(foreign))
    assert complaint(toy("evaluate", "--run-dir", copy)) == f"--run-dir {copy} is a run of mime, not of toy"


def test_the_originals_command_line_gives_the_same_experiment(tmp_path: Path) -> None:
    assert toy("old/walk.py", "--env", "plane", "--logdir", tmp_path / "old", "--steps", "100").returncode == 0
    config = record(tmp_path / "old")["config"]
    assert (config["task"], config["method"], config["total_env_steps"]) == ("plane", "random_walk", 100)


def test_demo_hands_over_to_the_suite(tmp_path: Path) -> None:
    suite = tmp_path / "mirl"
    suite.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    suite.chmod(0o755)
    done = toy("demo", "--task", "PLANE", environment={"MIRL_SUITE": str(suite)})
    root = PAPER.project.parents[1]
    assert (done.returncode, done.stdout) == (7, f"reproduce --paper toy --task plane --budget tiny --root {root}\n")


@pytest.mark.parametrize(("image", "is_told"), [("mirl/toy:gpu", True), ("mirl/toy:cpu", False)])
def test_the_demo_of_a_gpu_image_says_that_it_sees_no_gpu(image: str, is_told: bool) -> None:
    done = toy("demo", environment={"MIRL_SUITE": "/bin/true", "MIRL_IMAGE": image})
    told = "no GPU is visible in here (docker run --gpus all shows them, with NVIDIA's container toolkit)"
    assert done.stdout == (f"{told}: this runs on the CPU\n" if is_told else "")


def test_demo_without_the_suite_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("MIRL_SUITE", raising=False)
    assert main(replace(PAPER, project=tmp_path), ["demo"]) == 2
    assert "demo needs the suite's command `mirl`; `make setup`" in capsys.readouterr().err


def test_tensorboard_is_on_unless_it_is_switched_off(finished: Path, interrupted: Path) -> None:
    assert len(list(finished.glob("events.out.tfevents.*"))) == 1
    assert not list(interrupted.glob("events.out.tfevents.*"))


def test_a_run_holds_the_values_that_were_run_not_those_that_were_asked_for(tmp_path: Path) -> None:
    paper = replace(PAPER, effective=lambda task, config: replace(config, step_size=min(config.step_size, 0.25)))
    words = [*driver.TRAIN, "--run-dir", str(tmp_path / "seed0"), "--total-env-steps", "20", "--step-size", "7"]
    assert main(paper, words) == 0
    manifest = json.loads((tmp_path / "seed0/manifest.json").read_text())
    assert manifest["config"]["step_size"] == record(tmp_path / "seed0")["config"]["step_size"] == 0.25
    assert main(paper, [*words[:-1], "0.25"]) == 0  # what was run is what a rerun is compared with


def test_wandb_that_is_not_installed_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main(PAPER, [*driver.TRAIN, "--run-dir", str(tmp_path / "seed0"), "--wandb"]) == 2
    assert (
        capsys.readouterr().err
        == "toy: --wandb needs the package wandb, which is not installed here; pip install wandb\n"
    )
    assert contents(tmp_path) == {}


def test_wandb_gets_what_is_logged(tmp_path: Path) -> None:
    stub = tmp_path / "packages/wandb.py"
    stub.parent.mkdir()
    stub.write_text(
        "class Run:\n"
        "    def log(self, values): print('logged', sorted(values))\n"
        "    def finish(self): print('closed')\n"
        "def init(**options): print('opened', options['id']); return Run()\n"
    )
    path = f"{stub.parent}:{driver.TESTS}"
    directory = tmp_path / "tiny/toy/line/drift/seed0"
    done = train(directory, "--wandb", "--total-env-steps", "20", environment={"PYTHONPATH": path})
    assert done.stdout.splitlines()[:2] == [
        "opened tiny-toy-line-drift-seed0",
        "logged ['env_step', 'loss/distance', 'time/now', 'train/return']",
    ]
    assert "closed" in done.stdout


def test_runs_outside_a_results_folder_do_not_share_a_place_in_wandb(tmp_path: Path) -> None:
    names = [name_of(tmp_path / folder, "toy/line/drift/seed0") for folder in ("one", "two")]
    assert len(set(names)) == 2
    assert all(re.fullmatch("toy/line/drift/seed0/[0-9a-f]{8}", name) for name in names)


def test_wandb_without_an_account_is_one_line(tmp_path: Path) -> None:
    stub = tmp_path / "packages/wandb.py"
    stub.parent.mkdir()
    stub.write_text(
        "class UsageError(Exception): pass\n"
        "def init(**options): raise UsageError('api_key not configured (no-tty).\\ncall wandb.login()')\n"
    )
    failed = train(tmp_path / "seed0", "--wandb", environment={"PYTHONPATH": f"{stub.parent}:{driver.TESTS}"})
    assert failed.returncode == 2
    assert complaint(failed) == (
        "--wandb: Weights & Biases does not start (api_key not configured (no-tty).); "
        "`wandb login` or WANDB_MODE=offline may mend it"
    )


def test_a_variant_is_part_of_the_run_id(tmp_path: Path) -> None:
    assert train(tmp_path / "seed0", "--variant", "slow", "--total-env-steps", "20").returncode == 0
    assert record(tmp_path / "seed0")["run_id"] == "toy/line/drift@slow/seed0"


def test_a_config_field_that_an_option_would_hide_is_the_papers_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import make_dataclass

    clashing = make_dataclass("Clashing", [("variant", str, "x")], frozen=True)
    with pytest.raises(TypeError, match=r"must not have the fields \{'variant'\}"):
        main(replace(PAPER, configure=lambda *_: clashing()), [*driver.TRAIN, "--run-dir", "nowhere"])


def test_a_reader_that_closes_the_pipe_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "toy", "describe", "--json"], env=driver.ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=30) != 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_ctrl_c_outside_training_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(task: str) -> Any:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts us in the background lets it be ignored
        signal.raise_signal(signal.SIGINT)

    assert main(replace(PAPER, bench=interrupted), ["bench"]) == 130
    assert capsys.readouterr().err == "toy: stopped by SIGINT\n"


def test_a_papers_imports_bring_no_framework_and_nothing_of_the_host() -> None:
    heavy = "torch tensorflow jax pandas pydantic scipy matplotlib rich.console snakemake yaml typer wandb"
    code = (
        "import sys, mirl.paper, mirl.measure, mirl.commands.train, mirl.commands.evaluate, mirl.commands.describe\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith(('mirl.suite', 'mirl.verdict'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_a_trained_state_can_be_loaded_by_whoever_has_the_folder(finished: Path) -> None:
    state = load_checkpoint(finished, driver.toy_state())
    assert state.env_step == 1000
    assert (finished / "position.txt").read_text() == str(float(state.position[0]))
    assert isinstance(state.position, np.ndarray)


def test_every_command_has_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib import import_module

    from mirl.paper import COMMANDS

    runs: list[Callable[..., int]] = [import_module(f"mirl.commands.{command}").run for command in COMMANDS]
    assert all(run.__doc__ for run in runs)


def test_a_card_that_the_framework_does_not_find_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_command, "device_files", lambda: [Path("/dev/nvidia1")])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert train_command.choose_device(PAPER, "auto") == "cpu"
    assert capsys.readouterr().out == (
        "this host has an NVIDIA card, and the framework finds none (CUDA_VISIBLE_DEVICES=-1): training on the CPU\n"
    )
    with pytest.raises(ConfigError, match=r"the framework finds none \(CUDA_VISIBLE_DEVICES=-1\); use cpu or auto$"):
        train_command.choose_device(PAPER, "cuda")
    assert train_command.choose_device(PAPER, "cpu") == "cpu"
    assert capsys.readouterr().out == ""


def test_a_manifest_names_the_renderer_where_something_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert manifest.drawn_with() == {}
    monkeypatch.setattr(manifest.drawing, "_renderer", "EGL, NVIDIA A100")
    assert manifest.drawn_with() == {"renderer": "EGL, NVIDIA A100"}
