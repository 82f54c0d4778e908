"""The guide's first worked example, number by number: one weight going downhill, by torch's own SGD."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import claim, fact, line, number, preset, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Result, Simulation, Step, Table, Values, Verdict
from trainwright.parts.optimizers import CATALOGUE as OPTIMIZERS


def run(values: Values) -> Result:
    """Step L = (w - 3)^2 downhill and keep every number on the way."""
    rate, steps = float(values["rate"]), int(values["steps"])
    weight = torch.tensor(float(values["start"]), dtype=torch.float64, requires_grad=True)
    sgd = OPTIMIZERS["sgd"].factory([{"params": [weight]}], lr=rate, weight_decay=0.0)
    rows, made = [], []
    for step in range(steps):
        sgd.zero_grad()
        loss = (weight - 3) ** 2
        loss.backward()
        before, slope = weight.item(), weight.grad.item()  # type: ignore[union-attr]
        sgd.step()
        after = weight.item()
        rows.append((step, before, loss.item(), slope, after))
        made.append(
            Step(
                title=f"step {step + 1}",
                formula="w ← w − α · 2(w − 3)",
                worked=f"gradient = 2({before:.6g} − 3) = {slope:.6g}; w = {before:.6g} − {rate:g} × "
                f"({slope:.6g}) = {after:.6g}",
                numbers=(
                    fact("weight before", before),
                    fact("loss", loss.item()),
                    fact("gradient", slope),
                    fact("weight after", after),
                ),
            )
        )
        if not abs(after) < 1e12:
            break
    weights = [row[1] for row in rows] + [rows[-1][4]]
    factor = 1 - 2 * rate
    converges = abs(factor) < 1
    text = f"each step multiplies the distance to 3 by {factor:.4g}: after {len(rows)} steps w = {weights[-1]:.6g}"
    return Result(
        verdict=Verdict(
            sign="healthy" if converges else "error",
            text=text if converges else f"{'bounces for ever' if factor == -1 else 'diverges'}: {text}",
        ),
        plots=(
            plot(
                "the weight, step by step",
                Axis(label="step"),
                Axis(label="weight"),
                (line("w", weights, "sgd", played=True),),
                markers=(Marker(x=None, y=3.0, text="minimum at 3", sign="healthy"),),
                most=50.0,
                keep=(0.0, 3.0),
            ),
        ),
        tables=(Table(title="every number", columns=("step", "w", "loss", "gradient", "next w"), rows=tuple(rows)),),
        steps=tuple(made),
        evidence=(
            fact("first gradient", rows[0][3]),
            fact("weight after step 1", weights[1]),
            fact("second gradient", rows[1][3] if len(rows) > 1 else math.nan),
            fact("weight after step 2", weights[2] if len(weights) > 2 else math.nan),
            fact("factor per step", factor),
            fact("last weight", weights[-1]),
        ),
        python=f"""import torch

w = torch.tensor({values["start"]!r}, dtype=torch.float64, requires_grad=True)
for step in range({steps}):
    (gradient,) = torch.autograd.grad((w - 3) ** 2, w)
    with torch.no_grad():
        w -= {rate!r} * gradient
    print(step + 1, gradient.item(), w.item())
""",
        frames=len(made),
    )


SIMULATION = Simulation(
    name="scalar-descent",
    number=28,
    title="Worked example: one weight going downhill",
    guide="G4, gradient descent",
    teaches="The update rule with real numbers: slope, step, new weight, again.",
    parameters=(
        number("rate", "Learning rate α", 0.1, 0.01, 1.2, step=0.01),
        number("start", "Start w₀", 0.0, -10.0, 10.0, step=0.5),
        whole("steps", "Steps", 12, 1, 100, unit="steps"),
    ),
    run=run,
    presets=(
        preset("guide", "The guide's numbers"),
        preset("half", "α = 0.5 lands at once", rate=0.5),
        preset("one", "α = 1 bounces for ever", rate=1.0),
        preset("beyond", "α = 1.1 diverges", rate=1.1),
    ),
    claims=(
        claim(
            "From w = 0 the gradient is −6, and w becomes 0.6; there it is −4.8, and w becomes 1.08.",
            "G4, gradient descent",
            lambda result: (
                result["first gradient"] == -6
                and math.isclose(result["weight after step 1"], 0.6)
                and math.isclose(result["second gradient"], -4.8)
                and math.isclose(result["weight after step 2"], 1.08)
            ),
        ),
        claim(
            "It converges toward w = 3 with each step, by a factor of 0.8.",
            "G4, gradient descent",
            lambda result: math.isclose(result["factor per step"], 0.8) and abs(result["last weight"] - 3) < 0.01,
            {"steps": 40},
        ),
    ),
)
