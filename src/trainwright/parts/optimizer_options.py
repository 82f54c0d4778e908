"""What optimizers take: the options that several of them share, each number from `defaults`."""

from __future__ import annotations

import torch

from trainwright import defaults
from trainwright.defaults import Default
from trainwright.records import Option

Groups = list[dict]

_MOST_FORGETFUL = 0.999999
"""The largest coefficient of an average: one of 1 never forgets, and never leaves its start."""


def rate(number: Default) -> Option:
    """Return the option of a learning rate."""
    return Option(
        default=number.value,
        minimum=0.0,
        meaning="learning rate",
        source=said(number),
        log=True,
        minimum_excluded=True,
    )


def decay(number: Default | None = None) -> Option:
    """Return the option of the weight decay, off unless `number` says otherwise."""
    return Option(
        default=0.0 if number is None else number.value,
        minimum=0.0,
        meaning="weight decay, on weights alone: none on biases, normalisations and embeddings",
        source=said(defaults.WEIGHT_DECAY if number is None else number),
        log=True,
    )


def coefficient(number: Default, *, positive: bool = False) -> Option:
    """Return the option of an average's coefficient, from 0 (`positive`: above 0) to just below 1."""
    return Option(
        default=number.value,
        minimum=0.0,
        maximum=_MOST_FORGETFUL,
        meaning=number.meaning,
        source=said(number),
        minimum_excluded=positive,
    )


def count(number: Default, most: int) -> Option:
    """Return the option of a whole number from 1 to `most`."""
    return Option(default=int(number.value), minimum=1, maximum=most, meaning=number.meaning, source=said(number))


def said(number: Default) -> str:
    """Return who recommends a number, and who says otherwise."""
    return f"{number.source}; {number.disagreement}".rstrip("; ")


EPSILON = Option(
    default=defaults.ADAM_EPSILON.value,
    minimum=0.0,
    maximum=1.0,
    meaning="floor of the denominator",
    source=said(defaults.ADAM_EPSILON),
    log=True,
    minimum_excluded=True,
)
ADAM = {
    "beta1": coefficient(defaults.ADAM_BETA1),
    "beta2": coefficient(defaults.ADAM_BETA2),
    "epsilon": EPSILON,
}
"""What Adam and its relatives take beside the rate and the decay."""


def passes(groups: Groups) -> dict[str, bool]:
    """Return how torch is to go over the parameters: on a CPU each in a single pass, three times as fast."""
    parameters = [parameter for group in groups for parameter in group["params"]]
    devices = {parameter.device.type for parameter in parameters if parameter.is_floating_point()}
    if len(devices) != 1 or not all(parameter.is_floating_point() for parameter in parameters):
        return {}
    if devices == {"cpu"}:
        return {"fused": True}
    # Without data there is no single pass; one parameter after the other needs nearly as little memory.
    return {"foreach": False} if devices == {"meta"} and not torch.cuda.is_available() else {}
