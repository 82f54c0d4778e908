"""One parameter's gradient beside the differences of the loss, and what is said of all of them together."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from trainwright.checks.gradcheck_judge import Probes, Terms, along_directions, judge
from trainwright.checks.gradcheck_losses import Losses
from trainwright.checks.gradcheck_plan import Sample, flattened
from trainwright.records.gradcheck import ParameterCheck, band_of


def compared(
    losses: Losses, name: str, gradient: torch.Tensor, sample: Sample, around: torch.Tensor, terms: Terms
) -> ParameterCheck:
    """Compare one parameter's sample of entries, `around` which the losses `(2, n)` are known, and its directions."""
    flat, scale = flattened(gradient), terms.scale
    places, directions = sample.places, sample.directions
    probes = judge(lambda which, sizes: losses.entries(name, places[which], sizes), around, flat[places], terms)
    worst = int(probes.error.argmax()) if len(places) else None
    error = float(probes.error[worst]) if worst is not None else 0.0
    check = ParameterCheck(
        name=name,
        shape=tuple(gradient.shape),
        relative_error=error,
        band=band_of(error, scale),
        entry=None,
        analytic=0.0,
        numeric=0.0,
        entries=len(places),
        total=len(flat),
        kinks=int(probes.kink.sum()),
        unconfirmed=int(probes.unsure.sum()),
        below_rounding=int(probes.tiny.sum()),
        directions=len(directions),
    )
    if worst is not None:
        check = dataclasses.replace(check, **_at(gradient, int(places[worst]), probes, worst))
    if len(directions) and check.band in ("sound", "acceptable"):
        wide, slope, seen = along_directions(
            lambda which, sizes: losses.along(name, directions, which, sizes), directions @ flat, terms
        )
        if wide > max(error, 1e-5 * scale):  # the fault is in some other entry than those of the sample
            check = dataclasses.replace(check, relative_error=wide, band=band_of(wide, scale))
            check = dataclasses.replace(check, entry=None, analytic=slope, numeric=seen, part="")
    if check.undecided and check.band in ("sound", "acceptable"):
        check = dataclasses.replace(check, band="suspect")
    return check


def _at(gradient: torch.Tensor, place: int, probes: Probes, which: int) -> dict[str, Any]:
    """Return the entry at a place of the flat real view, with both gradients there."""
    part = ""
    if gradient.is_complex():
        part, place = ("imaginary" if place % 2 else "real"), place // 2
    entry = []
    for size in reversed(gradient.shape):
        entry.append(place % size)
        place //= size
    return {
        "entry": tuple(reversed(entry)),
        "analytic": float(probes.analytic[which]),
        "numeric": float(probes.numeric[which]),
        "part": part,
    }


def method_of(losses: Losses, samples: dict[str, Sample]) -> str:
    """Return in words which entries were compared, and how."""
    drawn = any(len(sample.directions) for sample in samples.values())
    passes = (
        "one by one"
        if len(losses.refused) == len(samples)
        else "vectorised"
        if not losses.refused
        else "partly vectorised"
    )
    return f"{'a sample of entries and random directions' if drawn else 'every entry'}, {passes}"


def said_of(losses: Losses, found: dict[str, ParameterCheck]) -> list[str]:
    """Return notes: what could not be vectorised and why, and what could not be judged."""
    said = []
    by_reason: dict[str, list[str]] = {}
    for name, reason in losses.refused.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        whom = "the entries" if len(names) == len(losses.parameters) else f"the entries of {', '.join(names[:3])}"
        said.append(f"{whom} were passed one by one, for vectorising failed: {reason}")
    return said + [
        f"{each.name}: {each.unconfirmed} of {each.entries} entries lie at kinks, so it is not judged"
        for each in found.values()
        if each.undecided
    ]
