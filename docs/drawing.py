"""The pictures of the reference, drawn from the numbers in pictures.json: nothing is trained here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.doctor.kind import Kind
from trainwright.report.curves import Curve
from trainwright.report.numbers import number
from trainwright.report.pair_plot import Certain, Name, Twin, pair_svg

FOLDER = Path(__file__).parent / "reference" / "pictures"
NUMBERS = FOLDER / "pictures.json"
LINEAR = ("learning rate",)
"""Quantities that are drawn on a linear axis however far they reach, as in a report."""
STEP = "optimizer step"
LOG = ", logarithmic"
TWINS: tuple[Name, ...] = ("sick", "healed")

Picture = Mapping[str, Any]


def read() -> dict[str, Picture]:
    """Return what is known of each picture, by code: the program, task and seed, the versions, and the numbers."""
    return json.loads(NUMBERS.read_text(encoding="utf-8")) if NUMBERS.is_file() else {}


def written(pictures: Mapping[str, Picture]) -> str:
    """Return the text of pictures.json: a line for each fact, so that a change can be read."""
    blocks = []
    for code, picture in sorted(pictures.items()):
        rows = [f'  "{name}": {json.dumps(value, separators=(",", ":"))}' for name, value in picture.items()]
        blocks.append(f'"{code}": {{\n' + ",\n".join(rows) + "\n}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def checksum(picture: Picture) -> str:
    """Return the SHA-256 of the numbers of a picture, as they are written."""
    numbers = json.dumps([picture.get("certain"), *(picture[name] for name in TWINS)], separators=(",", ":"))
    return hashlib.sha256(numbers.encode()).hexdigest()


def plain(curve: Curve) -> list[list[float | None]]:
    """Return a curve as it is written: its steps, and its values to four digits, null where one is not finite."""
    values = [float(f"{value:.4g}") if math.isfinite(value) else None for value in curve.values]
    return [list(curve.steps), values]


def svg(kind: Kind, picture: Picture) -> str:
    """Return the drawing of a picture."""
    sick, healed = (_twin(name, picture[name]) for name in TWINS)
    certain = None
    if picture["certain"] is not None:
        certain = Certain(code=kind.code, severity=picture["severity"], step=picture["certain"])
    quantity = picture["quantity"]
    linear = quantity in LINEAR or picture.get("linear", False)
    by, dots = picture.get("by", STEP), picture.get("dots", False)
    return pair_svg(kind.title, quantity, sick, healed, certain, allow_log=not linear, by=by, dots=dots)


def section(kind: Kind, picture: Picture | None) -> str:
    """Return what the page of a kind says of its picture; where the curves do not show it, that; else nothing."""
    if picture is None:
        return ""
    again = f"`python -m docs.pictures {kind.code}` runs both again."
    if "shows" in picture:
        return _shown(kind, picture, again)
    named = f"[`{picture['program']}`](../../ward/fitting/{picture['program']}.py)"
    sick, healed = (picture["scores"][name] for name in TWINS)
    scores = "" if sick is None or healed is None else f" Held-out score: {number(sick)} sick, {number(healed)} healed."
    if "none" in picture:
        where = f"{named}, task `{picture['task']}`, seed {picture['seed']}"
        return f"No picture: {picture['none']} ({where}).{scores} {again}\n\n"
    smoothed = f", each step faint, its mean over about the last {picture['span']} bold" if picture["span"] else ""
    dot = "" if picture["certain"] is None else " The dot is the step at which the finding became certain."
    dot = dot if picture["found"] else " The doctor does not name it in this run."
    return (
        f"![{kind.title}: the {picture['quantity']} of a sick run and of its healed twin](pictures/{kind.code}.svg)\n\n"
        f"*The {picture['quantity']} of {named} (task `{picture['task']}`, seed {picture['seed']}), as it is and with "
        f"its fault mended{smoothed}.{dot}{scores} {again}*\n\n"
    )


def _shown(kind: Kind, picture: Picture, again: str) -> str:
    """Return what the page says of the picture of a program that shows one kind."""
    named = f"[`{picture['program']}`](../shown/{picture['program']}.py)"
    what = f"{picture['quantity'].removesuffix(LOG)} by {picture['by'].removesuffix(LOG)}"
    dot = "" if picture["certain"] is None else " The dot is the step at which the finding became certain."
    if picture["named"] != kind.kind:
        other = f"In this run the doctor names `{picture['named']}`, which explains it."
        dot = f" {other}" if picture["named"] else " The doctor does not name it in this run."
    varies = " Its seconds are another machine's on another day." if picture["varies"] else ""
    return (
        f"![{kind.title}: {what}, of a sick program and of its healed twin. {picture['shows']}]"
        f"(pictures/{kind.code}.svg)\n\n"
        f"*{what[0].upper()}{what[1:]}, of {named} as it is and with its fault mended. {picture['shows']}{dot}{varies} "
        f"{again}*\n\n"
    )


def _twin(name: Name, numbers: Mapping[str, Any]) -> Twin:
    mean = numbers.get("mean")
    return Twin(name=name, each=_curve(numbers["each"]), mean=_curve(mean) if mean else None)


def _curve(numbers: list[list[float | None]]) -> Curve:
    steps, values = numbers
    read = tuple(math.nan if value is None else value for value in values)
    return Curve(steps=tuple(step or 0 for step in steps), values=read, total=len(read))
