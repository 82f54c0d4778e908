"""The command `gradcheck`: the gradient of a model beside differences, as a table, a curve and a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.errors import RunError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from trainwright.checks.subject import Subject

_WIDEST = 120


def run(
    console: Console,
    document: dict[str, Any],
    subject: Subject,
    *,
    sweep: bool = False,
    h: float = 1e-5,
    parameters: Sequence[str] = (),
    plot: Path | None = None,
) -> None:
    """Check the gradient of a subject; fill `document`. A wrong or suspect gradient is a finding."""
    from trainwright.checks.gradcheck import examined
    from trainwright.checks.gradients import findings_of
    from trainwright.records import to_plain
    from trainwright.report.gradcheck_text import render_gradcheck, sweep_html, sweep_svg

    if plot is not None and plot.suffix not in (".html", ".svg"):
        raise UsageError(f"{plot} is no place for a plot", remedy="choose a name that ends in .html or .svg")
    with console.status("comparing gradients", spinner="dots"):
        check = examined(
            *(subject.model, subject.loss, subject.x, subject.y),
            h=h,
            parameters=list(parameters) or None,
            sweep=sweep or plot is not None,
            seed=subject.seed,
        )
    text = render_gradcheck(check, color=console.color_system is not None, width=min(console.width, _WIDEST))
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    document.update(check.to_json())
    document["findings"] = to_plain(findings_of(check), strict=True)
    if plot is not None:
        _write(plot, sweep_svg(check) if plot.suffix == ".svg" else sweep_html(check))


def _write(plot: Path, text: str) -> None:
    try:
        plot.parent.mkdir(parents=True, exist_ok=True)
        plot.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise RunError(
            f"the plot {plot} cannot be written",
            evidence=problem.strerror or str(problem),
            remedy="choose another --plot",
        ) from None
