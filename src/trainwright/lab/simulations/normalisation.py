"""What each normalisation takes its mean over, what evaluation changes, and who depends on the rest of the batch."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import choice, claim, fact, preset, seed, switch, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Series, Simulation, Table, Values, Verdict
from trainwright.parts.norms import CATALOGUE
from trainwright.randomness import generator, isolated

CHANNELS, SIDE = 8, 4
_AXES = {"batch": (0, 2, 3), "layer": (1, 2, 3), "instance": (2, 3)}


def _batch(count: int, first: int) -> torch.Tensor:
    """Return images `(count, 8, 4, 4)`; every sample and every channel has a level and a contrast of its own."""
    draws = generator(first, "normalisation")
    level = torch.randn(count, CHANNELS, 1, 1, generator=draws) + 3 * torch.randn(1, CHANNELS, 1, 1, generator=draws)
    contrast = 0.5 + torch.rand(count, CHANNELS, 1, 1, generator=draws)
    return level + contrast * torch.randn(count, CHANNELS, SIDE, SIDE, generator=draws)


def _off(values: torch.Tensor, axes: tuple[int, ...]) -> float:
    """Return how far the means over `axes` are from 0 and the deviations from 1, the worst of them."""
    mean = values.mean(axes).abs().max()
    deviation = (values.std(axes, correction=0) - 1).abs().max()
    return float(torch.maximum(mean, deviation))


def run(values: Values) -> Result:
    """Normalise a batch, and another with the same first sample among other company."""
    name, count, first = str(values["norm"]), int(values["batch"]), int(values["seed"])
    x = _batch(count, first)
    with isolated(first), torch.no_grad():
        layer = CATALOGUE[name].factory(CHANNELS, 2)
        layer.train()
        for number in range(50 if values["warmed"] else 0):
            layer(_batch(32, first + 1 + number))
        if values["evaluation"]:
            layer.eval()
        y = layer(x)
        company = torch.cat([x[:1], _batch(count, first + 999)[1:] * 3 + 5]) if count > 1 else x
        moved = float((layer(company)[0] - y[0]).abs().max())
    rows = tuple(
        (
            f"sample {sample + 1}",
            *(float(y[sample, channel].mean()) for channel in range(min(CHANNELS, 4))),
        )
        for sample in range(min(count, 4))
    )
    offs = {kind: _off(y, axes) for kind, axes in _AXES.items()}
    groups = y.unflatten(1, (2, CHANNELS // 2))
    offs["group"] = _off(groups, (2, 3, 4))
    depends = moved > 1e-4
    mode = "evaluation" if values["evaluation"] else "training"
    text = f"{CATALOGUE[name].summary}; in {mode} mode a sample's output " + (
        f"changes by up to {moved:.2g} with its company" if depends else "does not depend on its company"
    )
    weak = depends and count <= 4
    bars = [
        Series(
            name=f"channel {channel + 1}",
            x=tuple(float(sample + 1) for sample in range(min(count, 16))),
            y=tuple(float(y[sample, channel].mean()) for sample in range(min(count, 16))),
            role=role,
            style="points",
        )
        for channel, role in zip(range(4), ("sgd", "momentum", "adam", "other"), strict=True)
    ]
    return Result(
        verdict=Verdict(sign="warning" if weak else "healthy", text=text),
        plots=(
            plot("mean of each map after the layer", Axis(label="sample"), Axis(label="mean"), bars, keep=(-1.0, 1.0)),
        ),
        tables=(
            Table(
                title="mean of each map after the layer",
                columns=("", *(f"channel {c + 1}" for c in range(4))),
                rows=rows,
            ),
        ),
        evidence=(
            *(
                fact(f"distance from mean 0 and deviation 1, over the axes of {kind}", off)
                for kind, off in offs.items()
            ),
            fact("change of a sample by its company", moved),
            fact("depends on the batch", depends),
        ),
        python=f"""import torch
from trainwright.parts.norms import CATALOGUE

layer = CATALOGUE[{name!r}].factory({CHANNELS}, 2){".eval()" if values["evaluation"] else ""}
y = layer(3 + 2 * torch.randn({count}, {CHANNELS}, {SIDE}, {SIDE}))
print(y.mean((0, 2, 3)), y.mean((1, 2, 3)), y.mean((2, 3)))
""",
    )


SIMULATION = Simulation(
    name="normalisation",
    number=17,
    title="Normalisation: over which axes",
    guide="G3, normalization layers",
    teaches="Batch norm takes each channel over the batch, so a sample's output depends on its company, until "
    "eval() puts "
    "running statistics in their place. Layer, group and instance norm look at one sample alone.",
    parameters=(
        choice("norm", "Normalisation", "batch", {name: f"{name} norm" for name in CATALOGUE if name != "none"}),
        whole("batch", "Samples in the batch", 16, 2, 64, log=True),
        switch("evaluation", "In evaluation mode"),
        switch("warmed", "After 50 batches of training", True),
        seed(),
    ),
    run=run,
    presets=(
        preset("batch", "Batch norm"),
        preset("batch-eval", "Batch norm in evaluation", evaluation=True),
        preset("batch-cold", "Evaluation before any training", evaluation=True, warmed=False),
        preset("batch-tiny", "Batch norm on two samples", batch=2),
        preset("layer", "Layer norm", norm="layer"),
        preset("group", "Group norm", norm="group"),
        preset("instance", "Instance norm", norm="instance"),
    ),
    claims=(
        *(
            claim(
                f"{name.capitalize()} norm normalises over {axes}.",
                "G3, normalization layers",
                lambda result, kind=name: (
                    result[f"distance from mean 0 and deviation 1, over the axes of {kind}"] < 0.01
                ),
                {"norm": name},
            )
            for name, axes in (
                ("batch", "(N, H, W) for each channel"),
                ("layer", "(C, H, W) for each sample"),
                ("group", "groups of channels of each sample"),
                ("instance", "(H, W) for each channel of each sample"),
            )
        ),
        claim(
            "Of the four only batch norm depends on the batch.",
            "G3, normalization layers",
            lambda batch, *others: batch["depends on the batch"] and not any(o["depends on the batch"] for o in others),
            *({"norm": name} for name in ("batch", "layer", "group", "instance")),
        ),
        claim(
            "In evaluation mode batch norm uses running statistics, and no sample depends on its company.",
            "G3, normalization layers",
            lambda result: not result["depends on the batch"],
            {"evaluation": True},
        ),
        claim(
            "Layer norm does not care how many samples there are.",
            "G3, normalization layers",
            lambda two, many: (
                math.isclose(two["change of a sample by its company"], 0, abs_tol=1e-6)
                and math.isclose(many["change of a sample by its company"], 0, abs_tol=1e-6)
            ),
            {"norm": "layer", "batch": 2},
            {"norm": "layer", "batch": 64},
        ),
    ),
)
