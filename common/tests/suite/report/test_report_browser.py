"""The report as a reader sees it: a headless Chromium opens every page from the disk."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from PIL import Image
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from small_results import report_in

pytestmark = pytest.mark.skipif(not (browser.CHROMIUM and browser.DRIVER), reason=browser.MISSING)
WIDTHS = (1280, 360)
PAGES = ("index.html", "toy.html", "empty.html")
UNFITTING = """
return [...document.querySelectorAll('figure[data-figure]')].filter((figure) => {
  const [plot, picture] = [figure.querySelector('.plot'), figure.querySelector('img')];
  const widths = [plot.clientWidth, figure.querySelector('.main-svg').getBoundingClientRect().width];
  return picture.checkVisibility() || Math.abs(widths[0] - widths[1]) > 1;
}).map((figure) => figure.dataset.figure);
"""
CONTRAST = """
const channel = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const [red, green, blue] = parts(colour).map((value) => channel(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (node) => {
  for (let one = node; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if ((parts(colour)[3] ?? 1) > 0) return colour;
  }
};
const texts = [...document.querySelectorAll('h1,h2,h3,p,li,td,th,a,dd,dt,summary,figcaption,code,.verdict,select')];
return texts.filter((node) => node.checkVisibility() && node.textContent.trim()).map((node) => {
  const [high, low] = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => b - a);
  return [(high + 0.05) / (low + 0.05), node.tagName + ' ' + node.textContent.trim().slice(0, 40)];
}).sort((a, b) => a[0] - b[0])[0];
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as one:
        yield one


def wide(driver: Chrome) -> int:
    """How far the page reaches beyond the screen, in pixels."""
    return driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_drawn_in_full_without_complaint_request_or_overflow(
    driver: Chrome, site: Path, tmp_path: Path, page: str, scheme: str, width: int
):
    browser.resize(driver, width)
    browser.prefer(driver, scheme)
    figures = browser.open_page(driver, site / page)
    assert len(figures) == (8 if page == "toy.html" else 0)
    assert all(traces for _, traces in figures)
    drawn = driver.execute_script("return document.querySelectorAll('figure .scatterlayer .trace path').length")
    assert (drawn > 50) == bool(figures)
    assert driver.execute_script(UNFITTING) == []
    assert wide(driver) == 0
    driver.execute_script("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert wide(driver) == 0
    assert driver.title != "taken over"
    assert browser.complaints(driver) == []
    asked = browser.requests(driver)
    assert any(address.startswith("file:") for address in asked)
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    ratio, text = driver.execute_script(CONTRAST)
    assert ratio >= 4.5, text  # what WCAG asks of text
    browser.screenshot(driver, tmp_path / "page.png")
    shot = Image.open(tmp_path / "page.png").convert("RGB")
    assert shot.size == (width, 900)
    ground = shot.getpixel((2, shot.height - 2))
    assert (sum(ground) < 150) == (scheme == "dark")


def test_another_metric_can_be_chosen(driver: Chrome, site: Path):
    browser.resize(driver, 1280)
    browser.open_page(driver, site / "toy.html")
    choice = driver.find_element(By.CSS_SELECTOR, "figure select")
    title = "return document.querySelector('figure .ytitle').textContent"
    assert driver.execute_script(title) == "eval/return"
    choice.send_keys("train/length")
    assert driver.execute_script(title) == "train/length"


def test_arrow_keys_read_the_values_of_a_figure(driver: Chrome, site: Path):
    browser.resize(driver, 1280)
    browser.open_page(driver, site / "toy.html")
    plot = driver.find_element(By.CSS_SELECTOR, "figure .plot")
    driver.execute_script("arguments[0].focus()", plot)
    plot.send_keys(Keys.ARROW_LEFT)
    said = driver.find_element(By.CSS_SELECTOR, "figure output").text
    assert said.startswith("1,000 steps: ours (5 seeds) 20.10 (19.")
    assert "theirs (5 seeds) 10.00" in said
    assert driver.execute_script("return document.querySelectorAll('figure .hoverlayer text').length") > 0
    plot.send_keys(Keys.ARROW_LEFT)
    assert driver.find_element(By.CSS_SELECTOR, "figure output").text.startswith("900 steps")


def test_the_keyboard_reaches_everything_and_shows_where_it_is(driver: Chrome, site: Path):
    browser.resize(driver, 1280)
    browser.open_page(driver, site / "index.html")
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert driver.switch_to.active_element.text == "Skip to the results"
    links = driver.execute_script("return document.querySelectorAll('a[href]').length")
    seen = []
    while (active := driver.switch_to.active_element).tag_name != "body":
        outline = driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", active)
        seen.append((active.tag_name, outline))
        active.send_keys(Keys.TAB)
    assert {outline for _, outline in seen} == {"solid"}
    assert [tag for tag, _ in seen].count("a") == links


def test_a_link_from_the_matrix_opens_the_fold_of_a_task_that_was_not_run(driver: Chrome, site: Path):
    browser.resize(driver, 1280)
    browser.open_page(driver, site / "index.html")
    driver.execute_script("document.querySelector('a[href=\"toy.html#cave\"]').click()")
    browser.WebDriverWait(driver, 10).until(lambda one: one.find_elements(By.ID, "cave"))
    assert driver.execute_script("return document.getElementById('cave').open")


def test_the_colour_scheme_may_change_while_a_page_is_open(driver: Chrome, site: Path):
    browser.resize(driver, 1280)
    browser.prefer(driver, "light")
    browser.open_page(driver, site / "toy.html")
    colour = "return getComputedStyle(document.querySelector('figure .xtick text')).fill"
    before = driver.execute_script(colour)
    browser.prefer(driver, "dark")
    browser.WebDriverWait(driver, 20).until(lambda one: one.execute_script(colour) != before)


def test_paper_gets_pictures_open_folds_and_no_navigation(driver: Chrome, site: Path, tmp_path: Path):
    browser.resize(driver, 1280)
    browser.prefer(driver, "dark")
    browser.open_page(driver, site / "toy.html")
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert driver.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility()).length"
    assert driver.execute_script(shown, "figure img") == 8
    assert driver.execute_script(shown, "figure .plot, nav, select") == 0
    assert driver.execute_script("return [...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def playing(driver: Chrome) -> list[bool]:
    return driver.execute_script("return [...document.querySelectorAll('video')].map((film) => !film.paused)")


def test_films_play_while_they_are_seen_and_stay_stopped_for_a_reader_who_stopped_them(
    driver: Chrome, filled: Path, tmp_path: Path
):
    assert report_in(filled, "--out", str(tmp_path / "site")).returncode == 0
    browser.resize(driver, 390)
    browser.open_page(driver, tmp_path / "site/toy.html")
    assert playing(driver) == [False, False]
    film = driver.find_element(By.TAG_NAME, "video")
    driver.execute_script("arguments[0].scrollIntoView()", film)
    browser.WebDriverWait(driver, 20).until(lambda one: one.execute_script("return arguments[0].currentTime", film) > 0)
    # A figure that is drawn above may move the film out of sight meanwhile, where the page itself halts it.
    stop = (
        "const film = arguments[0]; film.scrollIntoView(); if (!film.paused) film.pause(); return film.dataset.stopped"
    )
    browser.WebDriverWait(driver, 20).until(lambda one: one.execute_script(stop, film))
    for place in ("h1", "video"):
        driver.execute_script("document.querySelector(arguments[0]).scrollIntoView()", place)
        browser.WebDriverWait(driver, 20).until(lambda one: not playing(one)[0])
    assert film.get_attribute("data-stopped") == "by the reader"
    assert film.accessible_name == "Film of a dot that crosses a field."
    browser.prefer(driver, "light", calm=True)
    browser.open_page(driver, tmp_path / "site/toy.html")
    driver.execute_script("document.querySelector('video').scrollIntoView()")
    assert not any(playing(driver))
    browser.prefer(driver, "light")
    assert browser.complaints(driver) == []


def test_without_scripts_the_figures_are_pictures(driver: Chrome, site: Path):
    browser.resize(driver, 360)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get((site / "toy.html").absolute().as_uri())
        pictures = driver.find_elements(By.CSS_SELECTOR, "figure img")
        assert len(pictures) == 8
        assert all(picture.is_displayed() and picture.size["width"] > 250 for picture in pictures)
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
