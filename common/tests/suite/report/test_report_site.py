"""The report as files, through the real command line."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pages import Page, broken_links
from PIL import Image
from small_results import HARMFUL, TOY, fill, finish, report_in

from mirl.suite import experiments as registry
from mirl.suite import listing


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_address_of_every_page_leads_to_something_inside(site: Path):
    assert {path.name for path in site.glob("*.html")} == {"index.html", "toy.html", "empty.html"}
    assert broken_links(site) == []


def test_an_id_stands_once_on_its_page(site: Path):
    for path in site.glob("*.html"):
        ids = Page(path).ids
        assert len(ids) == len(set(ids)), path.name


def test_the_overview_has_the_lines_of_mirl_list(filled: Path, site: Path):
    experiments = registry.load(filled / "reproduce.yaml")
    text = Page(site / "index.html").text
    listed = [entry for entry in listing.entries(filled, experiments, ["toy"], "runs") if entry.row.ours.n]
    assert len(listed) >= 7
    for entry in listed:
        assert " ".join(listing.cells(entry)[:-2]) in text
    assert "toy line ours tiny" not in text  # what tiny runs give never stands beside a reported number


def test_the_matrix_says_every_verdict_in_words_too(site: Path):
    text = (site / "index.html").read_text()
    for label in ("line, ours: equivalent, budget paper", "line, theirs: worse, budget paper", "cave, ours: not run"):
        assert f"<title>{label}</title>" in text
    assert 'href="#shape-equal"' in text
    assert 'href="#shape-down"' in text


def test_a_questioned_number_says_so_wherever_it_stands(site: Path):
    overview, paper = (site / "index.html").read_text(), Page(site / "toy.html").text
    for label in ("hill, ours, near: inconclusive, budget paper", "cave, theirs: not run"):
        assert f"{label}, the reported number is questioned</title>" in overview
    assert overview.count('<sup aria-hidden="true">?</sup>') == 2
    assert "a fact speaks against the reported number" in Page(site / "index.html").text
    for number, fact in (("32.00 ± 1.60 (?)", "a seed stands there twice"), ("7.00", "its seeds are those of <line>")):
        assert number in paper
        assert f"questioned: {fact}" in paper
    assert "A fact speaks against the reported number of ours; near: the table says which." in paper
    table = (site / "data/toy/verdicts.csv").read_text()
    assert "a seed stands there twice" in table


def test_a_papers_page_says_what_was_run_what_it_cost_and_what_is_open(site: Path):
    text = Page(site / "toy.html").text
    for said in (
        "20.00 ± 1.00 20.10 ± 0.47",
        "equivalent difference +0.10",
        "holds 1.00 (1.00 … 1.00) ours is better: ours over theirs on line.",
        "ours 7 99 1,000 12 s 80 finished not registered, not judged",
        "theirs 0 not a number 3",
        "theirs 2 99 – 400 12 s 32 finished not judged",
        "failed loss/value became nan",
        "python -m toy train --task line --seed 3 --run-dir DIR",
        "make reproduce PAPER=toy TASK=cave BUDGET=paper",
        "Paper table 7: not found. card, 3. Numbers",
        "a processor, 2 cores, 1 thread used; Python 3.11.7, torch 2.13.0, venv",
        "Table 1 printed in a table of the paper; 1 number",
        "the hill stands in for another one",
    ):
        assert said in text


def test_a_paper_of_which_nothing_is_known_has_a_page_that_says_so(site: Path):
    text = Page(site / "empty.html").text
    for said in ("No claim is registered", "has no ledger yet", "Nothing has finished", "No reference is recorded"):
        assert said in text


def test_text_from_results_and_documents_stays_text(site: Path):
    page = Page(site / "toy.html")
    assert page.scripts == 2  # Plotly and our own
    assert page.text.count(HARMFUL) >= 3  # a failed run's reason, a reference's note, the ledger


def test_nothing_is_asked_from_elsewhere(site: Path):
    for path in [*site.glob("*.html"), site / "assets/report.css", site / "assets/report.js"]:
        assert not [scheme for scheme in ("http://", "https://", "url(", "@import") if scheme in path.read_text()]
    assert len(list(site.rglob("plotly*.js"))) == 1


def test_tables_and_recorded_values_come_along(filled: Path, site: Path):
    verdicts = pd.read_csv(site / "data/toy/verdicts.csv")
    mine = verdicts.query("budget == 'paper' and task == 'line' and method == 'ours'").iloc[0]
    assert (mine.verdict, mine.ours_n, mine.reported) == ("equivalent", 5, 20)
    assert mine.ours_mean == pytest.approx(20.1)
    seeds = pd.read_csv(site / "data/toy/seeds.csv")
    assert seeds.query("method == 'ours' and seed == 7 and budget == 'paper'").registered.tolist() == [False]
    short = seeds.query("task == 'hill' and method == 'theirs' and seed == 2 and metric == 'eval/return'").iloc[0]
    assert (short.registered, short.judged) == (True, False)
    assert pd.read_csv(site / "data/toy/claims.csv").query("budget == 'paper'").verdict.tolist() == ["holds", "not run"]
    assert len(pd.read_csv(site / "data/toy/reference.csv")) == 6
    copied = gzip.decompress((site / "data/toy/paper/line/ours/seed0/metrics.csv.gz").read_bytes())
    assert copied == (filled / "results/runs/paper/toy/line/ours/seed0/metrics.csv").read_bytes()


def test_pictures_for_print_are_whole(site: Path):
    for png in (site / "figures").glob("*.png"):
        picture = Image.open(png)
        assert picture.width >= 1000
        assert len(picture.convert("RGB").getcolors(2**20) or []) > 20
        assert png.with_suffix(".svg").read_text().rstrip().endswith("</svg>")
    assert len(list((site / "figures").glob("*.png"))) == len(list((site / "figures").glob("*.js"))) == 8


def test_the_same_results_give_the_same_bytes_in_place_of_the_older_report(filled: Path, tmp_path: Path):
    before = bytes_of(filled / "results/report")
    shutil.copytree(filled / "results/report", tmp_path / "site")
    (tmp_path / "site/stale.html").write_text("from an older report")
    done = report_in(filled, "--runs", "--out", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert bytes_of(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_published_runs_alone_are_reported_by_default(filled: Path, tmp_path: Path):
    done = report_in(filled, "--out", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    page = Page(tmp_path / "site/toy.html")
    assert "10 finished runs" in page.text
    assert "workstation" not in page.text
    assert broken_links(tmp_path / "site") == []


def test_a_metric_that_has_no_curve_is_the_first_figure_by_its_final_values(repository: Path):
    for seed in range(3):
        curve = {"train/return": [float(step) for step in range(9)], "eval/return": [20.0 + seed]}
        finish(repository, f"paper/toy/line/ours/seed{seed}", curve)
    assert report_in(repository, "--runs").returncode == 0
    html = (repository / "results/report/toy.html").read_text()
    assert re.findall('<figure data-figure="(.+?)"', html) == ["toy-line-paper-seeds", "toy-line-paper-curves"]
    assert '<option value="0">train/return</option>' in html


def test_films_of_published_runs_come_along_with_their_words(filled: Path, tmp_path: Path):
    assert report_in(filled, "--out", str(tmp_path / "site")).returncode == 0
    page = Page(tmp_path / "site/toy.html")
    for method in ("ours", "theirs"):
        stem = f"films/toy-line-paper-{method}-seed0"
        assert [f"{stem}.webm", f"{stem}.webp", f"{stem}.webp"] == [one for one in page.links if one.startswith(stem)]
        assert f"{method} , seed 0. A walk that ends well. {HARMFUL}" in page.text
    assert (tmp_path / "site" / f"{stem}.webm").read_bytes() == (TOY / "film.webm").read_bytes()
    html = (tmp_path / "site/toy.html").read_text()
    assert html.count("<video ") == html.count('width="64" height="48" preload="none" controls') == 2
    assert html.count('aria-label="Film of a dot that crosses a field."') == 2


def test_a_film_that_nothing_vouches_for_is_named_and_left_out(repository: Path):
    fill(repository)
    folder = repository / "results/published/toy/paper/line/ours/seed0/film"
    (folder / "film.webm").write_bytes(b"another film")
    done = report_in(repository)
    assert done.returncode == 1
    changed = "is no evidence: film.webm does not have the sha256 that film.json records"
    assert done.stderr == f"mirl: {folder.relative_to(repository)} {changed}\n"
    page = (repository / "results/report/toy.html").read_text()
    assert "toy-line-paper-theirs-seed0.webm" in page
    assert "toy-line-paper-ours-seed0.webm" not in page


def test_one_paper_and_one_budget_can_be_chosen(filled: Path, tmp_path: Path):
    done = report_in(filled, "--runs", "--paper", "Toy", "--budget", "tiny", "--out", str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "site").glob("*.html")} == {"index.html", "toy.html"}
    text = Page(tmp_path / "site/toy.html").text
    assert "no band" in text
    assert "20.00 ± 1.00" not in text.partition("Not run")[0]
    assert "mirl report --paper toy --runs --budget tiny" in text


def test_a_repository_without_any_results_has_a_report(repository: Path):
    done = report_in(repository)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "open results/report/index.html in a browser"
    site = repository / "results/report"
    assert broken_links(site) == []
    assert "0 of 10 registered results have finished runs" in Page(site / "index.html").text
    assert not (site / "figures").exists()


def test_a_damaged_run_is_named_and_the_rest_reported(repository: Path):
    fill(repository)
    (repository / "results/runs/paper/toy/line/ours/seed2/metrics.csv").write_text("no,table\n1,2\n")
    done = report_in(repository, "--runs")
    assert done.returncode == 1
    changed = "metrics.csv does not have the sha256 that the run's manifest records"
    assert done.stderr == f"mirl: results/runs/paper/toy/line/ours/seed2/{changed}\n"
    assert f"seed 2 damaged ({changed})" in Page(repository / "results/report/toy.html").text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--paper", "tyo"), "no paper 'tyo'; did you mean toy?"),
        (("--budget", "huge"), "no budget 'huge'"),
        (("--out", "reproduce.yaml"), "--out reproduce.yaml is there and holds no report"),
        (("--out", "papers"), "--out papers is there and holds no report"),
    ],
)
def test_a_wrong_word_is_one_line_and_nothing_is_written(repository: Path, words: tuple[str, ...], message: str):
    before = bytes_of(repository)
    refused = report_in(repository, *words)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert message in refused.stderr
    assert bytes_of(repository) == before


def test_a_reference_table_that_cannot_be_read_is_one_line_and_the_old_report_stays(repository: Path):
    assert report_in(repository).returncode == 0
    before = bytes_of(repository / "results/report")
    table = repository / "results/reference/toy.csv"
    table.write_text(table.read_text().replace("paper_table", "hearsay"))
    refused = report_in(repository)
    assert refused.returncode == 2
    assert "toy.csv line 2: provenance" in refused.stderr
    assert bytes_of(repository / "results/report") == before
