"""The learning-rate test on a real small network: sweep the rate upward, and hold it against the curvature."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import choice, claim, fact, line, preset, seed, whole
from trainwright.lab.curvature import sharpness
from trainwright.lab.framing import finite, plot
from trainwright.lab.schema import Axis, Marker, Result, Simulation, Values, Verdict
from trainwright.lab.tiny import clusters, network
from trainwright.parts.losses import cross_entropy
from trainwright.randomness import isolated
from trainwright.stages.find_lr import find_lr
from trainwright.tensors import computing_with


def run(values: Values) -> Result:
    """Sweep the rate of a training from tiny to huge, and compute the largest stable rate from the curvature."""
    first, optimizer = int(values["seed"]), str(values["optimizer"])
    data = clusters(512, first)
    make = network(8, 4, width=16, depth=2, activation="tanh")
    with isolated(first), computing_with(1), torch.enable_grad():
        model = make()
        found = find_lr(
            model,
            "cross_entropy",
            data,
            optimizer=optimizer,
            method="sweep",
            repeats=2,
            batch_size=32,
            steps=200,
            trial_steps=int(values["steps"]),
            seed=first,
            schedule="constant",
            threads=1,
            clip_norm=0.0,
        )
        weights = [each for each in model.parameters() if each.requires_grad]
        curvature = sharpness(lambda: cross_entropy(model(data[0]), data[1]), weights, first)
    limit = 2 / curvature if curvature > 0 else math.inf
    rates = [point.rate for point in found.curve]
    losses = [point.loss for point in found.curve]
    start = losses[0]
    markers = [Marker(x=limit, text="2 / sharpness at the start: SGD's limit", sign="note")]
    suggestion = found.suggestion
    if suggestion is not None:
        markers.append(Marker(x=suggestion, text=f"steepest: {suggestion:.2g}", sign="healthy"))
        text = (
            f"the loss falls fastest at a rate of {suggestion:.2g}; the curvature allows SGD {limit:.2g} at the start"
        )
    else:
        text = f"no rate can be named: {found.reason}"
    blown = next((rate for rate, loss in zip(rates, losses, strict=True) if not loss < 2 * start), math.inf)
    return Result(
        verdict=Verdict(sign="healthy" if suggestion is not None else "warning", text=text),
        plots=(
            plot(
                "the loss while the rate rises",
                Axis(label="learning rate", log=True),
                Axis(label="loss"),
                [line("training loss", losses, "train", x=rates, played=True)],
                most=3 * start,
                keep=(0.0,),
                markers=tuple(markers),
            ),
        ),
        evidence=(
            fact("rate of the steepest fall", suggestion if suggestion is not None else math.nan),
            fact("rate at which the loss doubles", blown),
            fact("sharpness at the start", curvature),
            fact("2 over the sharpness", limit),
            fact("lowest loss of the sweep", min(finite(losses))),
        ),
        python=f"""import torch
import trainwright as tw
from trainwright.lab.tiny import clusters, network

torch.manual_seed({first})
model = network(8, 4, width=16, depth=2, activation="tanh")()
print(tw.find_lr(
    model, "cross_entropy", clusters(512, {first}), optimizer={optimizer!r}, method="sweep", repeats=2, batch_size=32,
    steps=200, trial_steps={values["steps"]}, seed={first}, schedule="constant", clip_norm=0.0,
).suggestion)
""",
        frames=len(rates),
    )


SIMULATION = Simulation(
    name="rate-finder",
    number=30,
    title="Learning rate finder",
    guide="G2, chapter 4",
    teaches="Let the rate rise in one training: too low nothing moves, then the loss falls, then it explodes. "
    "The best is "
    "where it falls fastest, well before the explosion.",
    parameters=(
        choice("optimizer", "Optimizer", "sgd", {"sgd": "SGD", "momentum": "SGD + momentum", "adamw": "AdamW"}),
        whole("steps", "Steps of the sweep", 200, 60, 400),
        seed(),
    ),
    run=run,
    seconds=0.8,
    presets=(
        preset("sgd", "SGD"),
        preset("momentum", "Momentum", optimizer="momentum"),
        preset("adamw", "AdamW", optimizer="adamw"),
    ),
    claims=(
        claim(
            "The best rate is where the curve falls most steeply, before the loss starts exploding.",
            "G2, chapter 4",
            lambda result: result["rate of the steepest fall"] < result["rate at which the loss doubles"],
        ),
        claim(
            "Good rates for Adam lie far below those for SGD on the same network; what they are depends on "
            "the network: "
            "here SGD's is above 1e-2.",
            "G2, chapter 4",
            lambda sgd, adamw: (
                adamw["rate of the steepest fall"] < 0.5 * sgd["rate of the steepest fall"]
                and sgd["rate of the steepest fall"] > 1e-2
            ),
            {},
            {"optimizer": "adamw"},
            as_written="Good learning rates typically live between 1e-4 and 1e-2 for SGD, and around 3e-4 for Adam.",
        ),
    ),
)
