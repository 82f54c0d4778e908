"""The guide's second worked example: a backward pass through two layers, every slope read out of autograd."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainwright.lab.controls import claim, fact, number, preset
from trainwright.lab.schema import Result, Simulation, Step, Table, Values, Verdict
from trainwright.parts.losses import CATALOGUE
from trainwright.parts.optimizers import CATALOGUE as OPTIMIZERS


def _row(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{round(value, 4) + 0.0:.4f}" for value in values) + "]"  # no minus before a zero


def _shown(weight: torch.Tensor) -> str:
    return _matrix(weight) if weight.dim() > 1 else _row(weight.tolist())


def _matrix(matrix: torch.Tensor) -> str:
    return "[" + ", ".join(_row(row) for row in matrix.tolist()) + "]"


def exact(z: torch.Tensor) -> torch.Tensor:
    """Return `z` to twelve decimals, with its own gradient.

    0.5 - 0.6 + 0.1 is zero by hand and 2.8e-17 in binary numbers; ReLU would count the second as on.
    """
    return z + (z.round(decimals=12) - z).detach()


def run(values: Values) -> Result:
    """Pass forward and back through x -> W1, b1 -> ReLU -> W2, b2 -> sigmoid -> cross-entropy, and make one update."""
    x = torch.tensor([float(values["x1"]), float(values["x2"])], dtype=torch.float64)
    y = float(values["target"])
    rate = float(values["rate"])
    weights = {
        "W1": torch.tensor([[0.5, -0.3], [0.2, 0.8]], dtype=torch.float64, requires_grad=True),
        "b1": torch.tensor([0.1, -0.2], dtype=torch.float64, requires_grad=True),
        "W2": torch.tensor([[float(values["w2"]), -0.4]], dtype=torch.float64, requires_grad=True),
        "b2": torch.tensor([0.05], dtype=torch.float64, requires_grad=True),
    }

    def forward() -> dict[str, torch.Tensor]:
        z1 = exact(weights["W1"] @ x + weights["b1"])
        a1 = z1.relu()
        z2 = weights["W2"] @ a1 + weights["b2"]
        answer = z2.sigmoid()
        loss = CATALOGUE["bce_with_logits"].factory()(z2.reshape(1, 1), torch.full((1, 1), y, dtype=torch.float64))
        return {"z1": z1, "a1": a1, "z2": z2, "ŷ": answer, "L": loss}

    given = {name: weight.detach().clone() for name, weight in weights.items()}
    second = weights["W2"].detach().clone()[0]
    seen = forward()
    found = torch.autograd.grad(seen["L"], [*weights.values(), seen["z1"], seen["a1"], seen["z2"]])
    slopes = dict(zip((*weights, "z1", "a1", "z2"), found, strict=True))
    # Through ŷ itself, for the line of the guide that starts there.
    answer = seen["ŷ"].detach().requires_grad_()
    through = -(y * answer.log() + (1 - y) * (1 - answer).log())
    slope_of_answer = torch.autograd.grad(through.sum(), answer)[0]
    sgd = OPTIMIZERS["sgd"].factory([{"params": list(weights.values())}], lr=rate, weight_decay=0.0)
    for name, weight in weights.items():
        weight.grad = slopes[name].clone()
    start = seen["L"].item()
    sgd.step()
    after = forward()["L"].item()
    p = seen["ŷ"].item()
    error = slopes["z2"].item()
    made = (
        Step(
            title="given",
            text="the inputs, the truth, and the weights before the update",
            formula="x, y, W1, b1, W2, b2",
            worked=f"x = {_row(x.tolist())}, y = {y:g}; " + "; ".join(f"{n} = {_shown(w)}" for n, w in given.items()),
        ),
        Step(title="z1", text="before the activation", formula="z1 = W1·x + b1", worked=_row(seen["z1"].tolist())),
        Step(
            title="a1",
            text="ReLU lets what is positive through",
            formula="a1 = ReLU(z1)",
            worked=_row(seen["a1"].tolist()),
        ),
        Step(title="z2", text="one number", formula="z2 = W2·a1 + b2", worked=f"{seen['z2'].item():.4f}"),
        Step(title="ŷ", text="a probability", formula="ŷ = sigmoid(z2)", worked=f"{p:.4f}"),
        Step(title="L", text="how wrong", formula="L = −[y log ŷ + (1−y) log(1−ŷ)]", worked=f"{start:.4f}"),
        Step(
            title="∂L/∂ŷ",
            text="backward begins at the loss",
            formula="(ŷ − y) / [ŷ(1−ŷ)]",
            worked=f"({p:.4f} − {y:g}) / [{p:.4f} × {1 - p:.4f}] = {slope_of_answer.item():.4f}",
        ),
        Step(
            title="∂L/∂z2",
            text="times the slope of the sigmoid, and nearly all of it cancels: the error signal",
            formula="ŷ − y",
            worked=f"{p:.4f} − {y:g} = {error:.4f}",
            numbers=(fact("∂L/∂z2", error),),
        ),
        Step(title="∂L/∂W2", formula="(ŷ−y) · a1ᵀ", worked=_matrix(slopes["W2"]), text="what came in, times the error"),
        Step(
            title="∂L/∂b2", formula="ŷ − y", worked=_row(slopes["b2"].tolist()), text="the bias sees the error itself"
        ),
        Step(title="∂L/∂a1", formula="(ŷ−y) · W2ᵀ", worked=_row(slopes["a1"].tolist()), text="the error, sent back"),
        Step(
            title="∂L/∂z1",
            formula="∂L/∂a1 · ReLU′(z1)",
            worked=_row(slopes["z1"].tolist()),
            text="where ReLU was off nothing comes through",
        ),
        Step(title="∂L/∂W1", formula="∂L/∂z1 · xᵀ", worked=_matrix(slopes["W1"]), text="what came in, times the error"),
        Step(title="∂L/∂b1", formula="∂L/∂z1", worked=_row(slopes["b1"].tolist()), text="and the bias again"),
        Step(
            title="update",
            formula="W ← W − α ∂L/∂W",
            worked="; ".join(f"{name} = {_shown(weight.detach())}" for name, weight in weights.items()),
            text="all four at once",
        ),
        Step(
            title="L again",
            formula="forward once more, with the new weights",
            worked=f"the loss goes from {start:.4f} to {after:.4f}",
            text="less wrong" if after < start else "no less wrong: the step was too long",
            numbers=(fact("loss after the update", after),),
        ),
    )
    off = int((seen["a1"] == 0).sum())
    text = f"the loss goes from {start:.4f} to {after:.4f}" + (
        f"; {off} of 2 units are off and learn nothing" if off else ""
    )
    residual = max(
        float((slopes["W2"] - error * seen["a1"].detach()).abs().max()),
        float((slopes["a1"] - error * second).abs().max()),
        float((slopes["W1"] - torch.outer(slopes["z1"], x)).abs().max()),
        float((slopes["b1"] - slopes["z1"]).abs().max()),
        float((slopes["z1"] - slopes["a1"] * (seen["z1"].detach() > 0)).abs().max()),
        abs(error - (p - y)),
        abs(slope_of_answer.item() - (p - y) / (p * (1 - p))),
    )
    return Result(
        verdict=Verdict(sign="healthy" if after < start else "warning", text=text),
        steps=made,
        tables=(
            Table(
                title="the weights before and after, and the gradients between",
                columns=("name", "before", "gradient", "after"),
                rows=tuple(
                    (name, _shown(given[name]), _shown(slopes[name]), _shown(weight.detach()))
                    for name, weight in weights.items()
                ),
            ),
            Table(
                title="gradients by autograd",
                columns=("name", "values"),
                rows=tuple((f"∂L/∂{name}", _row(slope.reshape(-1).tolist())) for name, slope in slopes.items()),
            ),
        ),
        evidence=(
            fact("prediction", p),
            fact("loss", start),
            fact("error signal", error),
            fact("largest difference to the guide's formulas", residual),
            fact("units that are off", off),
            fact("largest slope of the first unit", float(slopes["W1"][0].abs().max())),
            fact("loss after the update", after),
        ),
        python=f"""import torch
from torch.nn import functional as F
from trainwright.lab.simulations.backpropagation import exact

torch.set_default_dtype(torch.float64)
x, y = torch.tensor({x.tolist()!r}), torch.tensor([{y!r}])
W1 = torch.tensor([[0.5, -0.3], [0.2, 0.8]], requires_grad=True)
b1 = torch.tensor([0.1, -0.2], requires_grad=True)
W2 = torch.tensor([[{values["w2"]!r}, -0.4]], requires_grad=True)
b2 = torch.tensor([0.05], requires_grad=True)
z2 = W2 @ exact(W1 @ x + b1).relu() + b2
loss = F.binary_cross_entropy_with_logits(z2, y)
print(loss.item(), *torch.autograd.grad(loss, (W1, b1, W2, b2)))
torch.set_default_dtype(torch.float32)
""",
        frames=len(made),
        frame_label="line",
    )


SIMULATION = Simulation(
    name="backpropagation",
    number=29,
    title="Worked example: a backward pass through two layers",
    guide="G4, backpropagation",
    teaches="The chain rule from right to left: each layer multiplies what comes back by its own slope, and "
    "what came in.",
    parameters=(
        number("x1", "Input x₁", 1.0, -3.0, 3.0, step=0.1),
        number("x2", "Input x₂", 2.0, -3.0, 3.0, step=0.1),
        number("target", "Truth y", 1.0, 0.0, 1.0, step=1.0),
        number("w2", "First weight of the second layer", 0.6, -3.0, 3.0, step=0.1),
        number("rate", "Learning rate α", 0.1, 0.0, 2.0, step=0.05),
    ),
    run=run,
    presets=(
        preset("guide", "The guide's network"),
        preset("wrong", "The other truth", target=0.0),
        preset("dead", "Both units off", x1=-3.0, x2=-1.0),
    ),
    claims=(
        claim(
            "Every line of the guide's derivation agrees with autograd to the last digits.",
            "G4, backpropagation",
            lambda first, other: (
                max(
                    first["largest difference to the guide's formulas"],
                    other["largest difference to the guide's formulas"],
                )
                < 1e-12
            ),
            {},
            {"target": 0.0, "x1": -1.5},
        ),
        claim(
            "A unit whose sum is exactly zero is off: here the first, 0.5 − 0.6 + 0.1, and its row of ∂L/∂W1 is zero.",
            "G4, backpropagation",
            lambda result: result["units that are off"] == 1 and result["largest slope of the first unit"] == 0,
        ),
        claim(
            "The error signal at the last layer is ŷ − y.",
            "G4, backpropagation",
            lambda result: abs(result["error signal"] - (result["prediction"] - 1)) < 1e-12,
        ),
        claim(
            "A step against the gradient lowers the loss.",
            "G4, gradient descent",
            lambda result: result["loss after the update"] < result["loss"],
        ),
        claim(
            "Units whose ReLU is off pass nothing back.",
            "G4, backpropagation",
            lambda result: result["units that are off"] >= 1,
            {"x1": -3.0, "x2": -1.0},
        ),
    ),
)
