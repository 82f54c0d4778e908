"""Off a saddle: noise gets a descent going, and why high dimensions are full of saddles and poor in minima."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import OPTIMIZERS, choice, claim, fact, line, number, preset, role_of, seed, whole
from trainwright.lab.descent import descend
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Simulation, Values, Verdict
from trainwright.lab.surfaces import SURFACES, field, minima, path
from trainwright.randomness import generator

ESCAPED = 0.2
"""Height below the saddle's at which a descent is on its way to a minimum; the minima lie 0.25 below."""
MATRICES = 2_000
"""Random symmetric matrices for each dimension."""
_DIMENSIONS = (1, 2, 3, 4, 5, 6)


def share_of_minima(dimension: int, first: int) -> float:
    """Return the share of random symmetric matrices, as curvatures of a critical point, that curve upward everywhere.

    Entries are normal, as in the Gaussian orthogonal ensemble; a model of a landscape, not a landscape.
    """
    draws = generator(first, "saddle", dimension)
    matrices = torch.randn(MATRICES, dimension, dimension, generator=draws, dtype=torch.float64)
    curvatures = torch.linalg.eigvalsh((matrices + matrices.transpose(1, 2)) / 2)
    return float((curvatures > 0).all(1).double().mean())


def run(values: Values) -> Result:
    """Start on the ridge that leads into the saddle, with noise and without."""
    surface, name = SURFACES["saddle"], str(values["optimizer"])
    start = (surface.start[0], float(values["offset"]))
    steps, rate, first = int(values["steps"]), float(values["rate"]), int(values["seed"])
    found = {}
    for label, noise in (("without noise", 0.0), ("with noise", float(values["noise"]))):
        (found[label],) = descend(surface.at(1.0), start, name, [rate], steps, noise=noise, seed=first)
    out = {
        label: next((step for step, loss in enumerate(each.losses) if loss < 0.25 - ESCAPED), math.inf)
        for label, each in found.items()
    }
    shares = [share_of_minima(dimension, first) for dimension in _DIMENSIONS]
    stuck = out["without noise"] == math.inf
    text = (
        f"without noise it {'sits on the saddle' if stuck else 'leaves at step ' + str(out['without noise'])}; "
        "with noise it "
        + ("does not leave either" if out["with noise"] == math.inf else f"leaves at step {out['with noise']:.0f}")
    )
    return Result(
        verdict=Verdict(sign="warning" if out["with noise"] == math.inf else "healthy", text=text),
        fields=(
            field(
                surface.title,
                surface.at(1.0),
                surface.window,
                log=False,
                paths=[
                    path(found["without noise"], "without noise", "reference", dash="dotted"),
                    path(found["with noise"], "with noise", role_of(name)),
                ],
                markers=minima(surface),
            ),
        ),
        plots=(
            plot(
                "the loss on the way",
                Axis(label="step"),
                Axis(label="loss"),
                [
                    line("without noise", found["without noise"].losses, "reference", dash="dotted", played=True),
                    line("with noise", found["with noise"].losses, role_of(name), played=True),
                ],
                most=10.0,
            ),
            plot(
                "critical points that are minima, by dimension (random curvatures)",
                Axis(label="dimensions"),
                Axis(label="share"),
                [line("share of minima", shares, "train", x=[float(each) for each in _DIMENSIONS], style="points")],
                keep=(0.0,),
            ),
        ),
        evidence=(
            fact("step at which it leaves without noise", out["without noise"]),
            fact("step at which it leaves with noise", out["with noise"]),
            *(fact(f"share of minima in {d} dimensions", each) for d, each in zip(_DIMENSIONS, shares, strict=True)),
            fact("diverged", any(each.diverged for each in found.values())),
        ),
        python=f"""from trainwright.lab.descent import descend
from trainwright.lab.surfaces import SURFACES

saddle = SURFACES["saddle"]
for noise in (0.0, {values["noise"]!r}):
    (descent,) = descend(saddle.at(1.0), {start!r}, {name!r}, [{rate!r}], {steps}, noise=noise, seed={first})
    print(noise, descent.points[-1], descent.losses[-1])
""",
        frames=steps + 1,
    )


SIMULATION = Simulation(
    name="saddle",
    number=21,
    title="Saddle escape",
    guide="G4, saddle points and local minima",
    teaches="Exactly on the ridge a descent runs into the saddle and stays; the least noise gets it off. In "
    "many dimensions "
    "nearly every critical point has some way down.",
    parameters=(
        choice("optimizer", "Optimizer", "sgd", OPTIMIZERS),
        number("rate", "Learning rate", 0.1, 0.001, 1.0, log=True, step=0.1),
        number("noise", "Noise of the gradient", 0.05, 0.0, 1.0, step=0.01),
        number("offset", "Start beside the ridge", 0.0, -0.5, 0.5, step=0.01),
        whole("steps", "Steps", 120, 10, 500, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    presets=(
        preset("ridge", "Exactly on the ridge"),
        preset("beside", "A hair beside it", offset=0.01),
        preset("no-noise", "No noise at all", noise=0.0),
    ),
    claims=(
        claim(
            "On a saddle plain descent stays for ever; the noise of mini-batches gets it off.",
            "G4, saddle points and local minima",
            lambda result: (
                result["step at which it leaves without noise"] == math.inf
                and result["step at which it leaves with noise"] < 120
            ),
        ),
        claim(
            "A point where every dimension curves upward gets rare with the dimensions: under one in a "
            "hundred from four "
            "on, for random curvatures.",
            "G4, saddle points and local minima",
            lambda result: (
                result["share of minima in 1 dimensions"] > 0.4 and result["share of minima in 4 dimensions"] < 0.01
            ),
            as_written="In a billion-dimensional space, a point where every dimension points upward is "
            "extraordinarily rare.",
        ),
    ),
)
