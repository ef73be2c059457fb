"""The page in a real browser: what is clicked and typed does what it says, and nothing leaves the file."""

import io
import json
import re

import pandas as pd
import pytest

selenium = pytest.importorskip("selenium")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

from dexsy_bench.store import load_rows  # noqa: E402


def wait(browser, condition):
    return WebDriverWait(browser, 20, 0.05).until(lambda _: condition())


def load(browser, address):
    browser.get("about:blank")
    browser.get_log("performance")  # forgets what the page before asked for
    browser.get_log("browser")
    browser.get(address)
    wait(browser, lambda: browser.execute_script("return document.documentElement.dataset.ready"))
    return browser


@pytest.fixture
def fresh(browser, page):
    """The page, just loaded."""
    return load(browser, page.as_uri())


@pytest.fixture
def opened(browser, page):
    """The page with its first filters, loaded again only if it is not there."""
    if not browser.current_url.startswith(page.as_uri()):
        load(browser, page.as_uri())
    browser.execute_script(
        "for (const select of document.querySelectorAll('#filters select')) select.selectedIndex = 0;"
        "document.getElementById('filters').dispatchEvent(new Event('change'))"
    )
    return browser


def cells(browser, table, column):
    return browser.execute_script(
        "const rows = document.querySelectorAll(`#${arguments[0]} tbody tr`);"
        "return [...rows].map(row => row.cells[arguments[1]].textContent)",
        table, column,
    )  # fmt: skip


def choose(browser, name, value):
    Select(browser.find_element(By.ID, name)).select_by_visible_text(value)


def chosen(browser, name):
    return Select(browser.find_element(By.ID, name)).first_selected_option.text


def click(browser, element):
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    element.click()


def test_nothing_is_fetched_and_nothing_complains(fresh):
    requests = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in fresh.get_log("performance")
        if json.loads(entry["message"])["message"]["method"] == "Network.requestWillBeSent"
    ]
    assert requests
    assert {re.match(r"[a-z]+:", url).group() for url in requests} <= {"file:", "data:", "blob:", "about:"}
    assert [url for url in requests if url.startswith("file:")] == [fresh.current_url]
    assert fresh.get_log("browser") == []
    assert not fresh.find_element(By.ID, "failure").is_displayed()


def test_the_policy_of_the_page_stops_a_request(opened):
    asked = "fetch('https://example.invalid/').then(() => arguments[0]('sent'), e => arguments[0](String(e)))"
    opened.execute_async_script(asked)
    messages = [entry["message"] for entry in opened.get_log("browser")]
    assert any("Content Security Policy" in message for message in messages)


def test_a_click_on_a_heading_sorts(opened):
    def sorted_by_click(order):
        heading = opened.find_elements(By.CSS_SELECTOR, "#ranked-table thead th")[1]
        click(opened, heading)
        wait(opened, lambda: heading.get_attribute("aria-sort") == order)
        return cells(opened, "ranked-table", 1)

    names = sorted_by_click("ascending")
    assert names == sorted(names)
    assert set(names) == {"nnls", "tikhonov[order=0]"}
    assert sorted_by_click("descending") == names[::-1]


def test_means_are_those_of_the_rows(opened, run):
    rows = load_rows(run)
    expected = rows[rows["method"] == "nnls"].groupby(["scenario", "snr"])["js"].mean().mean()
    means = dict(zip(cells(opened, "ranked-table", 1), cells(opened, "ranked-table", 2), strict=True))
    assert float(means["nnls"].split()[0]) == pytest.approx(expected, rel=1e-2)
    choose(opened, "scenario", "second")
    choose(opened, "snr", "200")
    expected = rows[(rows["method"] == "nnls") & (rows["scenario"] == "second") & (rows["snr"] == 200)]["js"].mean()
    means = dict(zip(cells(opened, "ranked-table", 1), cells(opened, "ranked-table", 2), strict=True))
    assert float(means["nnls"].split()[0]) == pytest.approx(expected, rel=1e-2)
    assert "second, SNR 200" in opened.find_element(By.ID, "scope").text


def test_filters_of_family_and_metric(opened):
    choose(opened, "family", "reference")
    assert cells(opened, "unranked-table", 0) == ["prior_mean"]
    assert "none here" in cells(opened, "ranked-table", 0)[0]
    choose(opened, "family", "all")
    choose(opened, "metric", "w1")
    headings = [th.text for th in opened.find_elements(By.CSS_SELECTOR, "#ranked-table thead th")]
    assert "w1: mean [95%]" in headings


def test_failures_are_in_the_open(opened):
    why = dict(zip(cells(opened, "unranked-table", 0), cells(opened, "unranked-table", 1), strict=True))
    assert set(why) == {"prior_mean", "shy"}
    assert "of 12 cases" in why["shy"]
    failures = dict(zip(cells(opened, "unranked-table", 0), cells(opened, "unranked-table", 4), strict=True))
    assert re.fullmatch(r"\d+ error", failures["shy"])


def test_a_cell_of_the_table_leads_to_its_case(opened):
    link = opened.find_element(By.CSS_SELECTOR, "#cells-table a[href='#case/second/200/0/nnls']")
    click(opened, link)
    wait(opened, lambda: chosen(opened, "case-scenario") == "second")
    assert [chosen(opened, name) for name in ("case-snr", "case-number", "case-method")] == ["200", "0", "nnls"]
    about = opened.find_element(By.ID, "case-about").text
    assert about.startswith("second, SNR 200, case 0")
    assert "js " in about
    estimate = opened.find_element(By.ID, "panel-estimate")
    assert estimate.get_attribute("aria-label").startswith("Estimate of nnls")
    drawn = opened.execute_script("return document.getElementById('panel-estimate').data[0].customdata.flat()")
    assert sum(drawn) == pytest.approx(100, rel=0.02)


def test_the_worst_case_is_one_click_away(opened, run):
    rows = load_rows(run)
    here = rows[(rows["method"] == "nnls") & (rows["scenario"] == "first") & (rows["snr"] == 50) & (rows["case"] < 2)]
    worst = int(here.set_index("case")["js"].idxmax())
    opened.execute_script(f"location.hash = '#case/first/50/{1 - worst}/nnls'")
    wait(opened, lambda: chosen(opened, "case-number") == str(1 - worst) and chosen(opened, "case-method") == "nnls")
    link = opened.find_element(By.CSS_SELECTOR, "#case-extremes a")
    assert f"case {worst} " in link.text
    click(opened, link)
    wait(opened, lambda: chosen(opened, "case-number") == str(worst))


def test_a_small_picture_chooses_its_method(opened):
    button = opened.find_element(By.CSS_SELECTOR, "#thumbs button[data-label='prior_mean']")
    click(opened, button)
    assert chosen(opened, "case-method") == "prior_mean"
    assert button.get_attribute("aria-pressed") == "true"
    pressed = opened.find_elements(By.CSS_SELECTOR, "#thumbs button[aria-pressed='true']")
    assert len(pressed) == 1


def test_the_residual_on_the_page_has_the_rms_of_the_rows(opened, run):
    rows = load_rows(run).set_index(["method", "scenario", "snr", "case"])
    opened.execute_script("location.hash = '#case/first/200/1/nnls'")
    wait(opened, lambda: chosen(opened, "case-number") == "1" and chosen(opened, "case-snr") == "200")
    drawn = opened.execute_script("return document.getElementById('panel-residual').data[0].z.flat()")
    rms = (sum(x * x for x in drawn) / len(drawn)) ** 0.5
    assert rms == pytest.approx(rows.loc[("nnls", "first", 200.0, 1), "residual"], rel=1e-3)


def test_the_keyboard_gets_everywhere(fresh):
    fresh.switch_to.active_element.send_keys(Keys.TAB)
    assert fresh.switch_to.active_element.text == "Skip to the results"
    reached = set()
    for _ in range(12):
        fresh.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(fresh.switch_to.active_element.get_attribute("id"))
    assert {"metric", "scenario", "snr", "family"} <= reached
    heading = "#ranked-table thead th:nth-child(2)"
    focusable = fresh.find_element(By.CSS_SELECTOR, f"{heading}[tabindex='0'], {heading} [tabindex='0']")
    fresh.execute_script("arguments[0].focus()", focusable)
    focusable.send_keys(Keys.ENTER)
    assert fresh.find_element(By.CSS_SELECTOR, heading).get_attribute("aria-sort") == "ascending"


def test_every_plot_is_drawn_and_every_control_is_named(opened):
    kinds = opened.execute_script(
        "return [...document.querySelectorAll('figure[data-plot]')].filter(f => f.querySelector('.js-plotly-plot'))"
        ".map(f => f.dataset.plot)"
    )
    assert {"snr", "time", "errors", "stress"} <= set(kinds)
    unnamed = opened.execute_script(
        "return [...document.querySelectorAll('select, input, button')].filter(x => !x.labels?.length && "
        "!x.textContent.trim() && !x.getAttribute('aria-label')).map(x => x.outerHTML.slice(0, 90))"
    )
    assert unnamed == []


def test_a_phone_needs_no_sideways_scrolling(browser, page):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    load(browser, page.as_uri() + "?narrow")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_csv_that_is_saved_is_the_rows(fresh, run):
    fresh.execute_script(
        "window.saved = null; const make = URL.createObjectURL;"
        "URL.createObjectURL = blob => { blob.text().then(text => window.saved = text); return make(blob); };"
        "HTMLAnchorElement.prototype.click = function () { window.file = this.download; };"
    )  # until the page is loaded again
    click(fresh, fresh.find_element(By.CSS_SELECTOR, "#leaderboard ~ p button[data-csv='rows']"))
    text = wait(fresh, lambda: fresh.execute_script("return window.saved"))
    assert fresh.execute_script("return window.file") == "rows.csv"
    assert len(pd.read_csv(io.StringIO(text))) == len(load_rows(run))
