"""From the options of an entry to its `Schedule`: the shape, and the places in the run that a reader wants to see."""

from __future__ import annotations

from functools import partial

from trainwright.parts import schedule_shapes as shapes
from trainwright.parts.schedule_form import Schedule, Shape
from trainwright.parts.schedule_plateau import Plateau

_MOST_MARKS = 20


def constant(*, warmup: float) -> Schedule:
    """The full rate."""
    return Schedule(body=shapes.constant, warmup=warmup)


def step(*, every: float, factor: float, warmup: float) -> Schedule:
    """Drops each time the share `every` of the run has passed."""
    drops = [number * every for number in range(1, _MOST_MARKS + 1) if number * every < 1 - 1e-9]
    body = partial(shapes.step, every=every, factor=factor, warmup=warmup)
    return Schedule(body=body, warmup=warmup, marks=tuple((place, "drop") for place in drops))


def multistep(*, at: tuple[float, ...], factor: float, warmup: float) -> Schedule:
    """Drops at the places `at`."""
    body = partial(shapes.multistep, at=tuple(at), factor=factor, warmup=warmup)
    return Schedule(body=body, warmup=warmup, marks=tuple((place, "drop") for place in at[:_MOST_MARKS]))


def exponential(*, final: float, warmup: float) -> Schedule:
    """Falls by the same factor at every step, to `final`."""
    return Schedule(body=partial(shapes.exponential, final=final), warmup=warmup)


def linear(*, floor: float, warmup: float) -> Schedule:
    """Falls in a straight line to `floor`."""
    return polynomial(power=1.0, floor=floor, warmup=warmup)


def polynomial(*, power: float, floor: float, warmup: float) -> Schedule:
    """Falls along a power of what is left of the run, to `floor`."""
    return Schedule(body=partial(shapes.polynomial, power=power, floor=floor), warmup=warmup)


def cosine(*, floor: float, warmup: float) -> Schedule:
    """Falls along half a cosine to `floor`."""
    return Schedule(body=partial(shapes.cosine, floor=floor), warmup=warmup)


def one_cycle(
    *,
    rise: float,
    start_divisor: float,
    final_divisor: float,
    cycle_momentum: bool,
    high_momentum: float,
    low_momentum: float,
    warmup: float,
) -> Schedule:
    """Rises from 1 / start_divisor to the full rate, falls to the start over final_divisor; momentum the other way."""
    start = 1 / start_divisor
    momentum = partial(shapes.inverse_momentum, rise=rise, high=high_momentum, low=low_momentum)
    return Schedule(
        body=partial(shapes.one_cycle, rise=rise, start=start, end=start / final_divisor),
        warmup=warmup,
        momentum_body=momentum if cycle_momentum else None,
        marks=((warmup + rise * (1 - warmup), "peak"),),
    )


def cosine_restarts(*, cycles: int, growth: float, floor: float, warmup: float) -> Schedule:
    """Falls along half a cosine in each cycle, and starts again at the full rate."""
    ends = shapes.cycle_ends(cycles, growth)
    return _cyclic(partial(shapes.restarts, ends=ends, floor=floor), ends, warmup)


def cyclic(*, cycles: int, floor: float, swing_factor: float, warmup: float) -> Schedule:
    """Rises and falls in straight lines, cycle after cycle."""
    ends = shapes.cycle_ends(cycles, 1.0)
    return _cyclic(partial(shapes.triangles, ends=ends, floor=floor, swing_factor=swing_factor), ends, warmup)


def _cyclic(body: Shape, ends: tuple[float, ...], warmup: float) -> Schedule:
    in_the_run = (*(warmup + end * (1 - warmup) for end in ends[:-1]), 1.0)
    marks = tuple((end, f"cycle {number} begins") for number, end in enumerate(in_the_run[:-1], start=2))
    return Schedule(body=body, warmup=warmup, marks=marks[:_MOST_MARKS], cycle_ends=in_the_run)


def wsd(*, decay: float, shape: str, floor: float, warmup: float) -> Schedule:
    """Stays at the full rate until the last share `decay` of the whole run."""
    share = min(decay / (1 - warmup), 1.0)
    body = partial(shapes.stable_decay, share=share, shape=shape, floor=floor)
    return Schedule(body=body, warmup=warmup, marks=((1 - decay, "decay begins"),))


def plateau(*, factor: float, patience: int, threshold: float, cooldown: int, floor: float, warmup: float) -> Schedule:
    """Stays at the full rate, which evaluations may lower."""
    watch = Plateau(factor=factor, patience=patience, threshold=threshold, cooldown=cooldown, floor=floor)
    return Schedule(body=shapes.constant, warmup=warmup, plateau=watch)
