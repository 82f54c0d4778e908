"""How weights begin, and what is left of signal and gradient after many layers: measured on a real network."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import choice, claim, fact, line, preset, seed, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Sign, Simulation, Values, Verdict
from trainwright.parts.activations import CATALOGUE as ACTIVATIONS
from trainwright.parts.initializers import CATALOGUE as INITIALIZERS
from trainwright.parts.models import build
from trainwright.parts.norms import names
from trainwright.randomness import generator, isolated
from trainwright.records import DataShape
from trainwright.vitals.equal_units import equal_units
from trainwright.vitals.signal import layer_signals

SAMPLES, WIDTH = 256, 64
SHRUNK, GROWN = 0.05, 20.0
"""Ratio of the last hidden layer's spread to the first one's beyond which the signal has vanished, or exploded."""


def run(values: Values) -> Result:
    """Build a deep network, send a batch through it and back, and measure every layer."""
    depth, width, first = int(values["depth"]), int(values["width"]), int(values["seed"])
    shape = DataShape(input_shape=(width,), outputs=4, task="classification")
    options = {
        "width": width,
        "depth": depth,
        "dropout": 0.0,
        "init": str(values["init"]),
        "activation": str(values["activation"]),
        "norm": str(values["norm"]),
    }
    x = torch.randn(SAMPLES, width, generator=generator(first, "initialisation"))
    y = torch.arange(SAMPLES) % 4
    with isolated(first):
        model = build("mlp", shape, options, sample=x)
        model.train()
        signals = [
            each
            for each in layer_signals(model, lambda: torch.nn.functional.cross_entropy(model(x), y))
            if each.weighted
        ]
        same = equal_units(model)
    hidden = signals[:-1] or signals
    stds = [each.std for each in hidden]
    gradients = [each.gradient or 0.0 for each in hidden]
    layers = [float(place + 1) for place in range(len(hidden))]
    forward = stds[-1] / stds[0] if stds[0] > 0 else 0.0
    backward = gradients[0] / gradients[-1] if gradients[-1] > 0 else 0.0
    sign, text = _judge(forward, backward, bool(same), str(values["init"]))
    floor = 1e-30
    return Result(
        verdict=Verdict(sign=sign, text=text),
        plots=(
            plot(
                "spread of what each layer gives",
                Axis(label="layer"),
                Axis(label="standard deviation", log=True),
                [line("before the activation", [max(each, floor) for each in stds], "train", x=layers, style="line")],
                keep=(0.1, 10.0),
            ),
            plot(
                "gradient that comes back to each layer",
                Axis(label="layer"),
                Axis(label="norm", log=True),
                [line("gradient", [max(each, floor) for each in gradients], "validation", x=layers, dash="dashed")],
                keep=(0.3 * max(min(gradients), floor), 3 * max(*gradients, floor)),  # else a flat line looks wild
            ),
        ),
        evidence=(
            fact("spread of the last hidden layer over the first", forward),
            fact("gradient at the first layer over the last", backward),
            fact("units of a layer that are all alike", bool(same)),
            fact("largest bias", _largest_bias(model)),
        ),
        python=f"""import torch
from trainwright.parts.models import build
from trainwright.records import DataShape
from trainwright.vitals.signal import layer_signals

torch.manual_seed({first})
shape = DataShape(input_shape=({width},), outputs=4, task="classification")
x, y = torch.randn({SAMPLES}, {width}), torch.arange({SAMPLES}) % 4
model = build("mlp", shape, {options!r}, sample=x)
for layer in layer_signals(model, lambda: torch.nn.functional.cross_entropy(model(x), y)):
    print(layer.module, layer.kind, layer.std, layer.gradient)
""",
    )


def _largest_bias(model: torch.nn.Module) -> float:
    biases = [each.detach().abs().max().item() for name, each in model.named_parameters() if name.endswith("bias")]
    return max(biases, default=0.0)


def _judge(forward: float, backward: float, same: bool, init: str) -> tuple[Sign, str]:
    if same:
        return "error", f"with '{init}' all units of a layer are alike, and stay so: it is one unit (TW401)"
    if not math.isfinite(forward) or forward > GROWN:
        return "error", f"explodes: the signal grows {forward:.3g} times on its way through"
    if forward < SHRUNK:
        return "warning", f"vanishes: {forward:.2g} of the signal is left in the last layer"
    if backward < SHRUNK:
        return "warning", f"the gradient vanishes: {backward:.2g} of it comes back to the first layer"
    if backward > GROWN:
        return "warning", f"the gradient explodes: {backward:.3g} times on its way back"
    return "healthy", f"keeps its size: by a factor of {forward:.2g} on its way through and {backward:.2g} back"


SIMULATION = Simulation(
    name="initialisation",
    number=16,
    title="Initialisation and depth",
    guide="G4, vanishing and exploding gradients; G3, initialization",
    teaches="Each layer multiplies the signal by about the same factor: slightly below 1 it is gone after "
    "twenty layers, "
    "slightly above it explodes. He's and Glorot's scale make the factor 1; normalisation makes it 1 anyway.",
    parameters=(
        choice("init", "Weights begin as", "he_normal", {name: name.replace("_", " ") for name in INITIALIZERS}),
        choice("activation", "Activation", "relu", {name: name for name in ACTIVATIONS}),
        choice("norm", "Normalisation", "none", {name: name for name in names(0)}),
        whole("depth", "Hidden layers", 20, 2, 60),
        whole("width", "Units in each", WIDTH, 8, 256, log=True),
        seed(),
    ),
    run=run,
    seconds=0.1,
    presets=(
        preset("he-relu", "He's weights for ReLU"),
        preset("glorot-relu", "Glorot's weights for ReLU: too small", init="glorot_normal", depth=40),
        preset("glorot-tanh", "Glorot's weights for tanh", init="glorot_normal", activation="tanh"),
        preset("sigmoid", "Sigmoids: the gradient vanishes", init="lecun_normal", activation="sigmoid"),
        preset("small", "All weights small", init="truncated_normal"),
        preset("small-norm", "All weights small, with layer norm", init="truncated_normal", norm="layer"),
        preset("zero", "All weights zero", init="zero"),
    ),
    claims=(
        claim(
            "He's initialisation keeps the signal's variance through 20 layers of ReLU.",
            "G3, initialization; G4",
            lambda result: 0.2 < result["spread of the last hidden layer over the first"] < 5,
        ),
        claim(
            "Glorot's is for tanh: through ReLU each layer halves the variance, and after 40 layers little is left.",
            "G4, vanishing and exploding gradients",
            lambda relu, tanh: (
                relu["spread of the last hidden layer over the first"] < 0.01
                and 0.2 < tanh["spread of the last hidden layer over the first"] < 5
            ),
            {"init": "glorot_normal", "depth": 40},
            {"init": "glorot_normal", "activation": "tanh"},
        ),
        claim(
            "Through many sigmoids the gradient that reaches the early layers is effectively zero.",
            "G4, vanishing and exploding gradients",
            lambda result: result["gradient at the first layer over the last"] < 1e-6,
            {"init": "lecun_normal", "activation": "sigmoid"},
        ),
        claim(
            "Initialising all weights to zero fails to break the symmetry: all neurons stay alike.",
            "G3, initialization",
            lambda result: result["units of a layer that are all alike"] is True,
            {"init": "zero"},
            as_written="Initializing all weights to zero breaks symmetry",
        ),
        claim(
            "Biases begin at zero.",
            "G3, initialization",
            lambda result: result["largest bias"] == 0,
        ),
        claim(
            "Normalisation keeps the signal whatever the weights.",
            "G4, vanishing and exploding gradients",
            lambda plain, normed: (
                plain["spread of the last hidden layer over the first"] < 1e-3
                and normed["spread of the last hidden layer over the first"] > 0.2
            ),
            {"init": "truncated_normal"},
            {"init": "truncated_normal", "norm": "layer"},
        ),
    ),
)
