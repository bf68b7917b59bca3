"""The report of what this repository holds: everything under results/published."""

from __future__ import annotations

from pathlib import Path

import browser
import pytest
from pages import Page, broken_links
from PIL import Image
from small_results import report_in

from mirl.suite import experiments as registry

ROOT = Path(__file__).parents[4]
EXPERIMENTS = registry.load(ROOT / "reproduce.yaml")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("published") / "site"
    done = report_in(ROOT, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def test_every_paper_has_a_page_and_every_address_leads_somewhere(published: Path):
    assert {path.stem for path in published.glob("*.html")} == {"index", *EXPERIMENTS.papers}
    assert broken_links(published) == []


@pytest.mark.parametrize("paper", EXPERIMENTS.papers)
def test_a_papers_ledger_is_found_in_its_readme(published: Path, paper: str):
    assert "has no ledger yet" not in Page(published / f"{paper}.html").text


def test_every_published_run_is_listed_with_its_files(published: Path):
    runs = list((ROOT / "results/published").glob("*/*/*/*/seed*/manifest.json"))
    assert runs
    copied = {path.relative_to(published / "data") for path in (published / "data").glob("*/*/*/*/seed*/manifest.json")}
    assert copied == {path.relative_to(ROOT / "results/published") for path in runs}


def test_a_task_tells_the_seeds_of_methods_that_have_others(published: Path):
    assert "4,120,000 environment steps, 5 seeds, 10 of maml and mime" in Page(published / "mime.html").text


@pytest.mark.skipif(not (browser.CHROMIUM and browser.DRIVER), reason=browser.MISSING)
def test_every_page_is_drawn_at_two_widths_without_complaint_request_or_overflow(published: Path, tmp_path: Path):
    overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    with browser.chromium(tmp_path / "profile") as driver:
        for page in sorted(published.glob("*.html")):
            for width in (1280, 360):
                browser.resize(driver, width)
                figures = browser.open_page(driver, page)
                assert all(traces for _, traces in figures), page.name
                assert len(figures) == page.read_text().count("<figure data-figure"), page.name
                driver.execute_script("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
                assert driver.execute_script(overflow) == 0, (page.name, width)
                driver.execute_script("scrollTo(0, 0)")
                browser.screenshot(driver, tmp_path / f"{page.stem}-{width}.png")
                assert len(Image.open(tmp_path / f"{page.stem}-{width}.png").getcolors(2**20) or []) > 50
        assert browser.complaints(driver) == []
        assert [one for one in browser.requests(driver) if not one.startswith(("file:", "data:"))] == []
