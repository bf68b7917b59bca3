"""reproduce.yaml against what the papers themselves say."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from mirl.suite import check
from mirl.suite import experiments as registry
from mirl.suite.check import run_checks
from mirl.suite.results import read_references
from mirl.suite.selection import select
from mirl.verdict import bands
from mirl.verdict.claims import judge_claims, least_p
from mirl.verdict.judgement import Seeds, choose_reference, judge, other_budget, reported_of, steps_of

ROOT = Path(__file__).parents[1]
EXPERIMENTS = registry.load(ROOT / "reproduce.yaml")


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_the_registration_agrees_with_what_the_paper_says_of_itself(paper: str):
    described = check.ask(ROOT, paper)
    assert described.said
    assert not [found for found in run_checks(check.Tree(papers=[described]), EXPERIMENTS) if found.severity == "error"]


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_a_task_with_bands_has_them_for_every_method_and_registered_seed(paper: str):
    """Tasks without any are new: `mirl regress` says `no band` for them, and ends with 1."""
    recorded = {band.key for band in bands.read_bands(ROOT, paper)}
    recorded |= {first.key for first in bands.read_first_values(ROOT, paper)}
    tasks = {key[0] for key in recorded}
    assert tasks
    for spec in select(EXPERIMENTS, "tiny", paper):
        judged = EXPERIMENTS.papers[paper].regression[spec.method]
        wanted = {(spec.task, spec.method, metric) for metric in judged.last}
        wanted |= {(spec.task, spec.method, spec.seed, metric) for metric in judged.first}
        assert wanted <= recorded or spec.task not in tasks


@pytest.mark.parametrize("task", sorted(set(EXPERIMENTS.papers["sami"].tasks) - {"panda"}))
def test_samis_variants_are_planned_at_their_own_pace(task: str):
    """Larger batches of all slots, and pairs that grow with the square of the contrasted trajectories."""
    entry = EXPERIMENTS.papers["sami"].tasks[task]
    names = ("", "faithful", "fixed", "contrast_8", "contrast_16", "contrast_128", "contrast_512")
    pace = {name: entry.cost_of(f"saccm@{name}".removesuffix("@"), "paper").env_steps_per_s for name in names}
    assert pace["contrast_8"] == pace["contrast_16"] == pace[""]
    assert pace[""] > pace["faithful"] >= pace["fixed"]
    assert 8 < pace[""] / pace["contrast_128"] < 30
    assert 8 < pace["contrast_128"] / pace["contrast_512"] < 16


def test_a_target_that_does_not_lag_is_outside_every_band():
    """MI-Asym's learners that are judged by it; -12 is written down where nothing is learnt."""
    judged = [band for band in bands.read_bands(ROOT, "mi_asym") if band.metric == "train/log10_target_lag"]
    assert judged
    assert not [band for band in judged if band.low <= -12 <= band.high]


def test_e_maml_without_a_first_update_is_outside_wherever_a_registered_seed_sees_a_reward_by_then():
    """Elsewhere the policy does not move in the first iteration, and its README says that nothing tells."""
    first = {row.key: row.value for row in bands.read_first_values(ROOT, "mime")}
    runs = select(EXPERIMENTS, "tiny", "mime", method="e_maml")
    moved = {spec.task for spec in runs if first[spec.task, spec.method, spec.seed, "train/policy_updated"] == 1}
    assert moved == {"wide_ring", "close_ring", "pendulum", "ml10"}


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_every_claim_holds_where_the_seeds_of_its_methods_are_separated(paper: str):
    entry = EXPERIMENTS.papers[paper]
    for claim in entry.claims:
        seeds: dict[tuple[str, str, str], Seeds] = {}
        for other in entry.claims:  # all others not run: the family is what is registered
            for task, method in product(other.tasks, (other.better, other.worse)):
                seeds[task, other.setting or entry.tasks[task].setting, method] = Seeds()
        for task, method in product(claim.tasks, (claim.better, claim.worse)):
            judged = entry.tasks[task].in_setting(claim.setting)
            high = (method == claim.better) == judged.metric.higher_is_better
            registered = judged.budgets["paper"].of(method).seeds
            seeds[task, judged.setting, method] = Seeds({seed: high + seed / 1000 for seed in registered})
        (row,) = [one for one in judge_claims(entry, "paper", seeds) if one.id == claim.id]
        assert (row.verdict, row.p_holm) == ("holds", pytest.approx(least_p(claim, entry))), row.reason


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.93, "equivalent"), (0.3, "worse")], ids=["as reported", "a third of it"]
)
def test_five_runs_of_amigo_are_held_against_its_table(value: float, verdict: str):
    """KCmedium, Table 1: .93 ± .00 over five seeds."""
    entry = EXPERIMENTS.papers["amigo"]
    ours = Seeds({seed: value + 0.004 * (seed - 2) for seed in range(5)})
    references = read_references(ROOT, "amigo")
    task = entry.tasks["KeyCorridorS3R3"]
    found = reported_of(references, "KeyCorridorS3R3", task, "amigo", "training")
    assert judge(ours, found, task.of("amigo").in_setting("training"), "paper").verdict == verdict


def test_what_the_paper_reports_of_the_hard_tasks_is_read_where_it_was_reported():
    entry = EXPERIMENTS.papers["amigo"]
    for name in ("KeyCorridorS4R3", "KeyCorridorS5R3", "ObstructedMaze-2Dlhb", "ObstructedMaze-1Q"):
        task = entry.tasks[name].of("amigo")
        rows = reported_of(read_references(ROOT, "amigo"), name, entry.tasks[name], "amigo", "training")
        result = choose_reference(rows, task, "paper")
        assert result is not None
        assert (steps_of(result, task), other_budget(task, "paper", steps_of(result, task))) == (500_000_000, "")


def test_success_rates_and_counted_shares_are_bounded_and_nothing_else_is():
    units = {
        metric.unit: metric.bounds
        for entry in EXPERIMENTS.papers.values()
        for task in entry.tasks.values()
        for metric in task.metrics
    }
    bounded = {unit for unit, bounds in units.items() if bounds == (0, 1)}
    assert {unit.partition(",")[0] for unit in bounded} == {
        "success rate",
        "share of 10 deterministic episodes",
        "share of seeds whose return is at least 0.5 there",
        "share of test tasks with a success in any of 10 episodes",
    }
    assert {units[unit] for unit in units.keys() - bounded} == {registry.UNBOUNDED}
