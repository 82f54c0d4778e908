"""The page in a real browser: no error, no foreign request, the server's own numbers, everything by keyboard."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lab_server import LabServer, finding, plant
from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
EVIL = (
    '<img src=x onerror="window.evil=1"></script><script>window.evil=1</script>{{7*7}}javascript:alert(1)\u202egnp.exe'
)
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module", autouse=True)
def shelf(lab: LabServer) -> None:
    """Runs in every state."""
    plant(lab.folder / "healthy", [2.3 * math.exp(-step / 30) for step in range(120)])
    lost = [2.0, 1.5, 1.0, math.nan, math.inf, math.nan, 0.7, math.nan]
    plant(lab.folder / "lost", lost, outcome="diverged", findings=[finding()])
    evil = finding(title=EVIL, because=EVIL, kind=EVIL, code=EVIL, remedies=[{"text": EVIL, "change": {EVIL: EVIL}}])
    evil["evidence"] = [{"name": EVIL, "value": EVIL, "threshold": EVIL, "step": 1, "unit": EVIL}]
    evil["where"] = {"file": EVIL, "line": 1, "module": EVIL, "parameter": EVIL}
    settings = {EVIL: {"value": EVIL, "where": {"line": 1}}}
    folder = plant(lab.folder / EVIL.replace("/", "_")[:80], title=EVIL, findings=[evil], settings=settings)
    record = {
        "record": "eval",
        "step": 1,
        "epoch": 0,
        "split": EVIL,
        "loss": 1.0,
        "metrics": {EVIL: 0.5, "x" * 65536: 1.0},
    }
    with open(folder / "metrics.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")
    (folder / "recipe.toml").write_text(EVIL)
    plant(lab.folder / "newer", schema=99)
    plant(lab.folder / "going-on", [1.0, 0.9], outcome=None)


class Watched:
    """A tab that notes what must not happen."""

    def __init__(self, context: BrowserContext, lab: LabServer) -> None:
        self.page: Page = context.new_page()
        self.lab = lab
        self.errors: list[str] = []
        self.page.on("console", lambda message: self.errors.extend([message.text] if message.type == "error" else []))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._judge(request.url))
        self.page.goto(lab.address)

    def _judge(self, url: str) -> None:
        if not url.startswith((f"{self.lab.base}/", "blob:", "data:")):
            self.errors.append(f"asked another machine: {url}")

    def open(self, place: str) -> Page:
        """Go to a place and wait until nothing is being read."""
        self.page.goto(f"{self.lab.base}/#/{place}")
        for _ in range(300):
            self.page.wait_for_timeout(100)
            waiting = "document.querySelector('.loading, [aria-busy=true]') || !document.querySelector('h1')"
            if not self.page.evaluate(f"!!({waiting})"):
                return self.page
        raise AssertionError(f"{place} is still loading")


@pytest.fixture
def tab(browser: Browser, lab: LabServer) -> Iterator[Watched]:
    context = browser.new_context()
    yield (watched := Watched(context, lab))
    context.close()
    assert watched.errors == []


def test_the_address_leaves_no_token_behind(tab: Watched) -> None:
    tab.open("runs")
    assert "token" not in tab.page.url
    assert tab.page.evaluate("document.cookie") == ""


PLACES = [
    "runs",
    "compare",
    "searches",
    "verify",
    "help",
    "nowhere",
    "lab",
    "learn",
    "lab/learning-rate",
    "lab/schedules",
]


@pytest.mark.parametrize("place", PLACES)
def test_a_page_opens_with_a_heading_and_without_an_error(tab: Watched, place: str) -> None:
    page = tab.open(place)
    assert page.locator("h1").count() == 1
    assert page.locator("main").inner_text().strip()


def test_hostile_names_are_text_and_nothing_else(tab: Watched) -> None:
    tab.open("runs")
    assert "<img src=x" in tab.page.locator("table.list").inner_text()
    page = tab.open(f"run/{tab.lab.run(EVIL.replace('/', '_')[:80])}")
    assert page.locator(".card h3").inner_text().startswith("<img")
    assert page.evaluate("window.evil") is None
    assert page.locator("img, iframe, main script").count() == 0
    assert "\u202e" not in page.locator("body").inner_text()


def test_values_that_are_not_finite_are_in_sight_and_counted(tab: Watched) -> None:
    page = tab.open(f"run/{tab.lab.run('runs/lost')}")
    page.wait_for_selector("text=3 × NaN in loss, first at 3")
    assert "1 × ∞" in page.locator("#curves").inner_text()
    assert page.locator(".lane .pin").count() >= 1
    assert page.locator(".card").get_attribute("class") == "card error"
    assert "not finite" in (page.locator("p.unseen[role=status]").first.text_content() or "")
    assert page.title().startswith("▲")


def test_the_table_beside_a_chart_holds_the_numbers_of_the_run(tab: Watched) -> None:
    page = tab.open(f"run/{tab.lab.run('runs/lost')}")
    figure = page.locator("figure.chart").filter(has_text="Loss").first
    figure.locator("summary").click()
    rows = [row.split("\t") for row in figure.locator("tbody tr").all_inner_texts()]
    assert [row[1] for row in rows] == ["2", "1.5", "1", "NaN", "NaN", "NaN", "0.7", "NaN"]
    with page.expect_download() as kept:
        figure.get_by_role("button", name="Keep as CSV").click()
    lines = kept.value.path().read_text().splitlines()
    assert lines[0].startswith("step,")
    assert len(lines) == 9
    with page.expect_download() as kept:
        figure.get_by_role("button", name="Keep as SVG").click()
    drawing = ElementTree.parse(kept.value.path()).getroot()
    shapes = {each.tag.rpartition("}")[2] for each in drawing.iter()}
    assert shapes == {"svg", "title", "rect", "text", "path", "g", "clipPath"}
    texts = [each.text for each in drawing.iter() if each.tag.endswith("text")]
    assert {"Loss", "training loss", "step", "log 10: guessing"} <= set(texts)


def test_a_hostile_name_in_a_drawing_is_text(tab: Watched) -> None:
    page = tab.open(f"run/{tab.lab.run(EVIL.replace('/', '_')[:80])}")
    figure = page.locator("#curves figure.chart").filter(has_text="onerror").first
    figure.locator("summary").click()
    with page.expect_download() as kept:
        figure.get_by_role("button", name="Keep as SVG").click()
    drawing = ElementTree.parse(kept.value.path()).getroot()
    assert not [each for each in drawing.iter() if each.tag.endswith(("img", "script"))]


def test_a_run_names_the_recorded_run_that_it_looks_like(tab: Watched) -> None:
    page = tab.open(f"run/{tab.lab.run('runs/healthy')}")
    page.wait_for_selector("#nearest .lead a")
    told = tab.lab.json(f"/api/runs/{tab.lab.run('runs/healthy')}/nearest")
    assert page.locator("#nearest .lead a").first.inner_text() == told["nearest"][0]["title"]
    page.locator("#nearest .lead a").first.click()
    page.wait_for_selector("text=Loss curve gallery")


def test_runs_are_shown_less_the_baseline(tab: Watched) -> None:
    ids = [tab.lab.run(name) for name in ("runs/healthy", "going-on")]
    page = tab.open(f"compare?runs={','.join(ids)}&tag=loss")
    page.get_by_label("less the baseline").check()
    figure = page.locator("#curves figure.chart")
    page.wait_for_selector("text=less that of runs/healthy")
    figure.locator("summary").click()
    first = figure.locator("tbody tr").first.inner_text().split("\t")
    assert first == ["0", "−1.3"]


def test_a_rule_is_muted_with_a_reason_and_comes_back(tab: Watched) -> None:
    page = tab.open(f"run/{tab.lab.run('runs/lost')}")
    page.get_by_role("button", name="Mute this rule").click()
    page.get_by_label("why").fill("known, and harmless")
    page.get_by_role("button", name="Mute in this browser").click()
    page.wait_for_selector("text=muted: known, and harmless")
    page.get_by_role("button", name="Unmute").click()
    page.wait_for_selector(".card")


def test_tabs_are_changed_by_arrow_keys_and_what_does_nothing_is_idle(tab: Watched) -> None:
    page = tab.open("lab/four-pieces")
    page.get_by_role("radio", name="1 Loss").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("h2:has-text('three ways to step')")
    assert page.get_by_label("Dropout").last.is_disabled()
    assert page.get_by_label("Learning rate").last.is_enabled()


def test_arrow_keys_read_a_chart_aloud(tab: Watched) -> None:
    page = tab.open(f"run/{tab.lab.run('healthy')}")
    page.wait_for_selector(".plot canvas")
    chart = page.locator(".plot").first
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    spoken = chart.locator("xpath=following-sibling::p[@role='status']")
    page.wait_for_timeout(500)
    assert (spoken.text_content() or "").startswith("step 1: training loss")
    page.keyboard.press("+")
    page.wait_for_selector("text=Show all")
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Show all", state="detached")


def test_a_newer_and_a_missing_run_are_told_plainly(tab: Watched) -> None:
    assert "newer trainwright" in tab.open(f"run/{tab.lab.run('newer')}").locator("main").inner_text()
    page = tab.open("run/0000000000000000")
    assert "there is no such run" in page.locator("main").inner_text()


def test_filtering_choosing_and_comparing_runs(tab: Watched) -> None:
    page = tab.open("runs")
    page.get_by_label("Filter").fill("healthy")
    assert page.locator("table.list tbody tr").count() == 1
    page.get_by_label("Filter").fill("")
    for name in ("runs/healthy", "runs/lost"):
        page.get_by_label(f"compare {name}").check()
    page.get_by_role("link", name="Compare 2 runs").click()
    page.wait_for_selector("h1:has-text('2 runs side by side')")
    page.locator("select").first.select_option("loss")
    page.wait_for_selector("figure.chart canvas")


def test_a_simulation_shows_the_servers_numbers_and_lives_in_its_address(tab: Watched) -> None:
    told = tab.lab.json("/api/simulations/learning-rate/run", method="POST", body={"state": "1&rate=0.45"})
    page = tab.open("lab/learning-rate?1&rate=0.45")
    page.wait_for_selector(f"text={told['result']['verdict']['text']}")
    assert page.get_by_label("Learning rate η").last.input_value() == "0.45"
    page.get_by_role("button", name="Too high").click()
    page.wait_for_selector(".verdict-box.error")
    assert "rate=" in page.url
    page.keyboard.press("r")
    page.wait_for_selector(".verdict-box.healthy")
    assert "rate=" not in page.url


def test_a_simulation_is_played_by_keyboard(tab: Watched) -> None:
    page = tab.open("lab/learning-rate")
    page.locator("h1").focus()
    page.keyboard.press(".")
    assert page.locator(".player .at").inner_text() == "step 0"
    page.keyboard.press(".")
    assert page.locator(".player .at").inner_text() == "step 1"
    page.keyboard.press("Space")
    page.wait_for_selector("button:has-text('Pause')")
    page.keyboard.press("Space")
    page.wait_for_selector("button:has-text('Play')")


@pytest.mark.parametrize(
    "state", ["1&rate=99", "1&rate=%22%3E%3Cscript%3E", "9&rate=1", "1&rate=NaN", "%%%", "1&unknown=3"]
)
def test_an_address_edited_by_hand_has_a_clear_answer(tab: Watched, state: str) -> None:
    page = tab.open(f"lab/learning-rate?{state}")
    page.wait_for_selector(".verdict-box, .failed")
    if state == "1&rate=99":
        assert "nearest legal value is 1.2" in page.locator(".failed").inner_text()
    if state == "9&rate=1":
        assert "another version" in page.locator(".failed").inner_text()


def test_a_wrong_answer_leads_to_the_simulation_that_refutes_it(tab: Watched) -> None:
    page = tab.open("learn")
    quiz = page.locator(".quiz").first
    quiz.get_by_role("radio").first.check()
    assert "Not so." in quiz.locator(".feedback").inner_text()
    assert "answers=0a" in page.url
    quiz.locator(".feedback a").click()
    page.wait_for_selector(".verdict-box")


def test_narrow_pages_do_not_scroll_sideways(browser: Browser, lab: LabServer) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 700})
    watched = Watched(context, lab)
    for place in ("runs", f"run/{lab.run('runs/lost')}", "lab/learning-rate", "learn", "help"):
        page = watched.open(place)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), place
    context.close()


def test_motion_is_reduced_where_it_is_asked_for(browser: Browser, lab: LabServer) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = Watched(context, lab).open("lab/learning-rate")
    assert "motion is reduced" in page.locator(".player").inner_text()
    assert page.get_by_role("button", name="Play").count() == 0
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    assert page.locator(".player .at").inner_text() == "step 0"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser: Browser, lab: LabServer, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there: run `npm ci` in web/")
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # type: ignore[arg-type]
    watched = Watched(context, lab)
    runs = [f"run/{lab.run(name)}" for name in ("healthy", "runs/lost", "newer")]
    compared = f"compare?runs={lab.run('healthy')},{lab.run('runs/lost')}&tag=loss"
    for place in (
        *PLACES,
        *runs,
        compared,
        f"verify/{lab.run('healthy')}",
        "lab/loss-landscape",
        "lab/backpropagation",
    ):
        page = watched.open(place)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.wait_for_timeout(150)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate(f"axe.run({{runOnly: {json.dumps(RULES)}}})")["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == [], place
    context.close()
