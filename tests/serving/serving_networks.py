"""A small network of every kind that the catalogue makes, by the shape of its samples."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from trainwright.parts import models
from trainwright.randomness import isolated
from trainwright.records import DataShape

_SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"width": 8},
    "cnn": {},
    "resnet": {},
    "transformer": {"layers": 1, "width": 8, "heads": 2},
    "table": {"width": 8, "depth": 1, "embedding": 4},
}
_SHAPES = {
    "columns": DataShape(input_shape=(7,), outputs=1, task="regression", groups=(1, 3, 1, 1, 1)),
    "sequence": DataShape(input_shape=(5, 4), outputs=2, task="regression"),
    "image": DataShape(input_shape=(3, 16, 16), outputs=3, task="classification"),
    "tokens": DataShape(input_shape=(12,), outputs=11, task="classification", vocabulary=11),
}
_DIMENSIONS = {1: "columns", 2: "sequence", 3: "image"}

CASES: dict[str, tuple[str, DataShape, dict[str, Any]]] = {
    f"{spec.name} of {_DIMENSIONS[count]}": (spec.name, _SHAPES[_DIMENSIONS[count]], {})
    for spec in models.CATALOGUE.values()
    for count in spec.dimensions
}
CASES |= {
    f"{spec.name} of tokens": (spec.name, _SHAPES["tokens"], {}) for spec in models.CATALOGUE.values() if spec.tokens
}
CASES |= {
    "gpt-2": ("transformer", _SHAPES["tokens"], {"positions": "learned", "tied": True}),
    "rms norm": ("transformer", _SHAPES["tokens"], {"norm": "rms"}),
    "batch norm": ("mlp", _SHAPES["columns"], {"norm": "batch"}),
}
QUICK = ("mlp of columns", "cnn of image", "transformer of tokens", "batch norm")
"""One of each family; to write and to load all of them takes minutes."""
TRIED = [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]


def network(case: str) -> tuple[nn.Module, DataShape]:
    """Return the network of a case, initialised from a seed and in evaluation mode, and the shape of its samples."""
    name, shape, options = CASES[case]
    with isolated(0):
        model = models.build(name, shape, {**_SMALL.get(name, {}), **options})
        for module in model.modules():  # statistics that are not those of a fresh network
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
                nn.init.normal_(module.running_mean)
    return model.eval(), shape
