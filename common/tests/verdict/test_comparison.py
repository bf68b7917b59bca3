from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from on_disk import claim, registered, task, write_references, write_run, write_seeds
from rich.console import Console

from mirl.config import ConfigError
from mirl.suite.experiments import Experiments
from mirl.verdict import comparison, tables
from mirl.verdict.comparison import Comparison, ComparisonRow, build

RESULT = "line,ours,,eval/return,,100,3,sd,5,points,result,paper_table,Table 1,"
FAR = {"metric": {"name": "eval/far", "unit": "m"}, "margin": 1}
VALUES = [98.0, 101.0, 100.0, 102.0, 99.0]


def row(comparison: Comparison, method: str = "ours", task: str = "line") -> ComparisonRow:
    return next(row for row in comparison.rows if (row.task, row.method) == (task, method))


def shown(comparison: Comparison, **only: str) -> list[str]:
    console = Console(width=100, file=io.StringIO(), highlight=False)
    console.print(tables.render(comparison, **only))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_a_row_holds_reference_ours_and_verdict(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    found = row(build(tmp_path, registered(), "toy", "paper"))
    assert found.verdict == "equivalent"
    assert found.reference is not None
    assert (found.reference.value, found.reference.n) == (100, 5)
    assert (found.ours.mean, found.ours.n, found.ours.seeds) == (100, 5, dict(enumerate(VALUES)))
    assert found.ours.sd == pytest.approx(1.5811, abs=1e-4)
    assert found.ours.iqm == pytest.approx(100)
    assert found.ours.mean_interval is not None
    assert 98 <= found.ours.mean_interval[0] < 100 < found.ours.mean_interval[1] <= 102


def test_a_success_rate_has_an_interval_within_0_and_1_and_the_verdict_of_one_without(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT.replace("points", "success rate"))
    write_seeds(tmp_path, "paper/toy/line/ours", [1.0, 1.0, 0.9, 1.0, 0.8])
    rows = {}
    for unit in ("success rate", "points"):
        metric = {"name": "eval/return", "unit": unit}
        rows[unit] = row(build(tmp_path, registered({"line": task(metric=metric)}), "toy", "paper"))
    cut, whole = rows["success rate"].ours.mean_interval, rows["points"].ours.mean_interval
    assert cut is not None
    assert whole is not None
    assert whole[1] > 1
    assert cut == (whole[0], 1)
    same = {"verdict", "reason", "welch_p", "equivalence_p", "difference", "difference_interval"}
    assert rows["success rate"].model_dump(include=same) == rows["points"].model_dump(include=same)


def test_without_runs_every_row_is_not_run(tmp_path: Path) -> None:
    found = build(tmp_path, registered(claims=[claim()]), "toy", "paper")
    assert [one.verdict for one in found.rows] == ["not run", "not run"]
    assert [one.verdict for one in found.claims] == ["not run"]


def test_the_registered_seeds_alone_count(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    write_seeds(tmp_path, "paper/toy/line/ours", [*VALUES, 900.0])
    assert row(build(tmp_path, registered(), "toy", "paper")).ours.n == 5


def test_a_run_of_another_fidelity_or_fewer_steps_does_not_count(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES[:3])
    write_run(tmp_path, "paper/toy/line/ours/seed3", {"eval/return": [99.0]}, fidelity="fixed")
    write_run(tmp_path, "paper/toy/line/ours/seed4", {"eval/return": [99.0]}, env_steps=700)
    found = row(build(tmp_path, registered(), "toy", "paper"))
    assert found.verdict == "inconclusive"
    assert "seed 3 run with fidelity fixed, verdicts use faithful" in found.reason
    assert "seed 4 ended after 700 of 1,000 env steps" in found.reason


def test_a_run_that_never_recorded_the_metric_does_not_count(tmp_path: Path) -> None:
    write_run(tmp_path, "paper/toy/line/ours/seed0", {"train/return": [99.0]})
    found = row(build(tmp_path, registered(), "toy", "paper"))
    assert found.verdict == "not run"
    assert "seed 0 without eval/return" in found.reason


def test_a_ceiling_of_any_method_bounds_every_method(tmp_path: Path) -> None:
    write_references(tmp_path, "line,any,,eval/return,,200,,,,points,ceiling,computed,by hand,")
    write_seeds(tmp_path, "paper/toy/line/theirs", VALUES)
    found = row(build(tmp_path, registered(), "toy", "paper"), "theirs")
    assert found.verdict == "no reference"
    assert "50% of the ceiling 200" in found.reason
    assert [bound.value for bound in found.bounds] == [200]


def test_a_wrong_reference_names_its_line(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT, RESULT.replace("paper_table", "hearsay"))
    with pytest.raises(ConfigError, match=r"toy\.csv line 3: provenance: .*got 'hearsay'"):
        build(tmp_path, registered(), "toy", "paper")


def test_the_same_results_give_the_same_file(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    path = comparison.write(tmp_path, build(tmp_path, registered(), "toy", "paper"))
    first = path.read_bytes()
    assert comparison.write(tmp_path, build(tmp_path, registered(), "toy", "paper")).read_bytes() == first
    assert path == tmp_path / "results/runs/paper/toy/verdict.json"


def test_the_file_is_read_back_and_names_what_was_registered(tmp_path: Path) -> None:
    experiments = registered(claims=[claim()])
    write_seeds(tmp_path, "paper/toy/line/ours", [1.0, float("nan")])
    path = comparison.write(tmp_path, build(tmp_path, experiments, "toy", "paper"))
    stored = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert stored["bootstrap"] == {"seed": 0, "repetitions": 2000}
    assert stored["registration_sha256"] == comparison.registration_sha256(experiments.papers["toy"])
    assert stored["rows"][0]["ours"]["seeds"] == {"0": 1.0, "1": None}
    assert Comparison.model_validate_json(path.read_bytes()).paper == "toy"


def test_another_margin_is_another_registration() -> None:
    other = registered({"line": task(margin=11.0)})
    assert comparison.registration_sha256(other.papers["toy"]) != comparison.registration_sha256(
        registered().papers["toy"]
    )


def test_the_table_fits_a_hundred_columns_and_shows_every_row(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    write_seeds(tmp_path, "paper/toy/line/theirs", [150_000.0 + value for value in VALUES])
    lines = shown(build(tmp_path, registered(claims=[claim()]), "toy", "paper"))
    assert max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    assert "ours 100.0 ± 3.0 100.0 ± 1.6" in text
    assert "5 equivalent" in text
    assert "TOST p" in text
    assert "ours-wins 0.00 0.00 … 0.00" in text
    assert "5 fails" in text


def test_the_table_can_be_cut_to_a_task_and_a_method(tmp_path: Path) -> None:
    experiments = registered({"line": task(), "circle": task()}, [claim()])
    lines = shown(build(tmp_path, experiments, "toy", "paper"), task="circle", method="theirs")
    text = "\n".join(lines)
    assert "circle" in text
    assert "theirs" in text
    assert "line" not in text
    assert "ours-wins" not in text


def test_each_setting_is_judged_by_its_own_metric_and_margin(tmp_path: Path) -> None:
    far = {"metric": {"name": "eval_far/return", "unit": "points"}, "margin": 0.5}
    experiments = registered({"line": task(setting="near", settings={"far": far})}, [claim(setting="far")])
    write_references(tmp_path, RESULT, RESULT.replace("eval/return", "eval_far/return"))
    for seed, value in enumerate(VALUES):
        metrics = {"eval/return": [value], "eval_far/return": [value + 1]}
        write_run(tmp_path, f"paper/toy/line/ours/seed{seed}", metrics)
        write_run(tmp_path, f"paper/toy/line/theirs/seed{seed}", {"eval/return": [value], "eval_far/return": [0.0]})
    built = build(tmp_path, experiments, "toy", "paper")
    near, far_row = (one for one in built.rows if one.method == "ours")
    assert (near.setting, near.margin, near.ours.mean, near.verdict) == ("near", 10.0, 100.0, "equivalent")
    assert (far_row.setting, far_row.margin, far_row.ours.mean, far_row.verdict) == ("far", 0.5, 101.0, "inconclusive")
    assert [(one.setting, one.probability) for one in built.claims] == [("far", 1.0)]


def test_a_note_of_a_task_stands_beneath_its_rows(tmp_path: Path) -> None:
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    lines = shown(build(tmp_path, registered({"line": task(note="a stand-in of ours")}), "toy", "paper"))
    assert [line.strip() for line in lines if "stand-in" in line] == ["line: a stand-in of ours"]


def test_a_variant_with_a_setting_of_its_own_is_judged_in_that_alone(tmp_path: Path) -> None:
    settings = {
        "far": {"metric": {"name": "eval_far/return", "unit": "points"}, "margin": 1},
        "probe": {"metric": {"name": "eval/loss", "unit": "nats"}, "margin": 1, "variants": ["careful"]},
    }
    experiments = registered({"line": task(setting="near", settings=settings)})
    write_run(tmp_path, "paper/toy/line/ours/seed0", {"eval/return": [3.0], "eval_far/return": [4.0]})
    write_run(tmp_path, "paper/toy/line/ours@careful/seed0", {"eval/loss": [5.0]})
    rows = build(tmp_path, experiments, "toy", "paper").rows
    assert {(one.method, one.setting): one.ours.mean for one in rows if one.method != "theirs"} == {
        ("ours", "near"): 3.0, ("ours", "far"): 4.0, ("ours@careful", "probe"): 5.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"far": FAR}}, "settings need `setting`"),
        ({"setting": "near"}, "claim ours-wins: no setting far on task line"),
        (
            {"setting": "near", "settings": {"far": {**FAR, "variants": ["careful"]}}},
            "ours-wins: no setting far on task",
        ),
        ({"setting": "near", "settings": {"far": {**FAR, "variants": ["odd"]}}}, "for variant odd, which there is not"),
    ],
)
def test_a_setting_that_is_not_registered_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        registered({"line": task(**changes)}, [claim(setting="far")])


CONFIG = {"total_env_steps": 1000, "threads": 1, "fast_lr": 0.1, "verbose": True}
TRAIN = ["python", "-m", "toy", "train", "--task", "line", "--method", "ours", "--seed", "0", "--fidelity", "faithful"]


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        ({"config": {**CONFIG, "threads": 4}}, "run with threads=4, reproduce.yaml registers 1"),
        ({"config": {"threads": 1}}, "run with total_env_steps=None, reproduce.yaml registers 1000"),
        ({"config": CONFIG, "command": [*TRAIN, "--fast-lr", "0.1"]}, "run with --fast-lr, which reproduce.yaml does"),
        ({"config": CONFIG, "command": [*TRAIN, "--fast-lr=0.1"]}, "run with --fast-lr=0.1, which reproduce.yaml does"),
        ({"config": CONFIG, "command": [*TRAIN, "--no-verbose"]}, "run with --no-verbose, which reproduce.yaml does"),
    ],
)
def test_a_run_with_other_fields_than_the_registered_ones_does_not_count(
    tmp_path: Path, manifest: dict[str, object], fault: str
) -> None:
    write_references(tmp_path, RESULT)
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES[:4])
    write_run(tmp_path, "paper/toy/line/ours/seed4", {"eval/return": [99.0]}, **manifest)
    found = row(build(tmp_path, registered(), "toy", "paper"))
    assert (found.verdict, found.ours.n) == ("inconclusive", 4)
    assert f"seed 4 {fault}" in found.reason


def test_a_run_with_the_registered_options_and_free_ones_counts(tmp_path: Path) -> None:
    command = [*TRAIN, "--total-env-steps", "1000", "--threads", "1", "--run-dir", "DIR", "--device", "cuda"]
    write_run(
        tmp_path, "paper/toy/line/ours/seed0", {"eval/return": [1.0]},
        config={**CONFIG, "device": "cuda", "seed": 0, "task": "line", "method": "ours", "fidelity": "faithful"},
        command=command, device="cuda",
    )  # fmt: skip
    assert row(build(tmp_path, registered(), "toy", "paper")).ours.n == 1


def test_a_verdict_names_registration_references_and_rules(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    before = build(tmp_path, registered(), "toy", "paper")
    assert before.rules.model_dump() == {
        "level": 0.05, "spread_floor": 0.42, "least_seeds": 5, "step_tolerance": 0.05,
    }  # fmt: skip
    write_references(tmp_path, RESULT.replace(",100,", ",101,"))
    after = build(tmp_path, registered(), "toy", "paper")
    assert before.references_sha256 != after.references_sha256
    assert before.registration_sha256 == after.registration_sha256


def test_no_success_below_the_floor_without_saying_so(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT, "line,any,idle; zero action,eval/return,,120,,,,points,floor,measured,by us,")
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    built = build(tmp_path, registered(), "toy", "paper")
    found = row(built)
    assert (found.verdict, found.above_floor) == ("equivalent", "no")
    assert found.reason.endswith("; not above the floor, zero action gives 120")
    assert row(built, "theirs").above_floor is None
    assert any(line.rstrip().endswith("equivalent, not above the floor") for line in shown(built))


def test_a_claim_names_the_tasks_on_which_the_better_method_fails_too(tmp_path: Path) -> None:
    write_references(tmp_path, "line,any,idle; zero action,eval/return,,120,,,,points,floor,measured,by us,")
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    write_seeds(tmp_path, "paper/toy/line/theirs", [value - 50 for value in VALUES])
    (found,) = build(tmp_path, registered(claims=[claim()]), "toy", "paper").claims
    assert (found.verdict, found.not_above_floor) == ("holds", ("line",))
    assert found.reason.endswith("ours itself is not surely above the floor on line")


def with_variant() -> Experiments:
    content = registered().model_dump(mode="json")
    content["papers"]["toy"]["variants"] = {"slow": {"fast_lr": 0.1}, "never": {"fast_lr": 0.2}}
    return Experiments.model_validate(content)


def test_a_variant_has_a_row_where_it_was_run_and_is_held_to_its_own_fields(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT)
    for seed in range(5):
        write_run(tmp_path, f"paper/toy/line/ours@slow/seed{seed}", {"eval/return": [50.0]}, config=CONFIG)
    built = build(tmp_path, with_variant(), "toy", "paper")
    assert [one.method for one in built.rows] == ["ours", "ours@slow", "theirs"]
    assert (row(built, "ours@slow").verdict, row(built, "ours@slow").ours.n) == ("no reference", 5)
    assert row(built, "ours").verdict == "not run"
    write_run(tmp_path, "paper/toy/line/ours@never/seed0", {"eval/return": [50.0]}, config=CONFIG)
    assert "registers 0.2" in row(build(tmp_path, with_variant(), "toy", "paper"), "ours@never").reason


def test_a_registered_curve_is_told_and_never_judged(tmp_path: Path) -> None:
    curve = {"name": "train/return", "threshold": 2.0, "source": "a card"}
    for seed, values in enumerate([[0.0, 4.0], [0.0, 1.0], [2.0, 2.0]]):
        write_run(tmp_path, f"paper/toy/line/ours/seed{seed}", {"eval/return": [1.0], "train/return": values})
    built = build(tmp_path, registered({"line": task(curve=curve)}), "toy", "paper")
    found = row(built).curve
    assert found is not None
    assert (found.steps, found.reached, found.median_steps) == ({0: 2, 1: None, 2: 1}, 2, 2)
    assert found.areas[2] == pytest.approx(2.0)
    assert "train/return: 2 reached by 2 of 3 seeds, median after 2 env steps" in " ".join(
        " ".join(shown(built)).split()
    )
    assert row(build(tmp_path, registered(), "toy", "paper")).curve is None


def test_the_seeds_of_the_authors_are_judged_by_the_same_rules(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT.replace(",3,sd", ",1.58,sd"))
    header = "task,method,setting,metric,seed,value,provenance,source\n"
    rows = [f"line,ours,,eval/return,{seed},{value:g},author_data,a file\n" for seed, value in enumerate(VALUES)]
    path = tmp_path / "results/reference/toy-seeds.csv"
    path.write_text(header + "".join(rows))
    built = build(tmp_path, registered(claims=[claim()]), "toy", "paper", "authors")
    assert [(one.method, one.verdict, one.ours.n) for one in built.rows] == [("ours", "equivalent", 5)]
    assert built.claims == ()
    path.write_text(header + "".join(rows[:4]))
    (found,) = build(tmp_path, registered(), "toy", "paper", "authors").rows
    assert (found.verdict, found.reason) == ("inconclusive", "all registered seeds count: seed 4 not released")


def test_context_is_shown_with_its_source_and_judges_nothing(tmp_path: Path) -> None:
    other = RESULT.replace("ours", "somebody").replace("result", "context").replace(",100,", ",70,")
    write_references(tmp_path, other)
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    built = build(tmp_path, registered(), "toy", "paper")
    assert {row(built).verdict, row(built, "theirs").verdict} == {"no reference", "not run"}
    assert any("context that judges nothing: somebody 70 (Table 1" in line for line in shown(built))


def test_an_equivalence_within_a_margin_as_wide_as_all_methods_says_so(tmp_path: Path) -> None:
    write_references(tmp_path, RESULT, RESULT.replace("ours", "theirs").replace(",100,", ",105,"))
    write_seeds(tmp_path, "paper/toy/line/ours", VALUES)
    built = build(tmp_path, registered(), "toy", "paper")
    assert (row(built).verdict, row(built).coarse) == ("equivalent", True)
    assert "as wide as the range of all reported methods" in row(built).reason
    assert any(line.rstrip().endswith("equivalent, as all methods are") for line in shown(built))
