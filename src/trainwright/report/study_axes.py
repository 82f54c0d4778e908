"""A parameter as an axis of a drawing: where its values lie over all rounds, and where its ticks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainwright.records.findings import Scalar
from trainwright.records.study import StudyInfo, Trial
from trainwright.report.axes import Axis, axis_for, tick_labels
from trainwright.report.numbers import number
from trainwright.report.safe import prose
from trainwright.report.study_facts import setting
from trainwright.report.svg import word
from trainwright.report.wrapping import clip, display_width

_LETTER = 7.3
"""Pixels of a letter of the 12 px font."""
_WHOLE = (("tick wide", 780.0), ("tick narrow", 270.0))
"""Pixels that the labels of a whole figure's axis share on a wide screen and on a telephone, each with its own."""
_TILE_ROOM = 190.0
_TILE = (("tick", _TILE_ROOM),)
"""The same for a tile, which is about as wide on any screen."""
_LARGEST = 700.0  # logarithm of about the largest float
_FAR = 3.0
"""Scores further above the best three quarters than so many times their range are drawn at the upper edge."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The axis of one parameter, over the ranges of all rounds together. One of `axis` and `choices` is given."""

    name: str
    axis: Axis | None = None
    choices: tuple[Scalar, ...] = ()
    whole: bool = False

    def place(self, value: Scalar) -> float | None:
        """Return where `value` lies, from 0 at the left to 1; None where it has no place here."""
        if self.axis is None:
            return (self.choices.index(value) + 0.5) / len(self.choices) if value in self.choices else None
        return self.axis.place(value) if isinstance(value, int | float) else None

    @property
    def told(self) -> str:
        """Return the name, and whether the axis is logarithmic."""
        return clip(prose(self.name), 48) + (", logarithmic" if self.axis is not None and self.axis.log else "")


def lanes(info: StudyInfo) -> list[Lane]:
    """Return the lane of each parameter that any round has, in their order."""
    made = []
    for name in dict.fromkeys(name for one in info.rounds for name in one.space):
        axes = [one.space[name] for one in info.rounds if name in one.space]
        kind = axes[-1].scale
        if kind == "choice":
            choices = dict.fromkeys(value for axis in axes if axis.scale == "choice" for value in axis.choices)
            made.append(Lane(name=name, choices=tuple(choices)))
            continue
        numeric = [axis for axis in axes if axis.scale != "choice"]
        low, high = min(axis.low for axis in numeric), max(axis.high for axis in numeric)
        log = kind == "log" and low > 0
        if high <= low:
            low, high = (low / 2, low * 2) if log else (low - (abs(low) or 1.0) / 2, low + (abs(low) or 1.0) / 2)
        made.append(Lane(name=name, axis=Axis(low=low, high=high, log=log), whole=numeric[-1].whole))
    return made


def lane_ticks(lane: Lane, y: float, *, tile: bool = False) -> list[str]:
    """Return the tick labels of a lane at height `y`, of a whole figure or of a tile."""
    if lane.axis is None:
        return _choice_ticks(lane.choices, y, _TILE if tile else _WHOLE)
    return number_ticks(lane.axis, y, whole=lane.whole, tile=tile)


def number_ticks(axis: Axis, y: float, *, whole: bool = False, tile: bool = False) -> list[str]:
    """Return the tick labels of an axis of numbers at height `y`; of a whole figure's, a narrow screen hides half."""
    ticks = axis.ticks(3 if tile else 6)
    if whole:
        ticks = [tick for tick in ticks if tick == round(tick)]
    labels = tick_labels(ticks)
    every = 2 if tile and sum(map(len, labels)) * _LETTER > _TILE_ROOM else 1
    parts = []
    for index, (tick, label) in enumerate(zip(ticks, labels, strict=True)):
        place = axis.place(tick)
        anchor = "start" if place < 0.03 else "end" if place > 0.97 else "middle"
        style = "tick minor" if index % 2 and not tile else "tick"
        if index % every == 0:
            parts.append(word(style, percentage(place), y, label, anchor=anchor))
    return parts


def lane_name(name: str, beside: str, y: float) -> list[str]:
    """Return a lane's name above it with what is said of it; a long name is cut where the screen is narrow."""
    texts = []
    for style, pixels in _WHOLE:
        letters = int(pixels / _LETTER)
        told = clip(beside, letters * 2 // 3)
        text = clip(prose(name), max(letters - display_width(told), 8)) + told
        texts.append((style.replace("tick", "lane-name"), text))
    if texts[0][1] == texts[1][1]:
        texts = [("lane-name", texts[0][1])]
    return [word(style, "0", y, text, anchor="start") for style, text in texts]


def _choice_ticks(choices: Sequence[Scalar], y: float, rooms: Sequence[tuple[str, float]]) -> list[str]:
    """Return the choices, cut to the room that each has: on a narrow screen not all of many can be named."""
    parts = []
    for style, pixels in rooms:
        letters = int(pixels / _LETTER)
        every = max(1, math.ceil(5 * len(choices) / max(letters, 1)))
        most = max(letters * every // len(choices) - 1, 3)
        texts = [clip(setting(value), most) for value in choices]
        if len(set(texts)) < len(texts):  # alike at their beginning, so told apart by their end
            texts = [_end(setting(value), most) for value in choices]
        for place, text in enumerate(texts):
            if place % every == 0:
                at = (place + 0.5) / len(choices)
                half = display_width(text) * _LETTER / 2 / pixels
                anchor = "start" if at < half else "end" if at > 1 - half else "middle"
                x = 0.0 if anchor == "start" else 1.0 if anchor == "end" else at
                parts.append(word(style, percentage(x), y, text, anchor=anchor))
    return parts


def _end(text: str, width: int) -> str:
    return text if display_width(text) <= width else f"…{clip(text[::-1], width)[:-1][::-1]}"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The axis of the score. Above `cut` a score is drawn at the edge: a few that diverged would flatten the rest."""

    axis: Axis
    cut: float | None

    @property
    def remark(self) -> str:
        """Return what the drawing leaves out."""
        return "" if self.cut is None else f"Scores above {number(self.cut, digits=3)} are drawn at that edge."


def scores_axis(trials: Sequence[Trial]) -> Scores | None:
    """Return the axis of the last scores, None where no trial has one."""
    scores = sorted(trial.score for trial in trials if trial.score is not None and math.isfinite(trial.score))
    if not scores:
        return None
    axis = axis_for(scores, allow_log=True)
    assert axis is not None
    best, upper = scores[0], scores[(3 * len(scores)) // 4]
    far = upper + _FAR * (upper - best)
    if axis.log:
        # In logarithms, for the quotient alone may be more than a float can hold.
        log = math.log(upper) + _FAR * (math.log(upper) - math.log(best))
        far = math.exp(log) if log < _LARGEST else math.inf
    if best < upper and math.isfinite(far) and scores[-1] > far:
        kept = [score for score in scores if score <= far]
        inner = axis_for([*kept, far], allow_log=axis.log)
        assert inner is not None
        return Scores(axis=inner, cut=inner.high)
    return Scores(axis=axis, cut=None)


def score_of(trial: Trial) -> float | None:
    """Return the last score of a trial that did not fail."""
    usable = trial.status != "failed" and trial.score is not None and math.isfinite(trial.score)
    return trial.score if usable else None


def percentage(place: float) -> str:
    """Return a place in [0, 1] as SVG writes it."""
    return f"{100 * place:.2f}%"
