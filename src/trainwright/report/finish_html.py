"""The report of a finished model as one HTML document that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Finding
from trainwright.records.ensemble import EnsembleInfo
from trainwright.report.cards import cards_html
from trainwright.report.finish_facts import (
    cells,
    finish_verdict,
    head_facts,
    head_of,
    measured,
    member_phrase,
    scores_head,
    test_cells,
    test_head_of,
)
from trainwright.report.finish_reliability import reliability_html
from trainwright.report.numbers import plural
from trainwright.report.page import document, header_html
from trainwright.report.safe import markup, prose
from trainwright.report.summary import severity_counts, worst_first
from trainwright.report.tables import html_table


def render_finish_html(info: EnsembleInfo, findings: Sequence[Finding] = ()) -> str:
    """Return the whole page."""
    sign, sentence = finish_verdict(info)
    ordered = worst_first(findings)
    gains = info.gains
    judged = plural(len(gains.rows), "method")
    sections = [
        ("gains", "What gained and what lost", "on validation", _table(info)),
        ("test", "On test", "looked at once", _tested(info)),
        ("reliability", "Reliability", "on validation", reliability_html(info.bins, info.bins_before)),
        ("findings", "Findings", severity_counts(ordered), cards_html(ordered, sign=sign, judged=judged)),
        ("members", "Members", plural(len(info.members), "network"), _list(member_phrase(info))),
        ("notes", "Notes", "", _list([*info.notes, *(f"{row.method}: {row.note}" for row in gains.rows if row.note)])),
    ]
    asked = [f"{label}: {value}" for label, value in head_facts(info)]
    header = header_html("Finishing report", info.name, sign, sentence, asked, _figures(info))
    return document(f"{prose(info.name)}: {sentence}", header, sections, styles=("study.css",))


def finish_html(info: EnsembleInfo) -> str:
    """Return what a finished model comes to as a part of another page."""
    sign, sentence = finish_verdict(info)
    said = f'<p><span class="shape {sign.word}" aria-hidden="true">{sign.shape}</span> {markup(prose(sentence))}</p>'
    return f"{said}{_table(info)}{_tested(info)}{reliability_html(info.bins, info.bins_before)}"


def _figures(info: EnsembleInfo) -> list[tuple[str, str]]:
    gains = info.gains
    row = gains.row(gains.chosen)
    tested = row.test is not None and row.test_compared is not None
    raw, scores = (row.test or row.scores, row.test_compared or row.compared) if tested else (row.scores, row.compared)
    if info.temperature is None:
        scores = raw  # the final model's own
    split = "test" if tested else "validation"
    values = zip(scores_head(gains), measured(scores, raw, gains), strict=True)
    figures = [(f"{split} {name}", value) for name, value in values]
    return [("final model", gains.chosen), *figures, ("networks", str(row.cost.networks))]


def _table(info: EnsembleInfo) -> str:
    gains = info.gains
    head = list(head_of(gains))
    head[-1] = "verdict"
    head.insert(1, head.pop())  # where a narrow screen still shows it
    rows = [cells(row, gains) for row in gains.rows]
    for row in rows:
        row.insert(1, row.pop())
    caption = "Every method beside the best single network; a gain counts where its whole interval is above zero"
    return html_table(head, rows, caption=caption, numeric=range(2, len(head)), dense=True)


def _tested(info: EnsembleInfo) -> str:
    gains = info.gains
    rows = [test_cells(row, gains) for row in gains.rows if row.test is not None]
    if not rows:
        return ""
    head = test_head_of(gains)
    caption = "The best single network and what was chosen"
    return html_table(head, rows, caption=caption, numeric=range(1, len(head)), dense=True)


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{markup(prose(text))}</li>' for text in texts)}</ul>" if texts else ""
