"""The other figures of a search: the best score against steps spent, importance, and a grid of as many points."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records.findings import Scalar
from trainwright.records.study import Importance, StudyInfo
from trainwright.report.axes import Axis, axis_for, tick_labels
from trainwright.report.numbers import number, plural
from trainwright.report.safe import markup, prose
from trainwright.report.study_axes import Lane, lane_name, lane_ticks, lanes, number_ticks, percentage
from trainwright.report.study_facts import importance_phrase, progress
from trainwright.report.study_grid import Comparison, compare
from trainwright.report.study_parallel import thinned
from trainwright.report.study_slices import tile_html
from trainwright.report.svg import STRETCH, height, picture, stretched, value_grid, word
from trainwright.report.tables import html_table
from trainwright.report.wrapping import clip

_TALL, _FOOT = 230, 22
_BAR_ROW, _BAR = 46, 12
_SQUARE = 240
_STRIP = 14
_SPECK = 0.005  # of the axis: a shorter whisker is a stain
_GRID = (
    '<p class="quiet">This search was a grid. Points that are drawn at random, or by Sobol, try a new value of each '
    "parameter every time.</p>"
)


def progress_html(info: StudyInfo) -> str:
    """Return the score of the best trial against the steps of all; "" before there is one."""
    points = progress(info)
    if not points:
        return ""
    up = axis_for([score for _, score in points], allow_log=True)
    assert up is not None
    across = Axis(low=0, high=max(points[-1][0], 1))
    d, before = "", None
    for step, score in points:
        x, y = STRETCH * across.place(step), height(up, score, 0, _TALL)
        d += f"M{x:.1f} {y:.1f}" if before is None else f"H{x:.1f}V{y:.1f}"
        before = score
    style, end = ("dots", "h0") if len(points) == 1 else ("line", "")
    line = f'<path class="{style}" d="{d}{end}"/>'
    y = height(up, points[-1][1], 0, _TALL)
    parts = [*value_grid(up, 0, _TALL, count=5), _floor(_TALL), *number_ticks(across, _TALL + 18)]
    parts.append(stretched(_TALL, [line]))
    parts.append(word("end-label", "100%", y + 4, f"best {number(points[-1][1])}", anchor="start", shift=8))
    title = "score of the best trial against the steps of all trials together"
    return (
        '<figure id="best-by-steps"><figcaption><p class="quiet">What the search would have answered, had it ended '
        "there: the best of the trials that had come furthest.</p></figcaption>"
        f'<div class="frame">{picture("progress", title, _TALL + _FOOT, parts)}</div></figure>'
    )


def importance_html(importance: Sequence[Importance]) -> str:
    """Return a bar for each parameter, with one standard deviation to either side; "" without."""
    if not importance:
        return ""
    parts = []
    bottom = _BAR_ROW * len(importance)
    for share in (0, 0.25, 0.5, 0.75, 1):
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        x = percentage(share)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>')
        parts.append(word("tick", x, bottom + 17, f"{100 * share:.0f} %", anchor=anchor))
    for place, one in enumerate(importance):
        y = _BAR_ROW * place + 22
        low, high = max(one.share - one.deviation, 0.0), min(one.share + one.deviation, 1.0)
        parts += lane_name(one.name, f": {importance_phrase(one)}", y - 6)
        parts.append(f'<rect class="bar" y="{y}" width="{percentage(min(max(one.share, 0.0), 1.0))}" height="{_BAR}"/>')
        middle = y + _BAR / 2
        x1, x2 = percentage(low), percentage(high)
        if high - low < _SPECK:
            continue
        parts.append(f'<line class="whisker" x1="{x1}" x2="{x2}" y1="{middle}" y2="{middle}"/>')
        parts += [
            f'<line class="whisker" x1="{x}" x2="{x}" y1="{middle - 4}" y2="{middle + 4}"/>' for x in (x1, x2)
        ]  # fmt: skip
    title = "share of each parameter in the variance of the score"
    return (
        '<figure id="shares"><figcaption><p class="quiet">Share of each parameter in the variance of the score, by '
        "functional ANOVA; whiskers are one standard deviation over resampled trials.</p></figcaption>"
        f'<div class="frame">{picture("importance", title, bottom + _FOOT, parts)}</div></figure>'
    )


def grid_html(info: StudyInfo, importance: Sequence[Importance]) -> str:
    """Return what was tested beside a grid of as many points: two axes as squares, and all of them counted."""
    points, axes = compare(info)
    if not axes:
        return ""
    tested = len({trial.configuration for trial in info.trials})
    head = ["parameter", "values tested", "values of the grid"]
    body = [[prose(one.name), number(len(one.tested)), number(len(one.grid))] for one in axes]
    caption = f"Distinct values: {plural(tested, 'configuration')} tested, a grid of {number(points)}"
    squares = _squares(info, axes, importance, points)
    told = _GRID if info.plan.sampler == "grid" else ""
    return f"{told}{squares}{html_table(head, body, caption=caption, numeric=(1, 2))}"


def _squares(info: StudyInfo, axes: Sequence[Comparison], importance: Sequence[Importance], points: int) -> str:
    """Return two squares over the two parameters that matter most: the trials' values, and the grid's."""
    weights = {one.name: one.share for one in importance}
    tested = len({trial.configuration for trial in info.trials})
    rows = {lane.name: lane for lane in lanes(info)}
    always = [one for one in axes if all(one.name in trial.values for trial in info.trials)]
    chosen = sorted(always, key=lambda one: -weights.get(one.name, 0.0))[:2]
    if len(chosen) < 2:
        return ""
    across, down = chosen
    order = thinned(info, 2)
    ran = [(trial.values[across.name], trial.values[down.name]) for trial in order]
    cells = [(one, other) for one in across.grid for other in down.grid]
    tiles = [
        _square(f"tested: {plural(tested, 'point')}", rows[across.name], rows[down.name], ran, key="square-tested"),
        _square(f"a grid of {number(points)} points", rows[across.name], rows[down.name], cells, key="square-grid"),
    ]
    told = "" if info.plan.sampler == "grid" else _repeated(across)
    return (
        f'<p class="quiet">{told}The strokes along the edges are the distinct values that each parameter was tried at: '
        f"across {markup(rows[across.name].told)}; upward {markup(rows[down.name].told)}.</p>"
        f'<div class="tiles pair">{"".join(tiles)}</div>'
    )


def _repeated(axis: Comparison) -> str:
    """Return what a grid of as many points would have spent on the parameter that matters most."""
    return (
        f"A grid of as many points, over the ranges of the first round, tries {markup(axis.name)} at "
        f"{plural(len(axis.grid), 'value')}; this search tried it at {number(len(axis.tested))}. Where one parameter "
        "decides, all other points of a grid are repetitions. "
    )


def _square(title: str, across: Lane, down: Lane, points: Sequence[tuple[Scalar, Scalar]], *, key: str) -> str:
    places = []
    for one, other in points:
        x, y = across.place(one), down.place(other)
        if x is not None and y is not None:
            places.append((STRETCH * x, _SQUARE * (1 - y)))
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in dict.fromkeys(places))
    below = "".join(f"M{x:.0f} {_SQUARE + 3}v{_STRIP - 5}" for x in dict.fromkeys(round(x) for x, _ in places))
    # The left strip stands beside the stretched drawing, so that its strokes keep their length.
    left = "".join(f"M-14 {y:.0f}h9" for y in dict.fromkeys(round(y) for _, y in places))
    paths = [f'<path class="dots part" d="{dots}"/>', f'<path class="mark-line" d="{below}"/>']
    parts = [
        f'<rect class="frame-line" width="100%" height="{_SQUARE}"/>',
        stretched(_SQUARE, paths),
        f'<path class="mark-line" d="{left}"/>',
        *lane_ticks(across, _SQUARE + _STRIP + 15, tile=True),
        *_upward(down),
    ]
    return tile_html(title, picture(key, title, _SQUARE + _STRIP + _FOOT, parts))


def _upward(lane: Lane) -> list[str]:
    """Return the tick labels of an axis that goes up, left of the strip."""
    if lane.axis is not None:
        ticks = lane.axis.ticks(4)
        labelled = list(zip([lane.axis.place(tick) for tick in ticks], tick_labels(ticks), strict=True))
    else:
        size = len(lane.choices)
        every = -(-size * 15 // _SQUARE)
        labelled = [
            ((place + 0.5) / size, clip(prose(str(value)), 5))
            for place, value in enumerate(lane.choices)
            if place % every == 0
        ]
    return [word("tick", "0", _SQUARE * (1 - at) + 4, label, anchor="end", shift=-18) for at, label in labelled]


def _floor(y: float) -> str:
    return f'<line class="axis" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
