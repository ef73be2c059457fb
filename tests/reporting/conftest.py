"""A small results folder and its page, made by the real commands, and a browser to look at it."""

import json
import shutil
from pathlib import Path

import pytest
from pages import METHODS, call, packed, write_inputs


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Four methods on two scenarios at two SNR levels, three cases each, the estimates of two kept."""
    folder = tmp_path_factory.mktemp("report")
    write_inputs(folder)
    out = folder / "run"
    methods = [part for name in METHODS for part in ("-m", name)]
    scenarios = ["-s", "first", "-s", "second", "--include", folder / "first.toml", "--include", folder / "second.toml"]
    keep = ["--keep-estimates", 2, "--jobs", 1, "--include", folder / "shy.py"]
    call("run", *scenarios, *methods, "-n", 3, *keep, "--out", out)
    return out


@pytest.fixture(scope="session")
def page(run):
    """The page of that folder, compared with itself."""
    out = run / "report.html"
    metrics = ["--metric", "js", "--metric", "w1", "--metric", "residual"]
    call(
        "report",
        run,
        *metrics,
        "--explore",
        2,
        "--limit",
        0,
        "--against",
        run,
        "--title",
        "A <small> run",
        "--out",
        out,
    )
    return out


@pytest.fixture(scope="session")
def html(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def data(html):
    return json.loads(packed(html, "data"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium, in which nothing of the user's is touched."""
    binary, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no chromium with its chromedriver is installed: on Debian, apt-get install chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1400,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options, webdriver.ChromeService(driver, log_output=str(Path("/dev/null"))))
    yield window
    window.quit()
