"""Decay inside Adam's gradient, or beside it: what each does to a weight with large gradients, and one with small."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import claim, fact, line, number, preset, seed, whole
from trainwright.lab.descent import Descent, descend
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Simulation, Table, Values, Verdict

_START = (1.0, 1.0)
_KINDS = (("adam", "Adam, L2 inside", "fifth"), ("adamw", "AdamW, beside", "adam"))
_WEIGHTS = ("loud weight", "quiet weight")
SLOPES = (10.0, 0.01)
"""Standard deviation of the gradients of the two weights, which have no direction: all that is left to see is decay."""


def run(values: Values) -> Result:
    """Let nothing but noise and decay act on two weights: one with loud gradients, one with quiet ones."""
    rate, decay = float(values["rate"]), float(values["decay"])
    steps, first = int(values["steps"]), int(values["seed"])
    scales = torch.tensor(SLOPES, dtype=torch.float64)
    # A loss that is linear in the weights, with slopes drawn anew at each step: the gradient is noise and nothing else.
    found: dict[str, Descent] = {}
    for name, _, _ in _KINDS:
        draws = torch.Generator().manual_seed(first)

        def loss(points: torch.Tensor, draws: torch.Generator = draws) -> torch.Tensor:
            return (points * scales * torch.randn(2, dtype=torch.float64, generator=draws)).sum(-1)

        (found[name],) = descend(loss, _START, name, [rate], steps, options={"weight_decay": decay})
    due = (1 - rate * decay) ** steps
    rows = tuple((label, found[name].points[-1][0], found[name].points[-1][1]) for name, label, _ in _KINDS)
    quiet = {name: descent.points[-1][1] for name, descent in found.items()}
    loud = {name: descent.points[-1][0] for name, descent in found.items()}
    text = (
        f"after {steps} steps AdamW leaves {quiet['adamw']:.3g} of the quiet weight, (1 − ηλ)^t says "
        f"{due:.3g}; inside Adam "
        f"it is {quiet['adam']:.3g}, and the loud one stays at {loud['adam']:.3g}"
    )
    return Result(
        verdict=Verdict(sign="note", text=text),
        plots=tuple(
            plot(
                title,
                Axis(label="step"),
                Axis(label="weight"),
                [line(label, found[name].column(axis), role, played=True) for name, label, role in _KINDS]  # type: ignore[arg-type]
                + [
                    line(
                        "(1 − ηλ)^t",
                        [(1 - rate * decay) ** step for step in range(steps + 1)],
                        "reference",
                        dash="dotted",
                    )
                ],
                keep=(0.0,),
                most=5.0,
            )
            for axis, title in ((0, "a weight with loud gradients"), (1, "a weight with quiet gradients"))
        ),
        tables=(Table(title="what is left", columns=("optimizer", "loud weight", "quiet weight"), rows=rows),),
        evidence=(
            fact("(1 − ηλ)^t", due),
            *(fact(f"quiet weight, {name}", value) for name, value in quiet.items()),
            *(fact(f"loud weight, {name}", value) for name, value in loud.items()),
        ),
        python=f"""import torch
from trainwright.lab.descent import descend

for name in ("adam", "adamw"):
    draws = torch.Generator().manual_seed({first})
    slopes = torch.tensor({SLOPES!r}, dtype=torch.float64)
    (descent,) = descend(
        lambda w: (w * slopes * torch.randn(2, dtype=torch.float64, generator=draws)).sum(-1),
        {_START!r}, name, [{rate!r}], {steps}, options={{"weight_decay": {decay!r}}},
    )
    print(name, descent.points[-1])
""",
        frames=steps + 1,
    )


SIMULATION = Simulation(
    name="weight-decay",
    number=23,
    title="Weight decay: inside Adam, or beside it",
    guide="G3 and G4, AdamW",
    teaches="An L2 penalty inside Adam's gradient is divided by the gradient's own size: loud weights hardly "
    "decay, quiet "
    "ones far too fast. AdamW takes the same share off every weight.",
    parameters=(
        number("rate", "Learning rate", 0.001, 1e-5, 0.1, log=True, step=0.1),
        number("decay", "Weight decay λ", 0.1, 0.0, 10.0, step=0.1),
        whole("steps", "Steps", 400, 10, 1000, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    presets=(
        preset("guide", "Loud and quiet"),
        preset("much", "Ten times the decay", decay=1.0),
        preset("none", "No decay", decay=0.0),
    ),
    claims=(
        claim(
            "AdamW's decay shrinks a weight by 1 − ηλ a step whatever its gradients; Adam's own scaling distorts an L2 "
            "penalty: it hardly touches weights with large gradients, and takes far too much off those with "
            "small ones.",
            "G3, optimizers; G4, AdamW",
            lambda some, much: (
                all(abs(some[f"{weight}, adamw"] - some["(1 − ηλ)^t"]) < 0.06 for weight in _WEIGHTS)
                and some["(1 − ηλ)^t"] - some["quiet weight, adam"] > 0.2
                and much["loud weight, adam"] - much["(1 − ηλ)^t"] > 0.2
            ),
            {},
            {"decay": 1.0},
        ),
        claim(
            "Without decay both are the same Adam.",
            "G4, AdamW",
            lambda result: math.isclose(result["quiet weight, adam"], result["quiet weight, adamw"], rel_tol=1e-9),
            {"decay": 0.0},
        ),
    ),
)
