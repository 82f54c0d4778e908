from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
import report_runs
from report_runs import MadeRun

from trainwright.records import (
    Chart,
    EvalRecord,
    Evidence,
    Finding,
    Location,
    Outcome,
    Remedy,
    RunInfo,
    Setting,
    StepRecord,
    TargetStats,
)
from trainwright.report import render_html
from trainwright.report.contours import contour_svg

VOID = {"meta", "link"}
PAIR = re.compile(r"([\d.]+) ([\d.]+)")
KNOWN_ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "rel", "href", "title", "class", "id", "style", "role"),
    *("tabindex", "scope", "aria-hidden", "aria-label", "aria-labelledby", "focusable", "viewbox"),
    *("preserveaspectratio", "d", "x", "x1", "x2", "y", "y1", "y2", "dx", "text-anchor", "height", "width", "overflow"),
}


class Outline(HTMLParser):
    """Reads a document, and fails where an element is not closed in its turn."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]


def parse(document: str) -> Outline:
    outline = Outline()
    outline.feed(document)
    outline.close()
    assert outline.open == []
    return outline


def render(run: MadeRun) -> str:
    return render_html(
        run.info,
        run.outcome,
        run.chart,
        run.findings,
        recipe=report_runs.RECIPE,
        facts=report_runs.FACTS,
        checks=run.checks,
    )


def chart_of(losses: list[float], evals: list[EvalRecord] | None = None, info: RunInfo | None = None) -> Chart:
    steps = [
        StepRecord(step=i, epoch=0, loss=loss, rate=0.1, samples=8, gradient_norm=abs(loss), update_ratio=1e-3)
        for i, loss in enumerate(losses)
    ]
    return Chart(info=info or RunInfo(), steps=steps, evals=evals or [])


def page(chart: Chart, findings: list[Finding] | None = None) -> Outline:
    return parse(render_html(chart.info, None, chart, findings or []))


def finding_at(step: int, **changes: str) -> Finding:
    return Finding(**({"code": "TW1", "kind": "kind", "severity": "error", "title": "title"} | changes), step=step)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("made", [report_runs.healthy, report_runs.diverged, report_runs.overfitting])
def test_the_page_is_balanced_and_asks_for_nothing(made: Callable[[], MadeRun]) -> None:
    document = render(made())
    outline = parse(document)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", document)
    assert not outline.named("script")
    assert all(href.startswith("#") or href == "data:," for tag in ("a", "link") for href in hrefs(outline, tag))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert outline.named("meta", **{"http-equiv": "Content-Security-Policy", "content": policy})
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)


def hrefs(outline: Outline, tag: str) -> list[str]:
    return [attrs.get("href") or "" for attrs in outline.named(tag)]


def test_every_link_leads_somewhere_and_every_id_is_unique() -> None:
    outline = parse(render(report_runs.diverged()))
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in hrefs(outline, "a")} <= set(ids)
    labelled = [attrs["aria-labelledby"] or "" for attrs in outline.named("svg", role="img")]
    assert labelled
    assert all(set(names.split()) <= set(ids) for names in labelled)


def test_the_same_run_gives_the_same_page() -> None:
    assert render(report_runs.diverged()) == render(report_runs.diverged())
    assert contour_svg("one") == contour_svg("one") != contour_svg("another")


def test_the_title_and_the_verdict_say_how_it_ended() -> None:
    assert "digits-mlp: finished, healthy" in render(report_runs.healthy())
    assert "digits-hot: diverged at step 112: learning rate too high" in render(report_runs.diverged())


def test_cards_hold_all_that_a_finding_says() -> None:
    text = parse(render(report_runs.diverged())).text
    for part in (
        "error TW601 learning-rate-too-high",
        "the learning rate is too high",
        "recipe.toml:6, at step 36",
        "same-batch loss rises after the update, share of probes: 0.94 (threshold 0.5)",
        "each update leaps over the valley",
        "optimizer.lr = 0.0031",
        "trainwright explain TW601",
        "80 % sure",
    ):
        assert part in text


def test_no_findings_are_said_with_the_healthy_sign_and_skipped_checks_do_not_count() -> None:
    text = parse(render(report_runs.healthy())).text
    assert "✓ healthy : no findings in 690 steps and 2 checks" in text
    assert "– not judged: no validation data was given" in text


def test_findings_are_pinned_below_every_plot_at_their_step() -> None:
    run = report_runs.diverged()
    outline = parse(render(run))
    figures = len(outline.named("figure"))
    assert figures == 5
    for number, step in ((1, 36), (2, 112), (3, 44)):
        pins = outline.named("a", href=f"#finding-{number}")
        assert len(pins) == figures
        assert all((pin["style"] or "").startswith(f"left:{100 * step / 139:.2f}%") for pin in pins)


def test_pins_that_would_overlap_take_further_rows_and_then_are_counted() -> None:
    outline = page(chart_of([1.0] * 100), [finding_at(50) for _ in range(6)])
    rows = {(attrs["style"] or "").partition(";")[2] for attrs in outline.named("a", href="#finding-1")}
    assert rows == {"--row:0"}
    assert len({(a["style"] or "") for n in range(1, 5) for a in outline.named("a", href=f"#finding-{n}")}) == 4
    assert "2 more findings not drawn for lack of room" in outline.text


def test_a_finding_beyond_the_last_step_is_not_drawn_at_a_false_one() -> None:
    outline = page(chart_of([1.0] * 10), [finding_at(50)])
    assert not outline.named("a", href="#finding-1")
    assert outline.named("article", id="finding-1")


def test_a_spike_of_one_step_among_many_survives_in_the_drawing() -> None:
    losses = [1.0] * 100_000
    losses[61_803] = 2.0
    document = render_html(RunInfo(), None, chart_of(losses), [])
    path = re.findall(r'<path class="line raw" d="([^"]+)"/>', document)[0]
    points = [(float(x), float(y)) for x, y in PAIR.findall(path)]
    spike = min(points, key=lambda point: point[1])
    assert abs(spike[0] - 618.0) <= 0.1
    assert sum(y < 100 for _, y in points) == 1
    assert f"showing {len(points):,} of 100,000 points, extremes kept" in parse(document).text


def test_what_is_said_of_left_out_points_is_true() -> None:
    assert "showing" not in page(chart_of([1.0] * 1200)).text
    document = render_html(RunInfo(), None, chart_of([float(i % 7) for i in range(5000)]), [])
    raw = re.findall(r'<path class="line raw" d="([^"]+)"/>', document)[0]
    assert f"showing {len(PAIR.findall(raw)):,} of 5,000 points" in parse(document).text


def test_values_that_are_not_finite_are_marked_and_counted() -> None:
    outline = parse(render(report_runs.diverged()))
    assert "train, each step: 25 NaN and 3 infinite of 140 values, marked × above the plot" in outline.text
    assert "28 ×" in outline.text
    assert outline.named("rect", **{"class": "gutter"})
    assert not parse(render(report_runs.healthy())).named("rect", **{"class": "gutter"})


def test_a_line_is_not_drawn_across_a_gap() -> None:
    document = render_html(RunInfo(), None, chart_of([1.0, 2.0, math.nan, 3.0, math.inf, 4.0, 5.0]), [])
    loss = document[document.index('id="chart-loss"') : document.index('id="chart-rate"')]
    (line,) = re.findall(r'<path class="line train" d="([^"]+)"/>', loss)
    (lone,) = re.findall(r'<path class="dots train" d="([^"]+)"/>', loss)
    assert line.count("M") == 2
    assert lone.count("h0") == 1  # between two gaps: a dot, or it would not be seen


def test_the_constant_predictor_is_drawn_and_named() -> None:
    assert "constant predictor 2.303" in parse(render(report_runs.healthy())).text
    stats = TargetStats(samples=1, minimum=0, maximum=1, integral=True, distinct=2, constant_loss=math.nan)
    assert "constant predictor" not in page(chart_of([1.0] * 5, info=RunInfo(targets=stats))).text


def test_each_figure_has_a_name_a_description_and_a_short_table() -> None:
    document = render(report_runs.overfitting())
    figures = re.findall(r"<figure.*?</figure>", document, re.DOTALL)
    assert len(figures) == 4
    for figure in figures:
        assert 'role="img"' in figure
        assert "<title " in figure
        assert "<desc " in figure
        body = figure[figure.index("<tbody>") :]
        assert 0 < body.count("<tr>") <= 40


@pytest.mark.parametrize(
    "losses",
    [[], [1.0], [math.nan] * 60, [math.inf], [2.0] * 60, [0.0] * 60, [1e30, 1.0], [1e308, -1e308], [5e-324, 1e300]],
)
def test_strange_losses_render(losses: list[float]) -> None:
    text = page(chart_of(losses)).text
    assert ("✓ healthy" in text) is (bool(losses) and math.isfinite(losses[-1]))
    assert ("so there is nothing to draw" in text) is not losses
    assert ("no finite value" in text) is (bool(losses) and not any(map(math.isfinite, losses)))


def test_evaluations_alone_make_a_page() -> None:
    evals = [
        EvalRecord(step=i, epoch=i, split=split, loss=1 / (i + 1), loss_error=0, metrics={"rmse": 2.0}, samples=9)
        for i in range(400)
        for split in ("train", "validation")
    ]
    outline = page(chart_of([], evals))
    assert [attrs["id"] for attrs in outline.named("figure")] == ["chart-loss", "chart-metric"]
    assert not outline.named("path", **{"class": "dots validation"})  # too many to be told apart
    assert "RMSE" in outline.text


def test_hostile_text_stays_text() -> None:
    bad = "<script>alert(1)</script>\"'&\x1b[31m\x00\u202e\ud800"
    info = RunInfo(
        name=bad,
        model=bad,
        loss=bad,
        optimizer=bad,
        schedule=bad,
        metric=bad,
        settings={bad: Setting(value={bad: [bad]}, where=Location(file=bad, line=1))},
    )
    evals = [
        EvalRecord(step=i, epoch=0, split="train", loss=1, loss_error=0, metrics={bad: 1}, samples=1) for i in (0, 9)
    ]
    chart = dataclasses.replace(
        chart_of([1.0] * 10, evals, info),
        layers=[dataclasses.replace(report_runs.layers(1)[0], module=bad, kind=bad)],
    )
    finding = Finding(
        code=bad,
        kind=bad,
        severity="note",
        title=bad,
        where=Location(file=bad, module=bad, parameter=bad),
        step=3,
        evidence=(Evidence(name=bad, value=bad, threshold=bad, unit=bad),),
        because=bad,
        remedies=(Remedy(text=bad, change={bad: bad}),),
    )
    outcome = Outcome(status="diverged", reason=bad, best={"train": {bad: 1.0}})
    document = render_html(info, outcome, chart, [finding], recipe=bad, facts={bad: bad})
    outline = parse(document)
    assert not outline.named("script")
    assert "<script" not in document
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", document)
    assert document.encode()
    assert all(set(attrs) <= KNOWN_ATTRIBUTES for _, attrs in outline.tags)


def test_the_newest_statistics_of_each_layer_are_shown() -> None:
    run = report_runs.healthy()
    text = parse(render(run)).text
    newest = run.chart.layers[-5]
    assert "Outputs of the layers at step 689" in text
    assert f"layers.0 Linear 64 {newest.mean:.4g} {newest.std:.4g} 0 % 0 % {newest.gradient_norm:.4g}" in text


def test_settings_say_where_they_were_set() -> None:
    text = parse(render(report_runs.healthy())).text
    assert "optimizer.lr 0.003 recipe.toml:6" in text
    assert "optimizer.weight_decay 0.01 default" in text
    assert "train.clip_norm none default" in text


def test_the_recipe_is_shown_as_written() -> None:
    document = render_html(RunInfo(), None, chart_of([]), [], recipe='[data]\r\nsource = "a<b"\t# x\n')
    assert "[data]\nsource = &quot;a&lt;b&quot;\t# x\n</pre>" in document


def test_a_long_run_stays_a_small_file() -> None:
    assert len(render(report_runs.healthy(20_000)).encode()) < 400_000


def test_one_spike_does_not_hold_up_the_smoothed_line_on_a_logarithmic_axis() -> None:
    losses = [1.0] * 1000
    losses[500] = 1e30
    document = render_html(RunInfo(), None, chart_of(losses), [])
    smoothed = re.findall(r'<path class="line train" d="([^"]+)"/>', document)[0]
    _, last = PAIR.findall(smoothed)[-1]
    lowest = max(float(y) for _, y in PAIR.findall(smoothed))
    assert lowest - float(last) < 1.0
    assert "geometric mean over about the last 20" in document
