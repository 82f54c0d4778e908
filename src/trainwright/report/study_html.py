"""The report of a search as one HTML document that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records.study import StudyInfo, ranked
from trainwright.records.study_final import FinalRun
from trainwright.records.study_reading import StudyReading
from trainwright.report.cards import cards_html
from trainwright.report.numbers import number, plural
from trainwright.report.page import document, header_html
from trainwright.report.safe import markup, prose
from trainwright.report.study_boxes import boxes_html
from trainwright.report.study_facts import (
    alone_phrases,
    counts_phrase,
    edge_phrase,
    failures,
    final_rows,
    head_facts,
    setting,
    study_verdict,
    values_phrase,
)
from trainwright.report.study_figures import grid_html, importance_html, progress_html
from trainwright.report.study_parallel import parallel_html
from trainwright.report.study_slices import slices_html
from trainwright.report.summary import severity_counts, worst_first
from trainwright.report.tables import html_table
from trainwright.report.wrapping import clip

_MOST_TRIALS = 50
_MOST_REASONS = 20
_LONGEST = 40


def render_study_html(
    reading: StudyReading,
) -> str:
    """Return the whole page; a search that is still running, or of which every trial failed, has one too."""
    info = reading.info
    ordered = worst_first(reading.findings)
    sign, sentence = study_verdict(info, ordered)
    judged = plural(len(info.trials), "trial")
    sections = [
        ("findings", "Findings", severity_counts(ordered), cards_html(ordered, sign=sign, judged=judged)),
        ("best", "Best values", "", _best(info)),
        ("final", "Final run", "under fresh seeds", "" if reading.final is None else _final(reading.final)),
        ("progress", "Best score", "by steps of all trials together", progress_html(info)),
        ("coordinates", "Trials", "as lines through their values", parallel_html(info)),
        ("importance", "Importance", "", importance_html(reading.importance)),
        ("slices", "Slices", "the score against each parameter", slices_html(info)),
        ("rounds", "Rounds", "from coarse to fine", boxes_html(info)),
        ("edges", "Edges", "", _list([edge_phrase(edge) for edge in reading.edges])),
        ("grid", "Against a grid", "at equal budget", grid_html(info, reading.importance)),
        ("failures", "Failures", "", _failures(info)),
        ("trials", "Best trials", counts_phrase(info.trials), _trials(info)),
        ("alone", "One trial alone", "", "" if reading.alone is None else _list(alone_phrases(reading.alone))),
        ("notes", "Notes", "", _list([prose(note) for note in info.notes])),
    ]
    asked = [f"{label}: {value}" for label, value in head_facts(info)]
    header = header_html("Search report", reading.name, sign, sentence, asked, _key_numbers(info, reading.final))
    return document(f"{prose(reading.name)}: {sentence}", header, sections, styles=("study.css",))


def _key_numbers(info: StudyInfo, final: FinalRun | None) -> list[tuple[str, str]]:
    best = info.best
    numbers = []
    if best is not None and best.score is not None:
        numbers.append(("best score", number(best.score)))
    if final is not None:
        numbers.append(("under fresh seeds", number(final.fresh)))
        if final.gain is not None:
            numbers.append(("gain over the default", number(final.gain, digits=3)))
    numbers += [
        ("trials", number(len(info.trials))),
        ("steps", number(info.steps)),
        ("rounds", number(len(info.rounds))),
    ]
    return numbers


def _best(info: StudyInfo) -> str:
    best = info.best
    if best is None or best.score is None:
        return '<p class="quiet">No trial has a score yet, or all have failed.</p>'
    rows = [[clip(prose(name), 2 * _LONGEST), setting(value)] for name, value in best.values.items()]
    caption = f"Trial {best.number} of round {best.round + 1}: score {number(best.score)} after {best.steps:,} steps"
    return f'<div class="keyed">{html_table(["parameter", "value"], rows, caption=caption)}</div>'


def _final(final: FinalRun) -> str:
    rows = [[label, text] for label, text in final_rows(final)]
    caption = values_phrase(final.values)
    return html_table(["what", "score, lower is better"], rows, caption=caption)


def _failures(info: StudyInfo) -> str:
    told = failures(info.trials)
    rows = [[f"{count:,}", clip(reason, 300)] for reason, count in told[:_MOST_REASONS]]
    more = sum(count for _, count in told[_MOST_REASONS:])
    rows += [[f"{more:,}", "other reasons"]] if more else []
    return html_table(["trials", "reason"], rows, caption="Trials that failed, by reason") if rows else ""


def _trials(info: StudyInfo) -> str:
    order = ranked(info.trials)
    if not order:
        return ""
    names = list(dict.fromkeys(name for trial in order for name in trial.values))
    head = [
        "rank",
        "trial",
        "round",
        "rung",
        *(clip(prose(name), _LONGEST) for name in names),
        "score",
        "steps",
        "status",
    ]
    rows = [
        [
            str(place),
            str(trial.number),
            str(trial.round + 1),
            str(trial.rung),
            *(clip(setting(trial.values[name]), _LONGEST) if name in trial.values else "–" for name in names),
            number(trial.score) if trial.score is not None else "–",
            number(trial.steps),
            trial.status,
        ]
        for place, trial in enumerate(order[:_MOST_TRIALS], start=1)
    ]
    caption = "All trials, best first" if len(order) == len(rows) else f"The best {len(rows)} of {len(order):,} trials"
    return html_table(head, rows, caption=caption, numeric=range(len(head) - 1))


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{markup(text)}</li>' for text in texts)}</ul>" if texts else ""
