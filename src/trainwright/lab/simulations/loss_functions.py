"""Every loss of the catalogue over the prediction, with the gradient that autograd gives."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from trainwright.lab.controls import choice, claim, fact, line, number, preset
from trainwright.lab.framing import linspace, plot
from trainwright.lab.schema import Axis, Marker, Result, Simulation, Table, Values, Verdict
from trainwright.parts.losses import CATALOGUE

Loss = Callable[[torch.Tensor], torch.Tensor]
_VALUES = ("mse", "mae", "huber", "smooth_l1")
_CLASSES = ("cross_entropy", "bce_with_logits", "focal", "kl_div")
_LABELS = {
    "mse": "squared error",
    "mae": "absolute error",
    "huber": "Huber",
    "smooth_l1": "smooth L1",
    "cross_entropy": "cross-entropy",
    "bce_with_logits": "binary cross-entropy",
    "focal": "focal",
    "kl_div": "KL divergence",
}


def _options(name: str, values: Values) -> dict[str, float]:
    known = {
        "delta": float(values["delta"]),
        "beta": float(values["delta"]),
        "gamma": float(values["gamma"]),
        "label_smoothing": float(values["smoothing"]),
    }
    return {key: value for key, value in known.items() if key in CATALOGUE[name].options}


def loss_of(name: str, values: Values) -> Loss:
    """Return the loss of one sample as a function of the error, or of the logit of the right class against another."""
    loss = CATALOGUE[name].factory(**_options(name, values))
    zero = torch.zeros(1, 1, dtype=torch.float64)

    def at(place: torch.Tensor) -> torch.Tensor:
        if name in _VALUES:
            return loss(place.reshape(1, 1), zero)
        if name == "bce_with_logits":
            return loss(place.reshape(1, 1), torch.ones(1, 1, dtype=torch.float64))
        logits = torch.stack([torch.zeros_like(place), place]).reshape(1, 2)
        if name == "kl_div":
            target = torch.tensor([[0.1, 0.9]], dtype=torch.float64)
            return loss(logits.log_softmax(1), target)
        if name == "focal":
            return loss(place.reshape(1, 1), torch.ones(1, 1, dtype=torch.float64))
        return loss(logits, torch.ones(1, dtype=torch.int64))

    return at


def _with_gradient(loss: Loss, place: float) -> tuple[float, float]:
    at = torch.tensor(place, dtype=torch.float64, requires_grad=True)
    value = loss(at)
    return value.item(), torch.autograd.grad(value, at)[0].item()


def divergences(probability: float) -> tuple[float, float]:
    """Return D(P||Q) and D(Q||P), P being (0.1, 0.9) and Q (1 - probability, probability), by the catalogue's loss."""
    loss = CATALOGUE["kl_div"].factory()
    p = torch.tensor([[0.1, 0.9]], dtype=torch.float64)
    q = torch.tensor([[1 - probability, probability]], dtype=torch.float64)
    return float(loss(q.log(), p)), float(loss(p.log(), q))


def run(values: Values) -> Result:
    """Draw the losses of a family over the prediction, and read one of them and its slope at the chosen place."""
    chosen = str(values["loss"])
    family = _VALUES if chosen in _VALUES else _CLASSES
    place = float(values["prediction"])
    reach = 6.0
    axis = linspace(-reach, reach, 121)
    curves = {name: [_with_gradient(loss_of(name, values), x) for x in axis] for name in family}
    value, slope = _with_gradient(loss_of(chosen, values), place)
    label = "error: prediction less truth" if family is _VALUES else "logit of the right class, less that of the other"
    probability = 1 / (1 + math.exp(-place))
    roles = ("sgd", "momentum", "adam", "other")
    dashes = ("solid", "dashed", "dotted", "dashdot")

    def lines(part: int) -> list:
        return [
            line(_LABELS[name], [pair[part] for pair in curves[name]], role, x=axis, dash=dash)
            for name, role, dash in zip(family, roles, dashes, strict=True)
        ]

    if family is _VALUES:
        text = f"an error of {place:g} costs {value:.4g}, and pulls back with a slope of {slope:.4g}"
    else:
        text = f"{probability:.1%} sure of the truth costs {value:.4g} nats, with a slope of {slope:.4g}"
    wrong = family is _CLASSES and probability < 0.05
    other = {name: _with_gradient(loss_of(name, values), place) for name in family}
    return Result(
        verdict=Verdict(sign="warning" if wrong else "healthy", text=("confident and wrong: " if wrong else "") + text),
        plots=(
            plot(
                "the loss",
                Axis(label=label),
                Axis(label="loss"),
                lines(0),
                most=12.0,
                keep=(0.0,),
                markers=(Marker(x=place, y=value, text=f"{value:.4g}"),),
            ),
            plot(
                "its gradient",
                Axis(label=label),
                Axis(label="gradient"),
                lines(1),
                most=12.0,
                markers=(Marker(x=place, y=slope, text=f"{slope:.4g}"),),
            ),
        ),
        tables=(
            Table(
                title="the family at this prediction",
                columns=("loss", "formula", "value", "gradient"),
                rows=tuple((_LABELS[name], CATALOGUE[name].formula, *other[name]) for name in family),
            ),
        ),
        evidence=(
            fact("loss", value),
            fact("gradient", slope),
            *(fact(f"loss, {name}", pair[0]) for name, pair in other.items()),
            *(fact(f"gradient, {name}", pair[1]) for name, pair in other.items()),
            fact("probability of the truth", probability),
            *(
                fact(f"KL divergence, {name}", each)
                for name, each in zip(("P from Q", "Q from P"), divergences(probability), strict=True)
            ),
        ),
        python=f"""import torch
from trainwright.parts.losses import CATALOGUE

loss = CATALOGUE[{chosen!r}].factory(**{_options(chosen, values)!r})
print(CATALOGUE[{chosen!r}].formula, loss)
""",
    )


_SURE_AND_WRONG = math.log(0.01 / 0.99)

SIMULATION = Simulation(
    name="loss-functions",
    number=22,
    title="The losses, and their slopes",
    guide="G4 and G3, loss functions",
    teaches="A loss is what training pulls on: squared errors pull ever harder, absolute ones alike, cross-entropy on "
    "confident mistakes most of all. KL divergence is not symmetric, and Huber is half a square inside delta.",
    parameters=(
        choice("loss", "Loss", "mse", _LABELS),
        number("prediction", "Prediction", 2.0, -6.0, 6.0, step=0.1, help="The error, or the logit of the truth."),
        number("delta", "Huber's δ, smooth L1's β", 1.0, 0.1, 5.0, log=True, step=0.05),
        number("gamma", "Focal γ", 2.0, 0.0, 5.0, step=0.1),
        number("smoothing", "Label smoothing", 0.0, 0.0, 0.5, step=0.01),
    ),
    run=run,
    presets=(
        preset("big-error", "A big error", prediction=4.0),
        preset("outlier", "Huber on an outlier", loss="huber", prediction=6.0),
        preset("sure-and-wrong", "99 % sure, and wrong", loss="cross_entropy", prediction=round(_SURE_AND_WRONG, 2)),
        preset("easy", "Focal on an easy sample", loss="focal", prediction=3.0),
        preset("smoothing", "Smoothed labels", loss="cross_entropy", prediction=5.0, smoothing=0.1),
    ),
    claims=(
        claim(
            "If the network says 99 % cat and it is a dog the loss is log 100 = 4.6, the slope nearly 1: "
            "large, and finite.",
            "G0, loss functions",
            lambda result: abs(result["loss"] - math.log(100)) < 0.01 and -1 < result["gradient"] < -0.98,
            {"loss": "cross_entropy", "prediction": round(_SURE_AND_WRONG, 3)},
            as_written="If the network says 99% cat when it's a dog, the loss is enormous.",
        ),
        claim(
            "Big errors get punished quadratically by the squared error: twice the error, four times the loss.",
            "G0, loss functions; G4",
            lambda one, two: math.isclose(two["loss"], 4 * one["loss"]),
            {"prediction": 2.0},
            {"prediction": 4.0},
        ),
        claim(
            "Huber is e²/2 within δ, half the squared error, and δ(|e| − δ/2) beyond.",
            "G4, loss functions",
            lambda inside, beyond: math.isclose(inside["loss"], 0.125) and math.isclose(beyond["loss"], 3.5),
            {"loss": "huber", "prediction": 0.5},
            {"loss": "huber", "prediction": 4.0},
            as_written="MSE if |e|≤δ, else δ·(|e|−δ/2)",
        ),
        claim(
            "The absolute error pulls with the same force at every distance.",
            "G4, loss functions",
            lambda near, far: near["gradient"] == far["gradient"] == 1.0,
            {"loss": "mae", "prediction": 0.5},
            {"loss": "mae", "prediction": 5.0},
        ),
        claim(
            "Focal loss plays easy samples down: at 95 % sure it is less than a hundredth of cross-entropy.",
            "G3, loss functions",
            lambda result: result["loss, focal"] < 0.01 * result["loss, cross_entropy"],
            {"loss": "focal", "prediction": 3.0},
        ),
        claim(
            "KL divergence is not symmetric, and zero only where both distributions are the same.",
            "G4, loss functions",
            lambda apart, alike: (
                abs(apart["KL divergence, P from Q"] - apart["KL divergence, Q from P"]) > 0.1
                and max(alike["KL divergence, P from Q"], alike["KL divergence, Q from P"]) < 1e-6
            ),
            {"loss": "kl_div", "prediction": -4.0},
            {"loss": "kl_div", "prediction": round(math.log(9), 4)},
        ),
        claim(
            "Label smoothing takes the reward from overconfidence: past its optimum more certainty costs more.",
            "G3, loss functions",
            lambda sure, surer: surer["loss"] > sure["loss"] and surer["gradient"] > 0,
            {"loss": "cross_entropy", "prediction": 4.0, "smoothing": 0.1},
            {"loss": "cross_entropy", "prediction": 6.0, "smoothing": 0.1},
        ),
    ),
)
