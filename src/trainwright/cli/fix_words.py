"""What `run --fix` says, on standard error: a patch as a diff, and what came of it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence

from trainwright.healing.patch import SourcePatch
from trainwright.healing.verdict import Trial, Verdict
from trainwright.report.safe import visible
from trainwright.report.signs import BOLD, DIM, paint
from trainwright.report.sparkline import sparkline

_RED, _GREEN, _BLUE = "31", "32", "36"


def show(patch: SourcePatch) -> None:
    """Print the diff of a patch."""
    finding, color = patch.finding, in_color()
    say("\n" + paint(f"{finding.code} {finding.title}", BOLD, color=color) + f": {patch.text}\n")
    for line in patch.diff(short_name(patch.file)):
        style = _RED if line[:1] == "-" else _GREEN if line[:1] == "+" else _BLUE if line[:1] == "@" else ""
        text = visible(line, keep="\t")
        say("  " + (paint(text, style, color=color) if style else text))


def report(patch: SourcePatch, before: Trial, after: Trial, verdict: Verdict) -> None:
    """Say what became of the finding and of the loss."""
    code, color = patch.finding.code, in_color()
    said = {
        True: f"{code} is gone",
        False: f"{code} is still there",
        None: f"whether {code} is gone takes more than these steps to tell",
    }[verdict.gone]
    say(f"\n  finding  {said}")
    if after.failed:
        say(f"  program  it failed once it was mended:\n{_indented(after.failed)}")
    curves = [losses[: verdict.steps] for losses in (before.losses, after.losses)]
    numbers = [loss for losses in curves for loss in losses]
    for name, losses in zip(("before", "after"), curves, strict=True):
        if losses:
            line = _curve(losses, numbers if patch.loss_factor == 1 else losses)
            say(f"  loss     {name:<7}{line}  {losses[0]:.4g} -> {_end(losses):.4g} in {len(losses)} steps")
        else:
            say(f"  loss     {name:<7}no steps were seen")
    if patch.loss_factor is None:
        say("  loss     it is another quantity now, and cannot be compared with what it was")
    elif patch.loss_factor != 1:
        say(f"  loss     after is {patch.loss_factor:.4g} of before by its definition; compared without that")
    style = {"helped": _GREEN, "worse": _RED}.get(verdict.outcome, DIM)
    say(f"  verdict  {paint(verdict.outcome, BOLD, style, color=color)}")


def _curve(losses: Sequence[float], beside: Sequence[float]) -> str:
    """Return a curve on the scale of all the losses `beside`, a logarithmic one where none of them is below zero."""
    finite = [loss for loss in beside if math.isfinite(loss)]
    if not finite or min(finite) > 0:
        finite = [math.log(loss) for loss in finite]
        losses = [math.log(loss) if loss > 0 else math.nan for loss in losses]
    return sparkline(losses, low=min(finite, default=0.0), high=max(finite, default=0.0))


def _end(losses: Sequence[float]) -> float:
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def _indented(text: str) -> str:
    return "\n".join(f"           {visible(line)}" for line in text.splitlines())


def short_name(file: str) -> str:
    """Return a file's name from here, where it lies below."""
    try:
        short = os.path.relpath(file)
    except ValueError:  # another drive
        return file
    return file if short.startswith("..") else short


def in_color() -> bool:
    """Say whether standard error is a terminal that wants colours."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """Print a line, or several."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
