"""Divided by all that ever was, or by what was lately: AdaGrad's rate dies, RMSProp's does not; Adam's first steps."""

from __future__ import annotations

import math

import torch

from trainwright import defaults
from trainwright.lab.controls import claim, fact, line, number, preset, switch, whole
from trainwright.lab.descent import Descent, descend
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Simulation, Values, Verdict

_SHOWN = (("adagrad", "AdaGrad", "sixth"), ("rmsprop", "RMSProp", "other"), ("adam", "Adam", "adam"))


def _steps(descent: Descent) -> list[float]:
    return [abs(after[0] - before[0]) for before, after in zip(descent.points, descent.points[1:], strict=False)]


def uncorrected(gradient: float, rate: float, steps: int, *, multiply: bool) -> list[float]:
    """Return the lengths of Adam's steps on a constant gradient without the correction, or with it upside down.

    These two are wrong on purpose, to stand beside torch's Adam: m and v as they are, or multiplied by 1 - beta^t where
    the paper divides, as a well-known demonstration in JavaScript does.
    """
    m = v = 0.0
    beta1, beta2 = defaults.ADAM_BETA1.value, defaults.ADAM_BETA2.value
    found = []
    for step in range(1, steps + 1):
        m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
        one, two = (m * (1 - beta1**step), v * (1 - beta2**step)) if multiply else (m, v)
        found.append(rate * one / (math.sqrt(two) + defaults.ADAM_EPSILON.value))
    return found


def run(values: Values) -> Result:
    """Feed a constant slope to each optimizer, and measure its steps."""
    slope, rate, steps = float(values["gradient"]), float(values["rate"]), int(values["steps"])

    def falling(points: torch.Tensor) -> torch.Tensor:
        return slope * points[..., 0]

    taken = {}
    for name, _, _ in _SHOWN:
        (descent,) = descend(falling, [0.0], name, [rate], steps)
        taken[name] = _steps(descent)
    x = [float(step + 1) for step in range(steps)]
    lines = [line(label, taken[name], role, x=x, played=True) for name, label, role in _SHOWN]  # type: ignore[arg-type]
    plain = uncorrected(slope, rate, steps, multiply=False)
    upside_down = uncorrected(slope, rate, steps, multiply=True)
    if values["wrong"]:
        lines.append(line("Adam without bias correction", plain, "warning", x=x, dash="dashed"))
        lines.append(line("Adam multiplied where the paper divides", upside_down, "error", x=x, dash="dotted"))
    left = taken["adagrad"][-1] / taken["adagrad"][0]
    return Result(
        verdict=Verdict(
            sign="warning" if left < 0.5 else "note",
            text=f"after {steps} steps along one slope AdaGrad steps {left:.2g} times as far as at first, "
            "1/√t; RMSProp and "
            "Adam go on",
        ),
        plots=(
            plot(
                "length of each step along a constant slope",
                Axis(label="step", log=True),
                Axis(label="length", log=True),
                lines,
            ),
        ),
        evidence=(
            fact("AdaGrad's last step over its first", left),
            fact("1 over the root of the steps", 1 / math.sqrt(steps)),
            fact("RMSProp's last step over the rate", taken["rmsprop"][-1] / rate),
            fact("Adam's first step over the rate", taken["adam"][0] / rate),
            fact("Adam's last step over the rate", taken["adam"][-1] / rate),
            fact("first step without bias correction over the rate", plain[0] / rate),
            fact("first step multiplied instead of divided, over the rate", upside_down[0] / rate),
        ),
        python=f"""import torch
from trainwright.lab.descent import descend

for name in ("adagrad", "rmsprop", "adam"):
    (descent,) = descend(lambda points: {slope!r} * points[..., 0], [0.0], name, [{rate!r}], {steps})
    print(name, descent.points[1][0], descent.points[-1][0] - descent.points[-2][0])
""",
        frames=steps,
    )


SIMULATION = Simulation(
    name="adaptive-rates",
    number=27,
    title="Adaptive rates: what is remembered",
    guide="G4, optimisers; G2, chapter 5",
    teaches="AdaGrad never forgets a gradient, so its steps shrink as 1/√t until learning stops. RMSProp and "
    "Adam forget, "
    "and Adam's correction makes its very first step as long as the rate.",
    parameters=(
        number("gradient", "Slope", 1.0, 1e-3, 1e3, log=True, step=0.1),
        number("rate", "Learning rate", 0.1, 1e-4, 1.0, log=True, step=0.1),
        whole("steps", "Steps", 300, 2, 2000, log=True, unit="steps"),
        switch("wrong", "Show two wrong Adams too"),
    ),
    run=run,
    presets=(
        preset("guide", "A constant slope"),
        preset("steep", "A thousand times as steep: nothing changes", gradient=1000.0),
        preset("wrong-adam", "Two wrong Adams", wrong=True, steps=100),
    ),
    claims=(
        claim(
            "AdaGrad's rate only falls, as 1/√t, until learning stops.",
            "G4, optimisers",
            lambda result: math.isclose(
                result["AdaGrad's last step over its first"], result["1 over the root of the steps"], rel_tol=1e-4
            ),
        ),
        claim(
            "RMSProp mends it by forgetting: its steps stay as long as the rate.",
            "G4, optimisers",
            lambda result: math.isclose(result["RMSProp's last step over the rate"], 1, rel_tol=1e-3),
        ),
        claim(
            "With bias correction Adam's first step is as long as the rate, whatever the slope; without it, "
            "3.2 times as "
            "long; multiplied where the paper divides, 10 times.",
            "G2, chapter 5",
            lambda flat, steep: all(
                math.isclose(each["Adam's first step over the rate"], 1, rel_tol=1e-4)
                and math.isclose(each["first step without bias correction over the rate"], math.sqrt(10), rel_tol=1e-3)
                for each in (flat, steep)
            ),
            {},
            {"gradient": 1000.0},
            as_written="Without this correction, the estimates are biased toward zero at the start of training.",
        ),
    ),
)
