"""Parallel coordinates, turned by a quarter: one axis below the other, so that long names fit the narrowest screen."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Trial
from trainwright.records.study import StudyInfo, ranked
from trainwright.report.numbers import number, plural
from trainwright.report.safe import markup
from trainwright.report.study_axes import (
    Lane,
    Scores,
    lane_name,
    lane_ticks,
    lanes,
    number_ticks,
    percentage,
    score_of,
    scores_axis,
)
from trainwright.report.study_facts import setting
from trainwright.report.svg import STRETCH, picture, stretched, word

RAMP = 8
"""Colours from the best trials to the worst."""
MOST_POINTS = 20_000
"""Points of all axes of a figure together: more make the page large, and show no more."""
MOST_LINES = 500
"""Lines, of which the upper would hide the lower ones."""
_GAP = 74
_TOP = 26
_ABSENT = 1.03  # where a line passes the axis of a parameter that its trial has not
_FOOT = 24


def thinned(info: StudyInfo, axes: int, *, most: int = MOST_POINTS) -> list[Trial]:
    """Return the trials to draw, best first: all, or the best quarter of what there is room for and an even sample."""
    order = ranked(info.trials)
    most = max(min(MOST_POINTS // max(axes, 1), most), 40)
    if len(order) <= most:
        return order
    first = most // 4
    others = order[first:]
    return order[:first] + [others[place * len(others) // (most - first)] for place in range(most - first)]


def drawn_phrase(info: StudyInfo, drawn: Sequence[Trial]) -> str:
    """Return how many of the trials are drawn, where not all are."""
    if len(drawn) == len(info.trials):
        return ""
    return f"Showing {len(drawn):,} of {len(info.trials):,} trials: the best, and an even sample of the others."


def parallel_html(info: StudyInfo) -> str:
    """Return the figure; "" where there is no score."""
    rows, up = lanes(info), scores_axis([trial for trial in info.trials if score_of(trial) is not None])
    if up is None or not rows:
        return ""
    chosen = thinned(info, len(rows) + 1, most=MOST_LINES)
    drawn = [trial for trial in chosen if score_of(trial) is not None]
    bottom = _TOP + _GAP * len(rows)
    best = info.best
    layers: list[list[str]] = [[] for _ in range(RAMP)]
    # By rank rather than by value: a few bad scores would give all others the same colour.
    order = sorted(drawn, key=lambda trial: score_of(trial) or 0.0)
    for place, trial in enumerate(order):
        layers[place * RAMP // len(order)].append(_line(trial, rows, up))
    paths = [
        f'<path class="line thread s{shade}" d="{"".join(d)}"/>' for shade, d in reversed([*enumerate(layers)]) if d
    ]
    if best is not None:
        paths.append(f'<path class="line thread winner" d="{_line(best, rows, up)}"/>')
    parts = [
        stretched(bottom, paths),
        *(part for place, lane in enumerate(rows) for part in _lane(lane, drawn, best, _TOP + _GAP * place)),
    ]
    parts += _score_lane(up, best, bottom)
    failed = sum(trial.status == "failed" for trial in info.trials)
    absent = any(_place(lane, trial) is None for lane in rows for trial in drawn)
    remarks = [
        drawn_phrase(info, chosen),
        up.remark,
        f"{plural(failed, 'failed trial')} not drawn." if failed else "",
        "– is where the parameter does not apply." if absent else "",
    ]
    told = " ".join(filter(None, remarks))
    title = f"{plural(len(drawn), 'trial')}, each a line through its values to its score"
    return (
        '<figure id="parallel"><figcaption><p class="quiet">Each trial is a line through its values, down to its '
        f"score.</p>{legend_html()}</figcaption>"
        f'<div class="frame">{picture("parallel", title, bottom + _FOOT, parts)}</div>{remark(told)}</figure>'
    )


def legend_html() -> str:
    """Return the colours from best to worst."""
    cells = "".join(f'<span class="shade s{place}"></span>' for place in range(RAMP))
    return f'<p class="ramp"><span class="words">best</span>{cells}<span class="words">worst score</span></p>'


def remark(text: str) -> str:
    """Return a remark below a figure."""
    return f'<p class="remark">{markup(text)}</p>' if text else ""


def _line(trial: Trial, rows: Sequence[Lane], up: Scores) -> str:
    score = score_of(trial)
    assert score is not None
    places = [_place(lane, trial) for lane in rows]
    points = [_ABSENT if place is None else place for place in places] + [up.axis.place(score)]
    return "M" + "L".join(f"{STRETCH * place:.0f} {_TOP + _GAP * row}" for row, place in enumerate(points))


def _place(lane: Lane, trial: Trial) -> float | None:
    return lane.place(trial.values[lane.name]) if lane.name in trial.values else None


def _lane(lane: Lane, drawn: Sequence[Trial], best: Trial | None, y: float) -> list[str]:
    value = "" if best is None or lane.name not in best.values else f", best {setting(best.values[lane.name])}"
    parts = [_rule(y), *lane_name(lane.name, value, y - 9), *lane_ticks(lane, y + 17)]
    if any(_place(lane, trial) is None for trial in drawn):
        parts.append(word("tick", percentage(_ABSENT), y + 17, "–", anchor="middle"))
    return parts


def _score_lane(up: Scores, best: Trial | None, y: float) -> list[str]:
    told = "" if best is None or best.score is None else f", best {number(best.score)}"
    return [_rule(y), *lane_name("score", told, y - 9), *number_ticks(up.axis, y + 17)]


def _rule(y: float) -> str:
    return f'<line class="axis" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
