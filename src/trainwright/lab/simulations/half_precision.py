"""Gradients in sixteen bits: what underflows, what overflows, and what a loss scale saves."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import choice, claim, fact, line, number, preset, seed
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Result, Simulation, Table, Values, Verdict
from trainwright.lab.tiny import clusters, network
from trainwright.randomness import isolated

_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
LOST = 0.01
"""Share of the gradient's entries that underflow above which the step is another one."""
BINS = 40


def gradients(size: float, first: int) -> torch.Tensor:
    """Return all entries of the gradient of a real network, in float64, with a median size of `size`."""
    x, y = clusters(128, first)
    with isolated(first), torch.enable_grad():
        model = network(8, 4, width=32, depth=3)()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        parts = torch.autograd.grad(loss, list(model.parameters()))
    flat = torch.cat([part.reshape(-1).double() for part in parts])
    flat = flat[flat != 0]
    return flat * (size / float(flat.abs().median()))


def run(values: Values) -> Result:
    """Cast the scaled gradient, take the scale off again, and count what is gone."""
    kind = _TYPES[str(values["dtype"])]
    scale = 2.0 ** float(values["log_scale"])
    exact = gradients(10.0 ** float(values["log_size"]), int(values["seed"]))
    cast = (exact * scale).to(kind)
    back = cast.double() / scale
    lost = float((cast == 0).double().mean())
    over = float((~torch.isfinite(cast)).double().mean())
    kept = torch.isfinite(cast) & (cast != 0)
    error = float(((back - exact).abs() / exact.abs())[kept].median()) if bool(kept.any()) else math.nan
    info = torch.finfo(kind)
    least = info.smallest_normal * info.eps  # the smallest subnormal
    if over > 0:
        sign, text = (
            "error",
            f"{over:.1%} of the entries overflow to infinity: the scaler must skip this step and halve",
        )
    elif lost > LOST:
        sign, text = "error", f"{lost:.1%} of the gradient underflows to zero in {values['dtype']} (TW804)"
    else:
        sign, text = "healthy", f"{1 - lost:.1%} of the entries survive, to {error:.1e} of their size"
    places = torch.log10(exact.abs() * scale)
    edges = torch.linspace(-14, 8, BINS + 1, dtype=torch.float64)
    counts = torch.histogram(places.clamp(-14, 8), edges)[0]
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    one = torch.tensor(1.0, dtype=kind)
    return Result(
        verdict=Verdict(sign=sign, text=text),  # type: ignore[arg-type]
        plots=(
            plot(
                "sizes of the gradient's entries, times the scale",
                Axis(label="log₁₀ of the size", low=-14, high=8),
                Axis(label="entries"),
                [line("entries", counts.tolist(), "train", x=middles, style="bars")],
                keep=(0.0,),
                markers=(
                    Marker(x=math.log10(least), text=f"below: zero in {values['dtype']}", sign="error"),
                    Marker(
                        x=min(math.log10(info.max), 8.0), text=f"above: infinite in {values['dtype']}", sign="error"
                    ),
                ),
            ),
        ),
        tables=(
            Table(
                title="the types",
                columns=("type", "least above zero", "largest", "distance from 1 to the next"),
                rows=tuple(
                    (
                        name,
                        torch.finfo(each).smallest_normal * torch.finfo(each).eps,
                        torch.finfo(each).max,
                        torch.finfo(each).eps,
                    )
                    for name, each in _TYPES.items()
                ),
            ),
        ),
        evidence=(
            fact("share that underflows", lost, threshold=LOST),
            fact("share that overflows", over),
            fact("relative error of what is left", error),
            fact("least number above zero", least),
            fact("largest number", info.max),
            fact("1 + 1/512 in this type", float(one + torch.tensor(1 / 512, dtype=kind))),
        ),
        python=f"""import torch
from trainwright.lab.simulations.half_precision import gradients

exact = gradients({10.0 ** float(values["log_size"])!r}, {values["seed"]})
cast = (exact * {scale!r}).to(torch.{values["dtype"]})
print((cast == 0).double().mean().item(), (~torch.isfinite(cast)).double().mean().item())
""",
    )


SIMULATION = Simulation(
    name="half-precision",
    number=19,
    title="Sixteen bits: underflow and the loss scale",
    guide="G1 and G3, mixed precision",
    teaches="float16 has a narrow range: small gradients become zero unless the loss is scaled up, and too "
    "large a scale "
    "overflows. bfloat16 has the range of float32 and little precision.",
    parameters=(
        choice("dtype", "Type", "float16", {name: name for name in _TYPES}),
        number("log_size", "Typical gradient, log₁₀", -7.0, -12.0, 0.0, step=0.25),
        number("log_scale", "Loss scale, log₂", 0.0, 0.0, 40.0, step=1.0),
        seed(),
    ),
    run=run,
    presets=(
        preset("underflow", "float16 without a scale"),
        preset("scaled", "float16 with a scale of 65536", log_scale=16.0),
        preset("overflow", "Too large a scale", log_scale=38.0),
        preset("bfloat16", "bfloat16 needs no scale", dtype="bfloat16"),
    ),
    claims=(
        claim(
            "Small gradients underflow in float16; multiplying the loss by a large factor saves them.",
            "G1 and G3, mixed precision",
            lambda plain, scaled: plain["share that underflows"] > 0.2 and scaled["share that underflows"] < 0.001,
            {},
            {"log_scale": 16.0},
        ),
        claim(
            "float16 is prone to overflow: above 65504 there is only infinity.",
            "G1, mixed precision",
            lambda result: result["largest number"] == 65504 and result["share that overflows"] > 0,
            {"log_scale": 38.0},
        ),
        claim(
            "bfloat16 has the range of float32, and needs no loss scale.",
            "G1 and G3, mixed precision",
            lambda half, single: (
                half["share that underflows"] == 0 and 0.99 < half["largest number"] / single["largest number"] <= 1
            ),
            {"dtype": "bfloat16"},
            {"dtype": "float32"},
        ),
        claim(
            "bfloat16 has less precision: 1 + 1/512 is 1, where float16 still tells them apart.",
            "G1, mixed precision",
            lambda brain, half: brain["1 + 1/512 in this type"] == 1 and half["1 + 1/512 in this type"] > 1,
            {"dtype": "bfloat16"},
            {"dtype": "float16"},
        ),
    ),
)
