"""The rounds of a search as boxes on each axis, one below the other: where the range zoomed, widened or stayed."""

from __future__ import annotations

from trainwright.records.space import Axis
from trainwright.records.study import Round, StudyInfo
from trainwright.report.numbers import plural
from trainwright.report.safe import prose
from trainwright.report.study_axes import Lane, lane_ticks, lanes, percentage
from trainwright.report.study_facts import move_phrase
from trainwright.report.study_parallel import thinned
from trainwright.report.study_slices import round_shade, tile_html
from trainwright.report.svg import STRETCH, picture, stretched, word
from trainwright.report.tables import html_table

_ROW, _BOX = 30, 18
_FOOT = 22


def boxes_html(info: StudyInfo) -> str:
    """Return one tile for each parameter, and the moves with their reasons as a table; "" without a round."""
    if not info.rounds:
        return ""
    tiles = "".join(_tile(lane, info, key=f"boxes-{place}") for place, lane in enumerate(lanes(info)))
    moves = [
        [str(move.round + 1), prose(move.name), move_phrase(move), prose(move.reason)]
        for move in info.moves
    ]  # fmt: skip
    reasons = html_table(["after round", "parameter", "move", "because"], moves, caption="Every move, with its reason")
    table = f'<div class="moves">{reasons}</div>' if moves else ""
    return (
        '<p class="quiet">Each box is the range of a round, each stroke a trial in it; dashed is the best value of '
        f'all.</p><div class="tiles boxed">{tiles}</div>{table}'
    )


def _tile(lane: Lane, info: StudyInfo, *, key: str) -> str:
    count = len(info.rounds)
    bottom = _ROW * count
    trials = thinned(info, len(info.rounds[0].space))
    parts: list[str] = []
    for place, one in enumerate(info.rounds):
        top = _ROW * place + (_ROW - _BOX) / 2
        parts.append(word("tick", "0", top + 13, f"round {one.number + 1}", anchor="end", shift=-8))
        axis = one.space.get(lane.name)
        if axis is not None:
            parts += _box(lane, axis, top, round_shade(place, count))
        values = [trial.values[lane.name] for trial in trials if trial.round == place and lane.name in trial.values]
        marks = dict.fromkeys(lane.place(value) for value in values)
        d = "".join(f"M{STRETCH * mark:.0f} 5v{_BOX - 10}" for mark in marks if mark is not None)
        path = f'<path class="mark-line" d="{d}"/>'
        parts.append(stretched(_BOX, [path], y=top))
        action = "start" if place == 0 else _action(info, one, lane)
        parts.append(word("tick", "100%", top + 13, action, anchor="start", shift=8))
    best = info.best
    at = None if best is None or lane.name not in best.values else lane.place(best.values[lane.name])
    if at is not None:
        x = percentage(at)
        parts.append(f'<line class="baseline strong" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>')
    parts.append(f'<line class="axis" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>')
    parts += lane_ticks(lane, bottom + 17, tile=True)
    title = f"ranges of {lane.told} over {plural(count, 'round')}"
    return tile_html(lane.told, picture(key, title, bottom + _FOOT, parts))


def _box(lane: Lane, axis: Axis, top: float, shade: int) -> list[str]:
    if lane.axis is not None and axis.scale != "choice":
        spans = [(lane.axis.place(axis.low), lane.axis.place(axis.high))]
    elif lane.axis is None and axis.scale == "choice":
        size = len(lane.choices)
        places = [lane.choices.index(value) for value in axis.choices]
        spans = [((place + 0.04) / size, (place + 0.96) / size) for place in places]
    else:
        return []  # the parameter was of another kind in this round
    return [
        f'<rect class="box s{shade}" x="{percentage(low)}" y="{top}" width="{percentage(max(high - low, 0.004))}" '
        f'height="{_BOX}"/>'
        for low, high in spans
    ]


def _action(info: StudyInfo, one: Round, lane: Lane) -> str:
    """Return what led to the range of this round."""
    moves = {move.name: move for move in one.moves}
    return moves[lane.name].action if lane.name in moves else ""
