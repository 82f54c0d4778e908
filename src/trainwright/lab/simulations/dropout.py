"""Dropout: what it switches off, what it scales up, and what it does to a small network that could memorise."""

from __future__ import annotations

import math

import torch
from torch import nn

from trainwright.lab.controls import claim, fact, line, number, preset, seed, switch, whole
from trainwright.lab.framing import linspace, plot
from trainwright.lab.schema import Axis, Result, Series, Simulation, Values, Verdict
from trainwright.lab.tiny import moons, network
from trainwright.lab.training import Plan, trained
from trainwright.randomness import isolated

MASKS = 400
"""Passes over which means are taken: of ones, to a few per cent."""


def run(values: Values) -> Result:
    """Send ones through torch's dropout, and train the same network with it and without."""
    share, units, first = float(values["share"]), int(values["units"]), int(values["seed"])
    ones = torch.ones(MASKS, units)
    with isolated(first), torch.no_grad():
        layer = nn.Dropout(share)
        layer.train()
        active = layer(ones)
        layer.eval()
        resting = layer(ones)
        spread = float(active.mean(1).std()) if MASKS > 1 else 0.0
        shares = linspace(0.0, 0.95, 20)
        spreads = []
        for each in shares:
            one = nn.Dropout(each)
            one.train()
            spreads.append(float(one(ones).mean(1).std()))
    zeros = float((active == 0).double().mean())
    kept = float(active.max())
    lines: list[Series] = []
    facts = []
    if values["train"]:
        for label, dropout, role, dash in (
            ("without dropout", 0.0, "reference", "dotted"),
            (f"dropout {share:g}", share, "validation", "solid"),
        ):
            plan = Plan(
                name=label,
                make=network(2, 2, width=128, depth=2, dropout=dropout),
                train=moons(60, first, flipped=0.15),
                validation=moons(400, first + 1),
                settings={
                    "lr": 0.01,
                    "optimizer": "adamw",
                    "schedule": "constant",
                    "batch_size": 30,
                    "weight_decay": 0.0,
                    "level": "off",
                },
                steps=300,
                every=15,
                seed=first,
            )
            state = trained(plan)
            for split, style in (("train", "dashed"), ("validation", dash)):
                records = state.evaluated(split)
                lines.append(
                    line(
                        f"{split}, {label}",
                        [each.loss for each in records],
                        role if split == "validation" else "train",  # type: ignore[arg-type]
                        x=[float(each.step) for each in records],
                        dash=style,
                    )
                )
                facts.append(fact(f"last {split} loss, {'with' if dropout else 'without'} dropout", state.last(split)))
    sign, text = "healthy", f"{zeros:.1%} of the units are off, the others times {kept:.3g}: on average nothing changes"
    if share > 0.5:
        sign, text = (
            "warning",
            f"{zeros:.1%} of the units are off in every pass: more than most networks can bear (TW412)",
        )
    plots = [
        plot(
            "how much the sum over the units shakes from mask to mask",
            Axis(label="dropout"),
            Axis(label="standard deviation of the mean unit"),
            [
                line("measured", spreads, "train", x=shares, style="points"),
                line(
                    "√(p / (1−p) / units)",
                    [math.sqrt(p / (1 - p) / units) for p in shares],
                    "reference",
                    x=shares,
                    dash="dotted",
                ),
            ],
            keep=(0.0,),
        )
    ]
    if lines:
        plots.append(
            plot(
                "a small network that could memorise",
                Axis(label="step"),
                Axis(label="loss"),
                lines,
                most=4.0,
                keep=(0.0,),
            )
        )
    return Result(
        verdict=Verdict(sign=sign, text=text),  # type: ignore[arg-type]
        plots=tuple(plots),
        evidence=(
            fact("share of units that are off in training", zeros),
            fact("factor on those that are on", kept),
            fact("mean of the units in training", float(active.mean())),
            fact("mean of the units in evaluation", float(resting.mean())),
            fact("spread over the masks", spread),
            *facts,
        ),
        python=f"""import torch
from torch import nn

layer = nn.Dropout({share!r})
print(layer(torch.ones(8)), layer.eval()(torch.ones(8)))
""",
    )


SIMULATION = Simulation(
    name="dropout",
    number=24,
    title="Dropout",
    guide="G0, G1 and G4, regularization",
    teaches="In training a share of the units is off and the rest is scaled up, so that the average stays; in "
    "evaluation all "
    "are on. The price is noise, the gain that no unit can rely on another.",
    parameters=(
        number("share", "Share that is off", 0.2, 0.0, 0.95, step=0.05),
        whole("units", "Units", 64, 4, 512, log=True),
        switch("train", "Train a small network too"),
        seed(),
    ),
    run=run,
    seconds=0.1,
    presets=(
        preset("guide", "0.2, as recommended"),
        preset("strong", "0.9: too strong", share=0.9),
        preset("memorise", "Against memorising", share=0.5, train=True),
    ),
    claims=(
        claim(
            "Dropout randomly disables units in training, scales up the rest so that the mean stays, and does "
            "nothing in "
            "evaluation.",
            "G0, key takeaways",
            lambda result: (
                abs(result["share of units that are off in training"] - 0.2) < 0.02
                and math.isclose(result["factor on those that are on"], 1.25)
                and abs(result["mean of the units in training"] - 1) < 0.02
                and result["mean of the units in evaluation"] == 1
            ),
        ),
        claim(
            "It keeps a small network from memorising: the training loss stays higher, the validation loss ends lower.",
            "G0, key takeaways; G4",
            lambda result: (
                result["last train loss, with dropout"] > result["last train loss, without dropout"]
                and result["last validation loss, with dropout"] < result["last validation loss, without dropout"]
            ),
            {"share": 0.5, "train": True},
        ),
    ),
)
