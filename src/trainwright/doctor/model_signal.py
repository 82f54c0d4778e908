"""The size of the signal on its way through the layers, and of the gradient on its way back, before anything is learnt.

Sources: G2, chapter 1; G3.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from trainwright.doctor.kinds_start import ACTIVATIONS_CHANGE_SCALE_WITH_DEPTH
from trainwright.doctor.loop_seen import loop_of, place
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, LayerStats, Location, Remedy

DEPTH_RATIO = 1e3
"""Largest over smallest size of the signal among layers of one type."""
GRADIENT_RATIO = 1e4
"""The same for gradients: torch's own initialisation costs 2.4 a layer of ReLU, which ten layers survive."""
LEAST_LAYERS = 4
TREND = 0.8
"""Correlation of the logarithm of the size with the depth: one layer of another size is no matter of depth."""
SIGNAL, GRADIENT = "size of the activations", "size of the gradient"
_WEIGHTED = ("Linear", "Bilinear", "Conv1d", "Conv2d", "Conv3d")

_Layer = TypeVar("_Layer")
Sizes = Sequence[tuple[str, float]]
"""Of each layer in order: its path, and a size."""


def scale_with_depth(chart: Chart) -> Finding | None:
    """Judge the first measurement of a foreign loop; the gradient is that of the weights, in parts of them."""
    first = [layer for layer in chart.layers if layer.step == 0 and layer.kind in _WEIGHTED]
    chain = most_frequent([(layer.kind, layer) for layer in first])
    forward = [(layer.module, layer.std) for layer in chain]
    backward = [(layer.module, _relative(layer)) for layer in chain]
    loop = loop_of(chart)
    called = next((layer.where for layer in chain), Location())
    for what, sizes in ((SIGNAL, forward), (GRADIENT, backward)):
        finding = steady_change(what, sizes)
        if finding is not None:
            wheres = (chart.info.where("model.init"), loop.backward_where if what is GRADIENT else called, called)
            return replace(finding, where=replace(place(*wheres), module=finding.where.module), step=0)
    return None


def most_frequent(layers: Sequence[tuple[str, _Layer]]) -> list[_Layer]:
    """Return the layers whose sizes are compared, of (type, layer): the most frequent type, without the very last."""
    kinds = [kind for kind, _ in layers[:-1]]
    most = max(kinds, key=kinds.count, default="")
    return [layer for kind, layer in layers[:-1] if kind == most]


def steady_change(what: str, sizes: Sizes) -> Finding | None:
    """Find that sizes grow or shrink steadily with depth, by more than layers can make up for."""
    # Exactly zero are branches that begin closed: a matter of choice, not of depth.
    known = [(module, size) for module, size in sizes if size > 0 and math.isfinite(size)]
    if len(known) < LEAST_LAYERS:
        return None
    logs = [math.log(size) for _, size in known]
    ratio, limit = math.exp(max(logs) - min(logs)), GRADIENT_RATIO if what == GRADIENT else DEPTH_RATIO
    if ratio <= limit or abs(statistics.correlation(range(len(logs)), logs)) < TREND:
        return None
    (first, at_first), (last, at_last) = known[0], known[-1]
    a_layer = math.exp((logs[-1] - logs[0]) / (len(known) - 1))
    return ACTIVATIONS_CHANGE_SCALE_WITH_DEPTH.finding(
        title=f"the {'gradient' if what == GRADIENT else 'signal'} changes its size from layer to layer",
        where=Location(module=first if what == GRADIENT else last),
        evidence=(
            Evidence(name=f"{what}, largest over smallest", value=ratio, threshold=limit),
            Evidence(name=f"at {first}", value=at_first),
            Evidence(name=f"at {last}", value=at_last),
        ),
        because=f"from one layer to the next it changes by a factor of about {a_layer:.2g}, always the same way",
        remedies=(
            Remedy(text="initialise by the size of the layer: He for ReLU, Glorot for tanh and sigmoid"),
            Remedy(text="add normalisation or residual connections"),
        ),
    )


def _relative(layer: LayerStats) -> float:
    return (layer.gradient_norm or 0.0) / layer.weight_norm if layer.weight_norm else 0.0


RULES = (Rule(kind=ACTIVATIONS_CHANGE_SCALE_WITH_DEPTH, needs=("loop", "layers"), judge=scale_with_depth),)
