"""A gradient check in the terminal, parameter by parameter, and its error over the step size as a curve."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainwright.records import Severity
from trainwright.records.gradcheck import BANDS, GradientCheck, ParameterCheck, SweepPoint, Verdict
from trainwright.report.axes import Axis
from trainwright.report.braille import draw
from trainwright.report.curves import Curve
from trainwright.report.numbers import number, percent, plural
from trainwright.report.safe import markup, prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, Sign, paint
from trainwright.report.wrapping import clip, display_width

_ROWS, _COLUMNS = 10, 60
_MARGIN = 8
_SEVERITY: dict[Verdict, Severity] = {"acceptable": "note", "suspect": "warning", "wrong": "error"}
_HEAD = ("parameter", "relative error", "worst entry", "by backward", "by differences", "compared", "")
_WIDE, _TALL, _LEFT, _TOP = 640, 360, 70, 30


def render_gradcheck(check: GradientCheck, *, color: bool = False, width: int = 100) -> str:
    """Return the verdict, a table of all parameters with the worst first, the curve where there is one, and notes."""
    sign = _sign(check.verdict)
    share = f"{percent(check.confidence)} of faults in a twentieth of a tensor's entries show"
    facts = [f"h = {check.h:g}", check.precision, plural(check.samples, "sample"), check.method]
    facts += [share] if check.confidence < 1 else []
    facts += [f"{percent(check.kink_share)} set aside at kinks"] if check.kink_share else []
    head = f"the gradient is {check.verdict}: relative error {_error(check.max_relative_error)} at most"
    off = [each for each in check.parameters.values() if each.band == "suspect"]
    if check.verdict == "suspect" and all(each.undecided for each in off):
        names = ", ".join(prose(each.name) for each in off[:4]) + (" and more" if len(off) > 4 else "")
        head = f"the gradient is not judged for {names}, at kinks; elsewhere its relative error is "
        head += f"{_error(check.max_relative_error)} at most"
    blocks = [
        f"{paint(sign.shape, sign.ansi, color=color)} {paint(head, BOLD, sign.ansi, color=color)}\n"
        f"  {paint(clip(', '.join(facts), width - 2), DIM, color=color)}",
        _table(check, color=color, width=width),
    ]
    if check.sweep:
        blocks.append(render_sweep(check.sweep, color=color, width=width))
    said = [f"{name}: {reason}" for name, reason in check.left_out.items()]
    blocks += ["\n".join(f"  note: {prose(note)}" for note in [*check.notes, *said])] if check.notes or said else []
    return "\n\n".join(blocks)


def render_sweep(sweep: Sequence[SweepPoint], *, color: bool = False, width: int = 100) -> str:
    """Return the error over h as a curve on two logarithmic axes: truncation at the right, rounding at the left."""
    up, across, curve = _axes(sweep)
    best = min(sweep, key=lambda point: point.relative_error)
    columns = max(20, min(width - _MARGIN - 2, _COLUMNS))
    picture = draw(curve, across, up, columns=columns, rows=_ROWS)
    labels = [f"{up.high:.0e}", *[""] * (_ROWS - 2), f"{up.low:.0e}"]
    first, last = f"{sweep[-1].h:.0e}", f"{sweep[0].h:.0e}"
    title = f"relative error over h, least {best.relative_error:.1e} at h = {best.h:.0e}"
    return "\n".join(
        [
            f"  {paint(clip(title, width - 2), DIM, color=color)}",
            *(f"{label:>{_MARGIN}} ┤{row}" for label, row in zip(labels, picture, strict=True)),
            f"{'':>{_MARGIN}} └{'─' * columns}",
            f"{'':>{_MARGIN}}  {first}{last:>{columns - len(first)}}",
        ]
    )


def sweep_svg(check: GradientCheck) -> str:
    """Return the curve of a sweep as an SVG that needs nothing else; the verdicts' bands are drawn as lines."""
    up, across, curve = _axes(check.sweep)
    right, bottom = _WIDE - 20, _TALL - 45

    def place(h: float, error: float) -> tuple[float, float]:
        return _LEFT + across.place(h) * (right - _LEFT), bottom - up.place(error) * (bottom - _TOP)

    parts = []
    for exponent in range(-12, 0, 2):
        x, _ = place(10.0**exponent, up.low)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">1e{exponent}</text>')
    for exponent in range(math.ceil(math.log10(up.low)), math.floor(math.log10(up.high)) + 1, 2):
        _, y = place(across.low, 10.0**exponent)
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{exponent}</text>')
    for verdict, most in BANDS:
        if up.low <= most <= up.high:
            _, y = place(across.low, most)
            parts.append(
                f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" stroke-dasharray="4 4"/>'
                f'<text x="{right}" y="{y - 4:.1f}" text-anchor="end" fill="#666">{verdict} below</text>'
            )
    points = [" ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in each)) for each in curve.segments()]
    parts += [f'<polyline points="{each}" fill="none" stroke="#0072B2" stroke-width="2"/>' for each in points]
    title = f"Relative error of the numeric gradient over the step h: {check.verdict}"
    middle = (_LEFT + right) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_WIDE} {_TALL}" font-size="12" '
        f'font-family="system-ui, sans-serif"><title>{markup(title)}</title><rect width="100%" height="100%" '
        f'fill="white"/><text x="{_LEFT}" y="18" font-weight="bold">{markup(title)}</text>{"".join(parts)}'
        f'<text x="{middle}" y="{_TALL - 8}" text-anchor="middle">step h</text></svg>'
    )


def sweep_html(check: GradientCheck) -> str:
    """Return a page with the curve and the table, which needs nothing else."""
    table = markup(render_gradcheck(check, width=160), keep="\n")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Gradient check</title></head>'
        f'<body style="max-width:70rem;margin:2rem auto;font-family:system-ui,sans-serif"><h1>Gradient check</h1>'
        f'{sweep_svg(check)}<pre style="overflow-x:auto">{table}</pre></body></html>\n'
    )


def _axes(sweep: Sequence[SweepPoint]) -> tuple[Axis, Axis, Curve]:
    points = sorted((point.h, point.relative_error if point.relative_error > 0 else math.nan) for point in sweep)
    finite = [error for _, error in points if math.isfinite(error)] or [1e-12]
    up = Axis(low=min(min(finite), 1e-11), high=max(*finite, 1.0), log=True)
    across = Axis(low=points[0][0], high=points[-1][0], log=True)
    steps, values = tuple(h for h, _ in points), tuple(error for _, error in points)
    return up, across, Curve(steps=steps, values=values, total=len(points))


def _table(check: GradientCheck, *, color: bool, width: int) -> str:
    ordered = sorted(check.parameters.values(), key=lambda each: -each.relative_error)
    rows = [_row(each) for each in ordered]
    sizes = [max(display_width(row[place]) for row in [_HEAD, *rows]) for place in range(len(_HEAD))]
    lines = [paint(clip(f"    {_aligned(_HEAD, sizes)}", width), DIM, color=color)]
    for each, row in zip(ordered, rows, strict=True):
        sign = _sign(each.band)
        lines.append(f"  {paint(sign.shape, sign.ansi, color=color)} {clip(_aligned(row, sizes), width - 4)}")
    return "\n".join(lines)


def _row(each: ParameterCheck) -> tuple[str, ...]:
    entry = "-" if each.entry is None else str(list(each.entry)) + (f" {each.part}" if each.part else "")
    compared = f"{each.entries:,} of {each.total:,}" if each.entries < each.total else f"{each.total:,}"
    kinks = f"{plural(each.kinks, 'kink')} set aside" if each.kinks else ""
    nothing = not each.entries and not each.directions
    return (
        prose(each.name),
        "-" if nothing else _error(each.relative_error),
        entry,
        number(each.analytic),
        number(each.numeric),
        compared,
        f"{each.band}{', not judged' if each.undecided else ''}{f' ({kinks})' if kinks else ''}",
    )


def _aligned(row: Sequence[str], sizes: Sequence[int]) -> str:
    cells = [f"{row[0]:<{sizes[0]}}", *(f"{cell:>{size}}" for cell, size in zip(row[1:-1], sizes[1:-1], strict=True))]
    return "   ".join([*cells, row[-1]]).rstrip()


def _error(error: float) -> str:
    return f"{error:.1e}" if math.isfinite(error) else number(error)


def _sign(verdict: Verdict) -> Sign:
    severity = _SEVERITY.get(verdict)
    return HEALTHY if severity is None else SIGNS[severity]
