"""A headless Chromium that says what a page asked for, what it complained of and how it looks."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
MISSING = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
DRAW_ALL = """
const done = arguments[0];
const figures = [...document.querySelectorAll('figure[data-figure]')];
(async () => {
  for (const figure of figures) {
    figure.scrollIntoView();
    for (let wait = 0; wait < 400 && !figure.dataset.drawn; wait += 1) await new Promise((go) => setTimeout(go, 50));
  }
  scrollTo(0, 0);
  done(figures.map((figure) => [figure.dataset.figure, figure.dataset.drawn ?? null]));
})();
"""


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser that logs its console and its requests; `profile` keeps it away from everybody's own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(str(DRIVER)))
    try:
        driver.set_script_timeout(90)
        driver.get("about:blank")
        requests(driver)  # what the browser's own first page asked for
        yield driver
    finally:
        driver.quit()


def resize(driver: webdriver.Chrome, width: int, height: int = 900) -> None:
    """The page's own size, narrower than any window of a desktop can be made."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def prefer(driver: webdriver.Chrome, scheme: str, calm: bool = False) -> None:
    """`light` or `dark`; calm: without motion."""
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce" if calm else "no-preference"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def open_page(driver: webdriver.Chrome, page: Path) -> list[tuple[str, str | None]]:
    """Open a page and bring every figure into view; returns their names and numbers of traces, None where not drawn."""
    driver.get(page.absolute().as_uri())
    WebDriverWait(driver, 30).until(lambda one: one.execute_script("return document.readyState") == "complete")
    return [(name, traces) for name, traces in driver.execute_async_script(DRAW_ALL)]


def complaints(driver: webdriver.Chrome) -> list[str]:
    """What the console said since the last call."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver: webdriver.Chrome) -> list[str]:
    """Every address that was asked for since the last call."""
    messages: list[dict[str, Any]] = [
        json.loads(entry["message"])["message"] for entry in driver.get_log("performance")
    ]
    return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]


def screenshot(driver: webdriver.Chrome, path: Path) -> None:
    """What is seen, as a PNG."""
    path.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", {})["data"]))
