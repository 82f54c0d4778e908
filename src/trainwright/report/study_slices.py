"""Slices: the score against each parameter on its own axis, each round in its own shade, failures above."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Trial
from trainwright.records.study import StudyInfo
from trainwright.report.numbers import plural
from trainwright.report.safe import markup
from trainwright.report.study_axes import Lane, Scores, lane_ticks, lanes, percentage, score_of, scores_axis
from trainwright.report.study_parallel import RAMP, drawn_phrase, remark, thinned
from trainwright.report.svg import STRETCH, height, picture, stretched, value_grid

_HEIGHT = 170
_GUTTER = 18
_FOOT = 22


def slices_html(info: StudyInfo) -> str:
    """Return one tile for each parameter; "" where there is no score."""
    rows, up = lanes(info), scores_axis([trial for trial in info.trials if score_of(trial) is not None])
    if up is None or not rows:
        return ""
    drawn = thinned(info, len(rows))
    tiles = "".join(_tile(lane, info, drawn, up, key=f"slice-{place}") for place, lane in enumerate(rows))
    failed = sum(trial.status == "failed" for trial in info.trials)
    told = [drawn_phrase(info, drawn), up.remark]
    told.append(f"{plural(failed, 'failed trial')}: strokes in the strip above each drawing." if failed else "")
    sizes = "Large dots were trained for the whole budget, small ones were pruned before." if _has_pruned(info) else ""
    below = remark(" ".join(filter(None, told)))
    return f'<p class="quiet">{sizes}</p>{rounds_legend(info)}<div class="tiles">{tiles}</div>{below}'


def round_shade(place: int, count: int) -> int:
    """Return the shade of a round: later ones are stronger."""
    return 0 if count < 2 else round((RAMP - 3) * (count - 1 - place) / (count - 1))


def rounds_legend(info: StudyInfo) -> str:
    """Return the shades of the rounds; "" where there is one round."""
    count = len(info.rounds)
    if count < 2:
        return ""
    places = range(count) if count <= RAMP else (0, count - 1)
    cells = "".join(
        f'<span><span class="shade s{round_shade(place, count)}"></span> round {place + 1}</span>' for place in places
    )
    return f'<p class="ramp spaced">{cells}</p>'


def _tile(lane: Lane, info: StudyInfo, drawn: Sequence[Trial], up: Scores, *, key: str) -> str:
    count, top, bottom = len(info.rounds), _GUTTER, _GUTTER + _HEIGHT
    pruned = _has_pruned(info)
    dots: dict[tuple[int, bool], list[str]] = {}
    lost: list[str] = []
    for trial in drawn:
        place = lane.place(trial.values[lane.name]) if lane.name in trial.values else None
        score = score_of(trial)
        if place is None:
            continue
        place += _aside(lane, trial.round, count)
        if score is None:
            if trial.status == "failed":
                lost.append(f"M{STRETCH * place:.0f} 2v9")
            continue
        y = height(up.axis, score, top, bottom)
        whole = trial.status == "finished" and pruned
        dots.setdefault((min(trial.round, count - 1), whole), []).append(f"M{STRETCH * place:.0f} {y:.0f}h0")
    paths = [
        f'<path class="dots {"whole" if whole else "part"} s{round_shade(place, count)}" d="{"".join(each)}"/>'
        for (place, whole), each in sorted(dots.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    if lost:
        paths.append(f'<path class="failure" d="{"".join(lost)}"/>')
    parts = [f'<rect class="gutter" width="100%" height="{_GUTTER - 5}"/>'] if lost else []
    parts += value_grid(up.axis, top, bottom, count=4)
    parts += [f'<line class="axis" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>']
    parts += [*lane_ticks(lane, bottom + 17, tile=True), stretched(bottom, paths), _winner(lane, info, up, top, bottom)]
    title = f"score against {lane.told}, {plural(len(drawn), 'trial')}"
    return tile_html(lane.told, picture(key, title, bottom + _FOOT, parts))


def tile_html(title: str, content: str) -> str:
    """Return a small figure beside others."""
    head = f"<figcaption><h3>{markup(title)}</h3></figcaption>"
    return f'<figure class="tile">{head}<div class="frame">{content}</div></figure>'


def _has_pruned(info: StudyInfo) -> bool:
    return any(trial.status == "pruned" for trial in info.trials)


def _aside(lane: Lane, place: int, count: int) -> float:
    """Return how far aside the trials of a round stand at a choice, where they would hide those of other rounds."""
    return 0.5 * ((min(place, count - 1) + 0.5) / count - 0.5) / len(lane.choices) if lane.choices else 0.0


def _winner(lane: Lane, info: StudyInfo, up: Scores, top: float, bottom: float) -> str:
    best = info.best
    place = None if best is None or lane.name not in best.values else lane.place(best.values[lane.name])
    if best is None or best.score is None or place is None:
        return ""
    place += _aside(lane, best.round, len(info.rounds))
    y = height(up.axis, best.score, top, bottom)
    return f'<circle class="winner" cx="{percentage(place)}" cy="{y:.1f}" r="7"/>'
