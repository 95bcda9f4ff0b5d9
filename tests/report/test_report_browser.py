"""The report in a real browser, from disk: sorts, filters, follows an error to its photos and back, enlarges, by keyboard.

Debian's Chromium, driven by Playwright. GRASP_SCREENSHOTS names a folder for pictures of the page, light and dark.
"""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.report.shown import signed, two
from tests.reading.test_browser import axe, browser
from tests.report.fake import fake_report
from tests.report.test_explorer import photos

__all__ = ["axe", "browser"]  # fixtures
pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.whole]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = dataclasses.replace(fake_report(), photos=photos(260))
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(report), encoding="utf-8")
    return file


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    told: list[str] = []
    opened.on("console", lambda message: told.append(message.text))
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else told.append(asked.url))
    opened.goto(page_file.as_uri())
    yield opened
    assert told == [], "console messages, errors and requests"
    context.close()


def visible(page: Any, selector: str) -> int:
    return int(page.locator(selector).evaluate_all("all => all.filter(one => one.checkVisibility()).length"))


def test_an_error_is_followed_to_a_photo_and_back_and_a_photo_is_enlarged_by_keyboard(page: Any) -> None:
    page.locator("#errors-list summary").first.focus()
    page.keyboard.press("Enter")
    link = page.locator("#error-0 .card a").first
    wanted = link.inner_text()
    link.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.querySelector('.id').textContent") == wanted
    back = page.locator(":focus a[href^='#error-']").first
    target = back.get_attribute("href")
    back.focus()
    page.keyboard.press("Enter")
    assert "#" + page.evaluate("document.activeElement.id") == target
    assert page.evaluate("document.activeElement.closest('details').open")
    thumb = page.locator("#error-0 .cards .th").first
    thumb.focus()
    name = thumb.get_attribute("aria-label").removeprefix("Enlarge: ")
    page.keyboard.press("Enter")
    caption = page.locator("dialog.zoom .caption strong")
    assert page.evaluate("document.querySelector('dialog.zoom').open")
    assert name in caption.inner_text()
    page.keyboard.press("ArrowRight")
    assert name not in caption.inner_text()
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('dialog.zoom').open")
    assert page.evaluate("document.activeElement.classList.contains('th')"), "the focus is where it was"


def test_tables_are_sorted_and_lists_searched_and_filtered(page: Any) -> None:
    button = page.locator("section#audit table.narrow button.sort", has_text="Score")
    scores = (
        "[...document.querySelectorAll('section#audit table.narrow tbody tr')].map(row => row.cells[0].textContent)"
    )
    before = page.evaluate(scores)
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(scores) == before[::-1], "lowest first; scores are listed highest first"
    page.keyboard.press("Enter")
    assert page.evaluate(scores) == before
    assert page.locator("section#audit th[aria-sort=descending]").count() == 1
    assert visible(page, "#errors-list > details") == 4
    page.locator("[aria-label='Search errors'] input").fill("v-312")
    assert visible(page, "#errors-list > details") == 1
    page.evaluate("location.hash = 'error-3'")
    page.locator("#error-3:focus").wait_for()
    assert visible(page, "#errors-list > details") == 4, "a link leads also to what a search had left out"
    select = page.locator("[aria-label='Search photos'] label", has_text="Removed").locator("select")
    all_photos = visible(page, ".pushing > li")
    select.select_option(label="yes")
    assert 0 < visible(page, ".pushing > li") < all_photos


def test_all_photos_are_turned_and_ordered(page: Any) -> None:
    page.evaluate("location.hash = 'photos'")
    page.wait_for_selector("#all-photos .th")
    shown = "[...document.querySelectorAll('#all-photos .id')].map(one => one.textContent)"
    assert page.evaluate(shown)[:2] == ["p-259", "p-258"], "the lowest score first"
    assert page.locator("#all-photos output").inner_text() == "1 to 120 of 260 photos"
    page.locator("#all-photos button", has_text="Next page").focus()
    page.keyboard.press("Enter")
    assert page.locator("#all-photos output").inner_text() == "121 to 240 of 260 photos"
    page.locator("#all-photos label", has_text="Label").locator("select").select_option(label="severe")
    assert page.locator("#all-photos output").inner_text() == "1 to 87 of 87 photos"
    page.locator("#all-photos label", has_text="Order").locator("select").select_option("-score")
    assert page.evaluate(shown)[0] == "p-3", "photos without a score come last"
    page.locator("#all-photos input").fill("p-25")
    assert page.locator("#all-photos output").inner_text() == "1 to 3 of 3 photos"


def test_values_of_a_chart_are_told_by_arrow_keys(page: Any) -> None:
    page.locator("section#effect svg.chart").first.focus()
    page.keyboard.press("ArrowRight")
    assert "0 photos removed: test AUC 0.81" in page.locator(".tip").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator(".tip").inner_text().startswith("cosine-k10, 79 photos removed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, page_file: Path, axe: str | None, scheme: str) -> None:
    if axe is None:
        pytest.skip("npm cannot give axe-core")
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.evaluate("location.hash = 'compare'")
    page.wait_for_selector("#compare-runs .changed")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    if (folder := os.environ.get("GRASP_SCREENSHOTS")) is not None:
        page.screenshot(path=str(Path(folder) / f"report-{scheme}.png"), full_page=True)
    page.add_script_tag(content=axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []
    context.close()


def test_two_runs_are_chosen_by_keyboard_and_show_what_the_results_hold(page: Any) -> None:
    tree = results(fake_report())
    page.evaluate("location.hash = 'compare'")
    page.wait_for_selector("#compare-runs select")
    first, second = page.locator("#compare-runs select").all()
    assert (first.input_value(), second.input_value()) == ("baseline", "cosine-k30")
    second.focus()
    page.keyboard.press("ArrowDown")
    run = second.input_value()
    assert run == "cosine-k30-random"

    def cells() -> list[list[str]]:
        found: list[list[str]] = page.evaluate(
            "[...document.querySelectorAll('#compare-runs table')][0].querySelectorAll('tbody tr').values()"
            ".map(row => [...row.cells].map(cell => cell.querySelector('.number')?.textContent ?? cell.textContent)).toArray()"
        )
        return found

    arms = {one["name"]: one for one in tree["arms"]}

    def wanted(a: str, b: str) -> list[list[str]]:
        pairs = {(one["against"], one["run"]): one["differences"] for one in tree["compared"]["pairs"]}
        sign, of_pair = (1, pairs[a, b]) if (a, b) in pairs else (-1, pairs[b, a])
        return [
            [*(two(arms[name]["figures"][at][metric]["value"]) for name in (a, b)), signed(sign * of[metric]["value"])]
            for at, of in enumerate(of_pair)
            for metric in ("kappa", "auc")
        ]

    assert [row[1:4] for row in cells()] == wanted("baseline", run)
    said = {one["name"]: one["predicted"] for one in tree["compared"]["runs"]}
    changed = sum(a != b for a, b in zip(said["baseline"], said[run], strict=True))
    assert changed > 0
    assert page.locator("#compare-runs .changed").inner_text().startswith(f"{changed} of 12 test visits")
    assert page.locator("#compare-runs table").nth(1).locator("tbody tr").count() == changed
    assert page.locator("#compare-runs svg.chart").count() == 4
    page.locator("#compare-runs button", has_text="Swap").focus()
    page.keyboard.press("Enter")
    assert [row[1:4] for row in cells()] == wanted(run, "baseline")
    folded = page.locator("#compare-runs summary", has_text=f"Photos removed in {run} alone")
    removed = next(one["removed"] for one in tree["compared"]["runs"] if one["name"] == run)
    assert folded.inner_text().endswith(f": {len(removed)}")
    folded.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#compare-runs details[open] .card")
    assert page.locator("#compare-runs details[open] .card").count() == len(removed) > 0


def test_the_script_rounds_as_the_page_does(page: Any) -> None:
    script = page.locator("script:not([type])").text_content()
    rounding = script[script.index("const hundredths") : script.index("const MOST_PHOTOS")]
    for value in (0.125, 0.375, -0.625, 0.875, 0.005, 0.0049, -0.0049, 0.505, 0.1351, 0.0, -0.001, -0.00001):
        ways = page.evaluate(f"(() => {{ {rounding} return [SHOWN.two({value}), SHOWN.signed({value})]; }})()")
        assert ways == [two(value), signed(value)], value
