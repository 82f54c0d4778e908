"""One weight on a parabola: the three regimes of the learning rate, and the two numbers that part them."""

from __future__ import annotations

import math

from trainwright.lab.controls import steps_of, steps_told
from trainwright.lab.descent import Descent, descend
from trainwright.lab.framing import finite, linspace, plot
from trainwright.lab.schema import (
    Axis,
    Claim,
    Marker,
    Parameter,
    Preset,
    Result,
    Series,
    Simulation,
    Values,
    Verdict,
)
from trainwright.records import Evidence

MINIMUM = 3.0
"""Where G4's example has it: L = (w - 3)^2."""
CLOSE = 1e-3
"""Share of the first distance to the minimum at which the descent counts as arrived."""
SLOW = 200
"""Steps to arrive above which a rate is called too low here; the contraction that needs so many is 0.966."""


def _python(values: Values) -> str:
    return f"""import torch
from trainwright.parts.optimizers import CATALOGUE

w = torch.tensor({values["start"]!r}, dtype=torch.float64, requires_grad=True)
sgd = CATALOGUE["sgd"].factory([w], lr={values["rate"]!r}, weight_decay=0.0)
for step in range({values["steps"]}):
    sgd.zero_grad()
    loss = {values["curvature"]!r} / 2 * (w - {MINIMUM}) ** 2
    loss.backward()
    sgd.step()
    print(step + 1, w.item(), loss.item())
"""


def _verdict(descent: Descent, rate: float, curvature: float, arrived: int | None) -> Verdict:
    factor = 1 - rate * curvature
    limit = 2 / curvature
    if descent.diverged or abs(factor) > 1:
        return Verdict(
            sign="error",
            text=f"diverges: each step multiplies the distance by {factor:.3g}; above 2/curvature = {limit:.3g} "
            "nothing converges",
        )
    if abs(factor) == 1:
        return Verdict(sign="error", text="bounces for ever: exactly at 2/curvature the distance never changes")
    if factor == 0:
        return Verdict(sign="healthy", text="lands in one step: the rate is exactly 1/curvature")
    if factor < 0:
        return Verdict(
            sign="warning" if factor < -0.5 else "healthy",
            text=f"overshoots on every step, and still converges: the distance is multiplied by {factor:.3g}",
        )
    if arrived is None or arrived > SLOW:
        return Verdict(sign="warning", text=f"crawls: each step keeps {factor:.4g} of the distance")
    return Verdict(sign="healthy", text=f"converges smoothly: each step keeps {factor:.3g} of the distance")


def run(values: Values) -> Result:
    """Descend L = a/2 (w - 3)^2 with torch's SGD, and say what each step does to the distance: it is 1 - eta a."""
    rate, curvature, start, steps = (float(values[name]) for name in ("rate", "curvature", "start", "steps"))
    (descent,) = descend(
        lambda point: curvature / 2 * (point[..., 0] - MINIMUM) ** 2, [start], "sgd", [rate], int(steps)
    )
    weights = descent.column(0)
    distances = tuple(abs(weight - MINIMUM) for weight in weights)
    far = max(abs(start - MINIMUM), 1.0)
    arrived = next((step for step, gap in enumerate(distances) if gap <= CLOSE * far), None)
    curve = linspace(MINIMUM - 1.5 * far, MINIMUM + 1.5 * far, 121)
    parabola = Series(
        name="loss", x=curve, y=tuple(curvature / 2 * (w - MINIMUM) ** 2 for w in curve), role="reference"
    )
    top = max(parabola.y) * 1.1
    way = Series(name="descent", x=weights, y=descent.losses, role="sgd", style="points", played=True)
    numbers = tuple(float(step) for step in range(len(weights)))
    over = Series(name="distance to the minimum", x=numbers, y=distances, role="sgd", played=True)
    return Result(
        verdict=_verdict(descent, rate, curvature, arrived),
        plots=(
            plot(
                "the weight on its parabola",
                Axis(label="weight", low=curve[0], high=curve[-1]),
                Axis(label="loss", low=-0.05 * top, high=top),
                (parabola, way),
                markers=(Marker(x=MINIMUM, text="minimum"),),
            ),
            plot(
                "distance to the minimum, step by step",
                Axis(label="step"),
                Axis(label="distance", log=True),
                (over,),
                most=1e4 * far,
            ),
        ),
        evidence=(
            Evidence(name="factor on the distance per step", value=1 - rate * curvature, threshold=1.0),
            Evidence(name="rate that lands in one step", value=1 / curvature),
            Evidence(name="largest stable rate", value=2 / curvature),
            Evidence(name="weight after step 1", value=weights[1] if len(weights) > 1 else float("nan")),
            Evidence(name="weight after step 2", value=weights[2] if len(weights) > 2 else float("nan")),
            Evidence(name="last distance", value=finite(distances)[-1]),
            Evidence(
                name="steps to arrive",
                value=steps_told(math.inf if arrived is None else arrived, int(values["steps"])),
                unit="steps",
            ),
            Evidence(name="diverged", value=descent.diverged or abs(1 - rate * curvature) > 1),
        ),
        python=_python(values),
        frames=len(weights),
    )


SIMULATION = Simulation(
    name="learning-rate",
    number=9,
    title="Learning rate explorer",
    guide="G2, chapter 4",
    teaches="One number parts crawling, converging and diverging: 2 over the curvature. The useful range of a real "
    "network's rates is that of its own curvature, not of this slider.",
    parameters=(
        Parameter(
            name="rate",
            label="Learning rate η",
            kind="number",
            default=0.3,
            low=0.01,
            high=1.2,
            step=0.01,
            help="How far to step along the slope.",
        ),
        Parameter(
            name="curvature",
            label="Curvature a",
            kind="number",
            default=2.0,
            low=0.1,
            high=20.0,
            log=True,
            step=0.05,
            help="The second derivative of the loss; 2 is that of (w - 3)².",
        ),
        Parameter(name="start", label="Start w₀", kind="number", default=0.0, low=-3.0, high=9.0, step=0.5),
        Parameter(name="steps", label="Steps", kind="integer", default=40, low=1, high=400, log=True, unit="steps"),
    ),
    run=run,
    presets=(
        Preset(name="crawling", title="Too low", values={"rate": 0.01}),
        Preset(name="converging", title="Just right", values={"rate": 0.3}),
        Preset(name="one-step", title="Lands in one step", values={"rate": 0.5}),
        Preset(name="overshooting", title="Overshoots, and converges", values={"rate": 0.9}),
        Preset(name="bouncing", title="Bounces for ever", values={"rate": 1.0}),
        Preset(name="diverging", title="Too high", values={"rate": 1.1}),
    ),
    claims=(
        Claim(
            text="For L = (w - 3)² from 0 at a rate of 0.1 the weight goes to 0.6 and then to 1.08.",
            source="G4, gradient descent",
            cases=({"rate": 0.1},),
            holds=lambda result: (
                abs(result["weight after step 1"] - 0.6) < 1e-12 and abs(result["weight after step 2"] - 1.08) < 1e-12
            ),
        ),
        Claim(
            text="There are three regimes: too low crawls, just right converges, too high diverges.",
            source="G2, chapter 4",
            cases=({"rate": 0.01}, {"rate": 0.3}, {"rate": 1.1}),
            holds=lambda low, right, high: (
                steps_of(low["steps to arrive"]) == math.inf
                and steps_of(right["steps to arrive"]) <= 10
                and high["diverged"]
            ),
        ),
        Claim(
            text="At 2/curvature = 1 it bounces for ever, at 1/curvature = 0.5 it lands in one step.",
            source="G2, chapter 4",
            cases=({"rate": 1.0}, {"rate": 0.5}),
            holds=lambda bounce, land: bounce["last distance"] == 3.0 and land["steps to arrive"] == 1,
        ),
        Claim(
            text="Which rates are good depends on the curvature: on this parabola a rate of 1e-2 has not arrived after "
            "40 steps and 0.3 has; with ten times the curvature 0.3 diverges.",
            source="G2, chapter 4",
            as_written="Good learning rates typically live between 1e-4 and 1e-2 for SGD.",
            cases=({"rate": 0.01}, {"rate": 0.3}, {"rate": 0.3, "curvature": 20.0}),
            holds=lambda low, right, steep: (
                steps_of(low["steps to arrive"]) == math.inf
                and steps_of(right["steps to arrive"]) < 40
                and steep["diverged"]
            ),
        ),
    ),
)
