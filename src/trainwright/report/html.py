"""The report of a run as one HTML document that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources

from trainwright.records import Chart, CheckResult, Finding, Outcome, RunInfo
from trainwright.report.cards import cards_html
from trainwright.report.contours import contour_svg
from trainwright.report.figures import figures_html
from trainwright.report.numbers import number, plural
from trainwright.report.safe import markup, prose
from trainwright.report.signs import HEALTHY, SIGNS, Sign
from trainwright.report.summary import (
    best_values,
    head_facts,
    ledger_phrase,
    severity_counts,
    steps_phrase,
    time_phrase,
    verdict,
    worst_first,
)
from trainwright.report.tables import checks_table, facts_table, layers_table, repairs_table, settings_table

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_html(
    info: RunInfo,
    outcome: Outcome | None,
    chart: Chart,
    findings: Sequence[Finding],
    *,
    recipe: str = "",
    facts: Mapping[str, str] | None = None,
    checks: Sequence[CheckResult] = (),
) -> str:
    """Return the whole report. `recipe` is shown as written; `facts` tell of the machine and the versions."""
    ordered = worst_first(findings)
    sign, sentence = verdict(outcome, chart, ordered)
    judging = sum(check.status != "skipped" for check in checks)
    judged = plural(len(chart.steps), "step") + (f" and {plural(judging, 'check')}" if judging else "")
    sections = [
        ("findings", "Findings", severity_counts(ordered), cards_html(ordered, sign=sign, judged=judged)),
        ("repairs", "Repairs", "", repairs_table(chart)),
        ("curves", "Curves", "by optimizer step", figures_html(info, chart, ordered)),
        ("layers", "Layers", "", layers_table(chart) if chart.layers else ""),
        ("checks", "Checks", "", checks_table(checks) if checks else ""),
        ("configuration", "Configuration", "", settings_table(info) if info.settings else ""),
        ("recipe", "Recipe", "", f'<pre class="recipe">{_lines(recipe)}</pre>' if recipe else ""),
        ("environment", "Environment", "", facts_table(facts) if facts else ""),
    ]
    shown = [section for section in sections if section[-1]]
    contents = "".join(f'<a href="#{key}">{title}</a>' for key, title, _, _ in shown)
    body = "\n".join(_section(key, title, aside, content) for key, title, aside, content in shown)
    colors = "".join(f"--{each.word}: {each.color}; " for each in (*SIGNS.values(), HEALTHY))
    style = resources.files("trainwright.report").joinpath("style.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{markup(prose(info.name))}: {markup(sentence)}</title>
<style>
:root {{ {colors}}}
{style}</style>
</head>
<body>
{_header(info, outcome, chart, sign, sentence)}
<nav aria-label="Contents">{contents}</nav>
<main>
{body}
</main>
<footer>Written by trainwright. The page holds no script and asks nothing of any network.</footer>
</body>
</html>
"""


def _header(info: RunInfo, outcome: Outcome | None, chart: Chart, sign: Sign, sentence: str) -> str:
    facts = [(name, value) for name, value in head_facts(info) if name != "parameters"]
    told = [f"ignored: {value}" if name == "ignored" else value for name, value in facts]
    asked = "".join(f"<span>{markup(value)}</span>" for value in told)
    ledger = ledger_phrase(outcome, chart)
    asked += f"<span>{markup(ledger)}</span>" if ledger else ""
    numbers = _key_numbers(info, outcome, chart)
    figures = "".join(f"<div><dt>{markup(name)}</dt><dd>{markup(value)}</dd></div>" for name, value in numbers)
    shape = f'<span class="shape {sign.word}" aria-hidden="true">{sign.shape}</span>'
    return (
        f'<header>{contour_svg(info.name)}<div class="head"><p class="kind">Training report</p>'
        f"<h1>{markup(prose(info.name)) or 'run'}</h1>"
        f'<p class="verdict">{shape} {markup(sentence)}</p>'
        f'<p class="asked">{asked}</p><dl class="figures">{figures}</dl></div></header>'
    )


def _key_numbers(info: RunInfo, outcome: Outcome | None, chart: Chart) -> list[tuple[str, str]]:
    best = best_values(outcome, chart)
    splits = [split for split in ("validation", "test") if split in best] or list(best)
    figures = [(f"{split} {prose(name)}", number(value)) for split in splits for name, value in best[split].items()]
    if outcome is not None and outcome.best_step is not None:
        figures.append(("best step", number(outcome.best_step)))
    figures += [
        ("steps", steps_phrase(info, outcome, chart)),
        ("time", time_phrase(outcome, chart)),
        ("parameters", number(info.parameters) if info.parameters else ""),
    ]
    return [(name, value) for name, value in figures if value]


def _section(key: str, title: str, aside: str, content: str) -> str:
    beside = f' <span class="aside">{markup(aside)}</span>' if aside else ""
    return f'<section id="{key}"><h2>{title}{beside}</h2>\n{content}\n</section>'


def _lines(text: str) -> str:
    return markup(text.replace("\r\n", "\n"), keep="\n\t")
