from __future__ import annotations

from pathlib import Path

import pytest
import report_runs
from playwright.sync_api import Browser, Page, Request, Route

from trainwright.report import render_html

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = report_runs.diverged()
    path = tmp_path_factory.mktemp("report") / "report.html"
    document = render_html(
        run.info,
        run.outcome,
        run.chart,
        run.findings,
        recipe=report_runs.RECIPE + "# " + "long " * 60,
        facts=report_runs.FACTS | {"path": "/very/long/path" * 20},
        checks=report_runs.healthy(60).checks,
    )
    path.write_text(document, encoding="utf-8")
    return path


def opened(browser: Browser, report: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # pyright: ignore[reportArgumentType]
    complaints: list[str] = []

    def sentinel(route: Route, request: Request) -> None:
        if request.url == report.as_uri():
            route.continue_()
        else:
            complaints.append(f"asked for {request.url}")
            route.abort()

    page.route("**/*", sentinel)
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.goto(report.as_uri())
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_page_opens_from_disk_silent_and_within_the_screen(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    edges = page.evaluate(
        "[...document.querySelectorAll('.plot text')].filter(each => getComputedStyle(each).display !== 'none')"
        ".map(each => each.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert edges
    assert all(left >= 0 and right <= width for left, right in edges)
    plots = page.evaluate("[...document.querySelectorAll('.plot')].map(each => each.getBoundingClientRect().left)")
    assert len(set(plots)) == 1
    assert complaints == []
    page.close()


def test_a_pin_leads_to_its_card(browser: Browser, report: Path) -> None:
    page, complaints = opened(browser, report, 1024, "light")
    page.locator("#chart-loss .pin.warning").click()
    assert page.evaluate("document.querySelector(':target').id") == "finding-3"
    assert complaints == []
    page.close()


def test_night_is_dark_and_print_is_white(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, 1024, "dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(19, 25, 27)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.close()
