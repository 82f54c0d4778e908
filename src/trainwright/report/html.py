"""The report of a run as one HTML document that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainwright.records import Chart, CheckResult, Finding, Outcome, RunInfo
from trainwright.records.ensemble import EnsembleInfo
from trainwright.report.cards import cards_html
from trainwright.report.figures import figures_html
from trainwright.report.finish_html import finish_html
from trainwright.report.numbers import number, plural
from trainwright.report.page import document, header_html
from trainwright.report.rate_plot import rate_section
from trainwright.report.safe import markup, prose
from trainwright.report.signs import Sign
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


def render_html(
    info: RunInfo,
    outcome: Outcome | None,
    chart: Chart,
    findings: Sequence[Finding],
    *,
    recipe: str = "",
    facts: Mapping[str, str] | None = None,
    checks: Sequence[CheckResult] = (),
    finish: EnsembleInfo | None = None,
) -> str:
    """Return the whole report. `recipe` is shown as written; `facts` tell of the machine and the versions.

    `finish` is what was made of the run after its end.
    """
    ordered = worst_first(findings)
    sign, sentence = verdict(outcome, chart, ordered)
    judging = sum(check.status != "skipped" for check in checks)
    judged = plural(len(chart.steps), "step") + (f" and {plural(judging, 'check')}" if judging else "")
    sections = [
        ("findings", "Findings", severity_counts(ordered), cards_html(ordered, sign=sign, judged=judged)),
        ("repairs", "Repairs", "", repairs_table(chart)),
        ("curves", "Curves", "by optimizer step", figures_html(info, chart, ordered)),
        ("rate", "Learning rate", "found before the run", rate_section(chart)),
        ("finish", "Finishing", "what gained and what lost", "" if finish is None else finish_html(finish)),
        ("layers", "Layers", "", layers_table(chart) if chart.layers else ""),
        ("checks", "Checks", "", checks_table(checks) if checks else ""),
        ("configuration", "Configuration", "", settings_table(info) if info.settings else ""),
        ("recipe", "Recipe", "", f'<pre class="recipe">{_lines(recipe)}</pre>' if recipe else ""),
        ("environment", "Environment", "", facts_table(facts) if facts else ""),
    ]
    title = f"{prose(info.name)}: {sentence}"
    styles = () if finish is None else ("study.css",)
    return document(title, _header(info, outcome, chart, sign, sentence), sections, styles=styles)


def _header(info: RunInfo, outcome: Outcome | None, chart: Chart, sign: Sign, sentence: str) -> str:
    facts = [(name, value) for name, value in head_facts(info) if name != "parameters"]
    told = [f"ignored: {value}" if name == "ignored" else value for name, value in facts]
    ledger = ledger_phrase(outcome, chart)
    asked = [*told, ledger] if ledger else told
    return header_html("Training report", info.name, sign, sentence, asked, _key_numbers(info, outcome, chart))


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


def _lines(text: str) -> str:
    return markup(text.replace("\r\n", "\n"), keep="\n\t")
