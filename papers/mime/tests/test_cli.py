"""The command line as a person uses it: files, columns, kill and resume, the original's flags, bad input."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
import yaml
from paper_runs import Program, records, rows
from toys import SWITCHES

from mime import figure
from mime.__main__ import PAPER
from mime.config import FOLDER, SETTINGS_FILES, configure, refuse_other_tasks_fields
from mime.original import translate
from mime.pearl.config import FOLDER as PEARL_FOLDER
from mime.pearl.config import SETTINGS_FILES as PEARL_FILES
from mirl.config import ConfigError
from mirl.paper import main
from mirl.run import Run

PROGRAM = Program("mime")
SMALL = ["--fast-batch-size", "3", "--meta-batch-size", "2", "--evaluation-batches", "1", "--evaluation-steps", "2"]
FAST_MIME = ["--dyn-first-updates", "3", "--pre-epochs", "1"]
ENV_STEPS_PER_ITERATION = 2 * 3 * 100 * 2
COLUMNS = {"TotalEnvSteps", "Iteration", "Train-0/Returns", "Train-0/Success", "Valid/Returns", "Valid/Success"}
EXPLORATION_COLUMNS = {
    "Dynamics/OldMSELoss", "Dynamics/NewMSELoss", "Train-0/IntrinsicReturns", "Train-0/CombinedReturns",
    "Valid/IntrinsicReturns", "Valid/CombinedReturns", "Eta",
}  # fmt: skip


def train_words(directory: Path, method: str, iterations: int = 2, *more: str) -> list[str]:
    fast = FAST_MIME if method == "mime" else []
    total = ["--total-env-steps", str(iterations * ENV_STEPS_PER_ITERATION)]
    names = ["train", "--task", "wide_ring", "--method", method, "--seed", "0", "--run-dir", str(directory)]
    return [*names, "--device", "cpu", *SMALL, *fast, *total, *more]


def pearl_words(directory: Path, iterations: int, *more: str) -> list[str]:
    """PEARL with 3 gradient steps an iteration of 1,000 env steps, after 1,000 at the beginning."""
    return [
        "train", "--task", "wide_ring", "--method", "pearl", "--seed", "0", "--run-dir", str(directory),
        "--device", "cpu", "--total-env-steps", str(1000 * (iterations + 1)), "--num-initial-steps", "100",
        "--num-tasks-sample", "1", "--meta-batch", "2", "--num-train-steps-per-itr", "3", "--batch-size", "8",
        "--embedding-batch-size", "8", "--net-size", "16", "--evaluation-batches", "1", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of two iterations for each method."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("maml", "mime"):
        done = PROGRAM.run(*train_words(folder / method, method))
        assert done.returncode == 0, done.stderr
    return {method: folder / method for method in ("maml", "mime")}


@pytest.mark.parametrize("method", ["maml", "mime"])
def test_a_run_leaves_the_promised_files(finished: dict[str, Path], method: str):
    folder = finished[method]
    promised = {"policy.th", "config.json", "train_log.txt", "train_result.csv", "test_log.txt", "test_result.csv"}
    assert promised | {"manifest.json", "metrics.csv", "episodes.csv"} <= {path.name for path in folder.iterdir()}
    assert (folder / "dynamics.th").exists() == (method == "mime")
    assert list((folder / "test").glob("events.out.tfevents.*"))
    assert list((folder / "train_trajectories").glob("events.out.tfevents.*"))
    assert list((folder / "test" / "train_trajectories").glob("events.out.tfevents.*"))


@pytest.mark.parametrize("method", ["maml", "mime"])
def test_train_result_has_exactly_the_originals_columns(finished: dict[str, Path], method: str):
    table = rows(finished[method] / "train_result.csv")
    assert set(table[0]) == COLUMNS | (EXPLORATION_COLUMNS if method == "mime" else set())
    assert [row["Iteration"] for row in table] == ["0", "1"]
    assert [int(row["TotalEnvSteps"]) for row in table] == [ENV_STEPS_PER_ITERATION, 2 * ENV_STEPS_PER_ITERATION]


def test_test_result_has_a_row_per_batch_and_a_column_per_step(
    finished: dict[str, Path], capsys: pytest.CaptureFixture[str]
):
    folder = finished["mime"]
    words = ["--evaluation-batches", "3", "--evaluation-steps", "10", "--fast-batch-size", "1"]
    assert main(PAPER, ["evaluate", "--run-dir", str(folder), *words]) == 0
    assert "eval/return_step_10" in capsys.readouterr().out
    table = rows(folder / "test_result.csv")
    assert [row["Batch"] for row in table] == ["0", "1", "2"]
    phases = {name.partition("/")[0] for name in table[0]} - {"Batch"}
    assert phases == {f"Train-{step}" for step in range(10)} | {"Valid"}


def test_weights_load_as_plain_tensors_in_the_papers_names(finished: dict[str, Path]):
    policy = torch.load(finished["mime"] / "policy.th", weights_only=True)
    assert list(policy)[:2] == ["sigma", "layer1.weight"]
    dynamics = torch.load(finished["mime"] / "dynamics.th", weights_only=True)
    assert list(dynamics)[:4] == ["layers.0.mu", "layers.0.rho", "layers.0.b_mu", "layers.0.b_rho"]


def test_config_json_has_the_originals_keys(finished: dict[str, Path]):
    config = json.loads((finished["mime"] / "config.json").read_text())
    assert set(yaml.safe_load((FOLDER / SETTINGS_FILES["wide_ring"]).read_text())) <= set(config)
    flags = {"use_vime", "adapt_eta", "add_noise", "e_maml", "use_inv_vime", "seed", "num_workers", "use_cuda",
             "config", "output_folder", "device"}  # fmt: skip
    assert flags | {"dyn-lr", "adapted-eta"} <= set(config)
    assert config["fast-batch-size"] == 3
    assert 0 < config["adapted-eta"] < 1


def test_evaluating_again_repeats_the_test_at_the_end_of_training(finished: dict[str, Path]):
    folder = finished["maml"]
    before = (folder / "test_result.csv").read_bytes()
    assert main(PAPER, ["evaluate", "--run-dir", str(folder)]) == 0
    assert (folder / "test_result.csv").read_bytes() == before


@pytest.mark.parametrize("method", ["maml", "pearl"])
def test_the_end_of_training_is_saved_however_rare_checkpoints_are(tmp_path: Path, method: str):
    folder = tmp_path / "run"
    words = pearl_words(folder, 1) if method == "pearl" else train_words(folder, method)
    assert main(PAPER, [*words, "--save-every", "100000000"]) == 0
    latest = json.loads((folder / "checkpoint" / "latest.json").read_text())
    assert latest["env_step"] == max(int(step) for step, _, _ in records(folder))
    assert main(PAPER, ["evaluate", "--run-dir", str(folder)]) == 0


def test_other_sizes_than_the_trained_ones_are_one_line(finished: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["evaluate", "--run-dir", str(finished["mime"]), "--hidden-sizes", "8", "8"]) == 2
    said = capsys.readouterr().err
    assert "does not fit this config" in said
    assert "policy has 4,484 numbers, not 116" in said
    assert len(said.strip().splitlines()) == 1


def test_episodes_are_recorded_before_and_after_adaptation(finished: dict[str, Path]):
    table = rows(finished["maml"] / "episodes.csv")
    for setting in ("adapted", "unadapted"):
        assert sum(row["setting"] == setting for row in table) == 16 * 3
    assert {row["length"] for row in table} == {"100"}


def test_a_film_of_the_moving_points_is_written(finished: dict[str, Path], tmp_path: Path):
    film = tmp_path / "film.mp4"
    words = ["--setting", "train", "--video", str(film)]
    assert main(PAPER, ["evaluate", "--run-dir", str(finished["maml"]), *words]) == 0
    assert film.stat().st_size > 10_000


def test_a_finished_run_is_left_alone(finished: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, train_words(finished["maml"], "maml")) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_continues_and_ends_equal(tmp_path: Path, kill: signal.Signals):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert PROGRAM.run(*train_words(whole, "mime", 5)).returncode == 0
    words = train_words(broken, "mime", 5)
    PROGRAM.stopped(*words, when=(broken / "checkpoint" / "latest.json").exists, kill=kill)
    PROGRAM.continues(*words)
    assert records(broken) == records(whole)
    assert (broken / "train_result.csv").read_bytes() == (whole / "train_result.csv").read_bytes()
    assert (broken / "test_result.csv").read_bytes() == (whole / "test_result.csv").read_bytes()
    for name in ("policy.th", "dynamics.th"):
        ours, theirs = (torch.load(folder / name, weights_only=True) for folder in (broken, whole))
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_a_pearl_run_stopped_between_gradient_steps_continues_and_ends_equal(tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = ["--num-train-steps-per-itr", "80"]
    assert PROGRAM.run(*pearl_words(whole, 3), *steps).returncode == 0
    words = [*pearl_words(broken, 3), *steps]
    PROGRAM.stopped(*words, when=(broken / "checkpoint" / "latest.json").exists)
    PROGRAM.continues(*words)
    assert records(broken) == records(whole)
    assert (broken / "episodes.csv").read_bytes() == (whole / "episodes.csv").read_bytes()


def test_pearl_is_tested_by_posterior_sampling_and_filmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder, film = tmp_path / "run", tmp_path / "film.mp4"
    assert main(PAPER, pearl_words(folder, 1)) == 0
    trained = {row["name"]: row["value"] for row in rows(folder / "metrics.csv")}
    assert {"loss/critic", "loss/value", "loss/policy", "loss/encoder_kl", "train/adapted_return"} <= set(trained)
    capsys.readouterr()
    assert main(PAPER, ["evaluate", "--run-dir", str(folder), "--video", str(film)]) == 0
    assert f"{float(trained['eval/travel']):.6g}" in capsys.readouterr().out
    assert main(PAPER, ["evaluate", "--run-dir", str(folder), "--num-steps-per-eval", "600", "--episodes", "2"]) == 0
    assert "eval/return_step_5" in capsys.readouterr().out
    assert film.stat().st_size > 10_000
    assert main(PAPER, ["--output-folder", str(folder)]) == 2
    assert "test.py does not test pearl" in capsys.readouterr().err


def test_pearl_is_refused_on_a_task_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["train", "--task", "ml10", "--method", "pearl", "--seed", "0", "--run-dir", str(tmp_path / "run")]
    assert main(PAPER, words) == 2
    said = capsys.readouterr().err
    assert "pearl has no settings for task ml10" in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("method", "columns"),
    [("maml_noise", set()), ("maml_expl", EXPLORATION_COLUMNS - {"Eta"}), ("e_maml", set())],
)
def test_the_other_methods_leave_their_files_too(tmp_path: Path, method: str, columns: set[str]):
    fast = FAST_MIME if method == "maml_expl" else []
    words = [*train_words(tmp_path / "run", method, 1, "--evaluation-steps", "1"), *fast]
    assert main(PAPER, words) == 0
    assert set(rows(tmp_path / "run" / "train_result.csv")[0]) == COLUMNS | columns
    assert (tmp_path / "run" / "dynamics.th").exists() == (method == "maml_expl")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    switches = {"use_vime": "maml_expl", "add_noise": "maml_noise", "e_maml": "e_maml", "adapt_eta": "mime"}
    assert {flag: config[flag] for flag in switches} == {flag: method == name for flag, name in switches.items()}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--fast-lr", "-0.05"], "--fast-lr must be positive, got -0.05"),
        (["--fast-batch-size", "0"], "--fast-batch-size must be at least 1, got 0"),
        (["--dyn-prior-sd", "0.5"], "--dyn-prior-sd"),
        (["--eta-update", "never"], "--eta-update"),
        (["--task", "wide_rings"], "did you mean wide_ring?"),
        (["--method", "mamml"], "did you mean maml?"),
    ],
)
def test_bad_input_gets_one_line_and_writes_nothing(
    tmp_path: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, [*train_words(tmp_path / "run", "maml"), *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_bad_input_ends_the_process_with_code_2(tmp_path: Path):
    done = PROGRAM.run(*train_words(tmp_path / "run", "maml"), "--max-kl", "0")
    assert (done.returncode, done.stderr) == (2, "mime: --max-kl must be positive, got 0.0\n")


def test_evaluating_a_folder_that_is_no_run_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["evaluate", "--run-dir", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_originals_training_line_trains_mime(tmp_path: Path):
    line = "--use-vime --adapt-eta --config configs/msc_project/2d-navigation-close-ring-sparse.yaml --num-workers 6"
    words = translate([*line.split(), "--seed", "3", "--output-folder", str(tmp_path / "0")])
    assert words[:7] == ["train", "--task", "close_ring", "--method", "mime", "--seed", "3"]
    assert words[words.index("--run-dir") + 1] == str(tmp_path / "0")
    assert words[words.index("--device") + 1] == "cpu"
    assert words[words.index("--trajectory-images-every") + 1] == "1"
    assert "cuda" in translate([*line.split(), "--output-folder", "x", "--use-cuda"])


def test_an_edited_settings_file_overrides_the_papers_values(tmp_path: Path):
    settings = yaml.safe_load((FOLDER / SETTINGS_FILES["wide_ring"]).read_text())
    edits = {"fast-lr": 0.1, "num-batches": 1, "pre-epochs": 1, "meta-batch-size": 2, "fast-batch-size": 3}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(settings | edits | {"hidden-sizes": [8, 8]}))
    done = PROGRAM.run(
        "--config", str(path), "--output-folder", str(tmp_path / "run"), "--seed", "1", "--use-vime", "--adapt-eta",
        "--num-workers", "6",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert {name: config[name] for name in edits} == edits
    assert config["hidden-sizes"] == [8, 8]
    assert config["num_workers"] == 6
    assert len(rows(tmp_path / "run" / "train_result.csv")) == 2
    test_line = ["--output-folder", str(tmp_path / "run"), "--num-batches", "1", "--num-steps", "1", "--seed", "2"]
    assert main(PAPER, test_line) == 0
    assert {name.partition("/")[0] for name in rows(tmp_path / "run" / "test_result.csv")[0]} == {
        "Batch",
        "Train-0",
        "Valid",
    }


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--config {yaml} --output-folder x --adapt-eta", "--adapt-eta has no effect without --use-vime"),
        ("--config {yaml} --output-folder x --adapt-eta --e-maml", "--adapt-eta has no effect without --use-vime"),
        ("--config {yaml} --output-folder x --use-vime --e-maml", "--e-maml --use-vime together are no method"),
        ("--config {yaml} --output-folder x --add-noise --e-maml", "--add-noise --e-maml together are no method"),
        ("--config {yaml} --output-folder x --use-inv-vime", "--use-inv-vime asks for an inverse dynamics model"),
        ("--config {yaml} --output-folder x --use-vime --use-inv-vime", "--use-inv-vime asks for"),
        ("--config pendulum.json --output-folder x --use-vime", "--use-vime means nothing to pearl"),
        ("--config nowhere.json --output-folder x", "nowhere.json does not exist"),
        ("--config {yaml}", "--output-folder"),
        ("--config nowhere.yaml --output-folder x", "nowhere.yaml does not exist"),
        ("--config {yaml} --output-folder x --num-workers 0", "must be a whole number of at least 1, got 0"),
        ("--config {yaml} --output-folder x --fast", "--fast"),
        ("--num-steps 3", "--output-folder"),
    ],
)
def test_original_flags_that_cannot_be_honoured_get_one_line(line: str, complaint: str):
    yaml_file = str(FOLDER / SETTINGS_FILES["wide_ring"])
    with pytest.raises(ConfigError, match=complaint) as caught:
        translate(line.format(yaml=yaml_file).split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("switches", "method"), SWITCHES.items())
@pytest.mark.parametrize("task", SETTINGS_FILES)
def test_every_settings_file_trains_every_method(task: str, switches: str, method: str):
    words = translate([*switches.split(), "--config", f"configs/msc_project/{SETTINGS_FILES[task]}",
                       "--output-folder", "x", "--num-workers", "6"])  # fmt: skip
    assert words[:5] == ["train", "--task", task, "--method", method]
    assert words[words.index("--num-workers") + 1] == "6"


def test_launcher_files_have_the_originals_names():
    names = [f"navigation-{ring}-sparse.json" for ring in ("wide-ring", "hard-exploration", "close-ring")]
    assert sorted(PEARL_FILES.values()) == sorted([*names, "pendulum.json", "pendulum-sparse.json"])
    assert {path.name for path in PEARL_FOLDER.iterdir()} == set(PEARL_FILES.values())


@pytest.mark.parametrize("task", PEARL_FILES)
def test_every_launcher_file_trains_pearl(task: str, tmp_path: Path):
    words = translate(["--config", f"pearl/configs/{PEARL_FILES[task]}", "--output-folder", "x", "--seed", "2"])
    assert words == ["train", "--task", task, "--method", "pearl", "--seed", "2", "--run-dir", "x", "--device", "cpu"]
    settings = json.loads((PEARL_FOLDER / PEARL_FILES[task]).read_text())
    settings["algo_params"]["kl_lambda"] = 0.5
    (tmp_path / "mine.json").write_text(json.dumps(settings))
    assert translate(["--config", str(tmp_path / "mine.json"), "--output-folder", "x"])[-2:] == ["--kl-lambda", "0.5"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"env_name": "dog"}, "no env_name 'dog'"),
        ({"n_train_tasks": 2.5}, "n_train_tasks must be a whole number, got 2.5"),
        ({"algo_params": {"kl_lambda": "much"}}, "kl_lambda must be of type float, got much"),
        ({"algo_params": {"lambda": 1}}, "no key 'lambda'"),
        ({"algo_params": {"n_train_tasks": 5}}, "no key 'n_train_tasks' in mine.json"),
        ({"algo_params": {"n_eval_tasks": 2}}, "no key 'n_eval_tasks' in mine.json"),
        ({"algo_params": {"pendulum_tasks": "every"}}, "no key 'pendulum_tasks' in mine.json"),
        ({"algo_params": {"evaluation_seed": 2}}, "no key 'evaluation_seed' in mine.json"),
        ({"algo_params": {"update_post_train": 2}}, "update_post_train must be 1, got 2"),
        ({"algo_params": []}, "must hold env_name"),
    ],
)
def test_bad_launcher_files_get_one_line(tmp_path: Path, change: dict[str, object], complaint: str):
    settings = json.loads((PEARL_FOLDER / "pendulum.json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps(settings | change))
    with pytest.raises(ConfigError, match=complaint) as caught:
        translate(["--config", str(tmp_path / "mine.json"), "--output-folder", "x"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"env-name": "AntVel-v1"}, {"env-kwargs": {"low": 4.0, "high": 9.0}}])
def test_settings_for_another_environment_get_one_line(tmp_path: Path, change: dict[str, object]):
    settings = yaml.safe_load((FOLDER / SETTINGS_FILES["wide_ring"]).read_text())
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(settings | change))
    with pytest.raises(ConfigError, match="env-") as caught:
        translate(["--config", str(path), "--output-folder", "x"])
    assert "\n" not in str(caught.value)


def test_other_numbers_for_an_environment_are_told_those_of_its_own_tasks(tmp_path: Path):
    settings = yaml.safe_load((FOLDER / SETTINGS_FILES["pendulum"]).read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(settings | {"env-kwargs": {"sparse": 3}}))
    with pytest.raises(ConfigError) as caught:
        translate(["--config", str(tmp_path / "mine.yaml"), "--output-folder", "x"])
    allowed = "{'sparse': False} (pendulum) or {'sparse': True} (pendulum_sparse)"
    assert str(caught.value) == f"env-kwargs must be {allowed}, got {{'sparse': 3}}"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--task dog --method maml --ml10-preset full39", "--ml10-preset full39 means nothing on dog; ml10 alone"),
        ("--task wide_ring --method mime --ml10-preset full39", "--ml10-preset full39 means nothing on wide_ring"),
        ("--task dog --method mime --pendulum-tasks every", "--pendulum-tasks every means nothing on dog; pendulum"),
        ("--task wide_ring --method pearl --pendulum-tasks every", "--pendulum-tasks every means nothing on wide_ring"),
        ("--task pendulum --method pearl --n-eval-tasks 5", "--n-eval-tasks must be at most 4 on pendulum, got 5"),
    ],
)
def test_fields_that_a_task_has_no_use_for_are_refused_in_one_line(
    tmp_path: Path, words: str, complaint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Run, "restore", lambda *_: pytest.fail("training began"))
    line = ["train", *words.split(), "--seed", "0", "--run-dir", str(tmp_path / "run"), "--device", "cpu"]
    assert main(PAPER, line) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_testing_on_a_gpu_what_was_trained_without_one_is_refused_in_one_line(
    finished: dict[str, Path], capsys: pytest.CaptureFixture[str]
):
    assert main(PAPER, ["--output-folder", str(finished["maml"]), "--use-cuda"]) == 2
    said = capsys.readouterr().err
    assert "--use-cuda" in said
    assert "was trained on the cpu" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--run-dir {run} --output {folder}/x.xyz", "--output must end in .png, .svg or .pdf, got"),
        ("--run-dir {run} --output {folder}/no/x.png", "its folder does not exist"),
        ("--run-dir {run}", "--output"),
        ("--run-dir {folder} --output {folder}/x.png", "is not a run directory"),
        ("--run-dir {run} --output {folder}/x.png --epsiodes 3", "--epsiodes"),
    ],
)
def test_what_the_figure_cannot_draw_gets_one_line_before_anything_is_played(
    finished: dict[str, Path], tmp_path: Path, words: str, complaint: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setattr(figure, "run_tests", lambda *_: pytest.fail("episodes were played"))
    assert figure.main(words.format(run=finished["maml"], folder=tmp_path).split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("figure: ")
    assert complaint in said
    assert len(said.strip().splitlines()) == 1


def test_every_registered_default_is_accepted_by_its_task():
    for task in SETTINGS_FILES:
        for fidelity in PAPER.fidelities:
            config = configure(task, "maml", fidelity)
            refuse_other_tasks_fields(task, config.pendulum_tasks, config.ml10_preset)


def test_describe_counts_parameters(capsys: pytest.CaptureFixture[str]):
    assert main(PAPER, ["describe", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    counts = described["parameter_counts"]["wide_ring"]
    assert {method: counts[method] for method in ("maml", "mime")} == {
        "maml": {"policy": 4484},
        "mime": {"policy": 4484, "dynamics": 452},
    }
    assert described["parameter_counts"]["ml10"]["maml_expl"] == {"policy": 5256, "dynamics": 10_508}
    assert set(described["config"]["dog"]) == {"maml", "maml_noise", "maml_expl", "mime", "e_maml"}
    assert "pearl" in described["config"]["pendulum"]
