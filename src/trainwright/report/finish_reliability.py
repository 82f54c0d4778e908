"""The reliability of probabilities: how often predictions of each confidence were right, as text and as a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records.ensemble import Bin
from trainwright.report.numbers import number, percent
from trainwright.report.study_axes import percentage
from trainwright.report.svg import STRETCH, picture, stretched, word
from trainwright.report.tables import html_table

_WIDE = 30
_TALL, _TOP, _FOOT = 240, 12, 26


def reliability_text(bins: Sequence[Bin]) -> list[str]:
    """Return a line for each bin that holds predictions: a bar for the share that was right, a mark at the confidence.

    Where the mark lies beyond the bar's end, predictions were surer than they were right.
    """
    lines = []
    for one, sure, right in _filled(bins):
        filled, mark = round(right * _WIDE), min(round(sure * _WIDE), _WIDE - 1)
        bar = ["█" if place < filled else "·" for place in range(_WIDE)]
        bar[mark] = "┃" if mark < filled else "│"
        told = f"{percent(sure)} sure, {percent(right)} right"
        lines.append(f"    {one.low:.2f}–{one.high:.2f}  {''.join(bar)}  {told}, {one.count:,}")
    return lines


def reliability_html(bins: Sequence[Bin], before: Sequence[Bin] = ()) -> str:
    """Return the drawing and its table; "" without bins. `before` are those without the temperature."""
    if not any(one.count for one in bins):
        return ""
    parts = [_grid()]
    parts += [
        f'<rect class="box s2" x="{percentage(one.low)}" width="{percentage(one.high - one.low)}" '
        f'y="{_height(right):.1f}" height="{_TALL - _height(right):.1f}"/>'
        for one, _, right in _filled(bins)
    ]
    parts.append(_diagonal())
    parts += _marks(bins, "mark-line")
    parts += _marks(before, "baseline")
    parts += [
        word("tick", percentage(tick), _TALL + 16, percent(tick), anchor="middle")
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    title = "share of right predictions over their confidence; on the diagonal probabilities mean what they say"
    drawing = picture("reliability", title, _TALL + _FOOT, parts)
    shown = [("final model", bins), ("without its temperature", before)] if before else [("final model", bins)]
    rows = [
        [name, f"{one.low:.2f} to {one.high:.2f}", f"{one.count:,}", percent(sure), percent(right)]
        for name, each in shown
        for one, sure, right in _filled(each)
    ]
    table = html_table(
        ["of", "confidence", "predictions", "mean confidence", "right"],
        rows,
        caption="Reliability by confidence",
        numeric=(2, 3, 4),
    )
    said = "Bars are the share of right predictions in each bin of confidence, strokes the bin's mean confidence"
    said += " (dashed: without the temperature)." if before else "."
    caption = f'<figcaption><p class="quiet">{said}</p></figcaption>'
    return f'<figure id="reliable">{caption}<div class="frame">{drawing}</div></figure>{table}'


def _filled(bins: Sequence[Bin]) -> list[tuple[Bin, float, float]]:
    """Return the bins that hold predictions, with their confidence and the share of right ones."""
    return [
        (one, one.confidence, one.accuracy) for one in bins if one.confidence is not None and one.accuracy is not None
    ]


def _height(share: float) -> float:
    return _TOP + (1 - share) * (_TALL - _TOP)


def _grid() -> str:
    lines = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _height(share)
        lines.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(word("tick", "0", y + 4, number(share), anchor="end", shift=-8))
    return "".join(lines)


def _diagonal() -> str:
    return stretched(_TALL, [f'<path class="baseline" d="M0 {_height(0.0):.0f}L{STRETCH} {_height(1.0):.0f}"/>'])


def _marks(bins: Sequence[Bin], style: str) -> list[str]:
    return [
        f'<line class="{style}" x1="{percentage(one.low)}" x2="{percentage(one.high)}" '
        f'y1="{_height(sure):.1f}" y2="{_height(sure):.1f}"/>'
        for one, sure, _ in _filled(bins)
    ]
