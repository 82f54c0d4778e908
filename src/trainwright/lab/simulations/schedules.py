"""Schedules as real optimizers have them: the rate in `param_groups`, read out before every step."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler

from trainwright.lab.controls import claim, fact, folder, line, number, preset, switch, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Result, Role, Simulation, Values, Verdict
from trainwright.parts import optimizers
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.schedules import CATALOGUE, mark_steps
from trainwright.runs.reader import StoredRun, read_run
from trainwright.training.rates import Rates

MOST_STEPS = 5_000
"""Steps that are drawn at most: a longer run's schedule has the same shape."""
_WITHOUT_RUN = (("folder", ("",)),)
_SHOWN: tuple[tuple[str, str, Role, str], ...] = (
    ("constant", "constant", "reference", "dotted"),
    ("step", "step decay", "sgd", "solid"),
    ("cosine", "cosine", "momentum", "solid"),
    ("warmup_cosine", "warmup + cosine", "adam", "solid"),
    ("linear", "linear", "other", "dashed"),
    ("one_cycle", "one-cycle", "sixth", "dashed"),
    ("wsd", "warmup, stable, decay", "fifth", "dashdot"),
)


def _sgd(rate: float) -> torch.optim.Optimizer:
    spec = optimizers.CATALOGUE["sgd"]
    weight = torch.nn.Parameter(torch.zeros(1))
    return spec.factory([{"params": [weight]}], **resolve_options(spec.options, {"lr": rate}, "sgd"))


def rates_of(name: str, options: dict[str, float], rate: float, steps: int) -> list[float]:
    """Return the rates that a real optimizer has at each of `steps`, set as our training sets them."""
    spec = CATALOGUE[name]
    known = {key: value for key, value in options.items() if key in spec.options}
    moving = _sgd(rate)
    setter = Rates(moving, spec.factory(**known), planned_steps=steps)
    found = []
    for step in range(steps):
        setter.set(step)
        setter.performed += 1
        found.append(float(moving.param_groups[0]["lr"]))
    return found


def torch_cosine(rate: float, planned: int, calls: int) -> list[float]:
    """Return the rates of torch's CosineAnnealingLR before each of `calls` steps, `planned` being its T_max."""
    moving = _sgd(rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing is trained: the optimizer's own step changes no rate
        scheduler = lr_scheduler.CosineAnnealingLR(moving, T_max=planned)
        found = []
        for _ in range(calls):
            found.append(float(moving.param_groups[0]["lr"]))
            moving.step()
            scheduler.step()
    return found


def torch_step(rate: float, every: int, factor: float, calls: int, times: int) -> list[float]:
    """Return the rate before each of `calls` epochs where torch's StepLR is stepped `times` an epoch."""
    moving = _sgd(rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = lr_scheduler.StepLR(moving, step_size=every, gamma=factor)
        found = []
        for _ in range(calls):
            found.append(float(moving.param_groups[0]["lr"]))
            for _ in range(times):
                moving.step()
                scheduler.step()
    return found


def _of_run(stored: StoredRun, rate: float) -> tuple[float, float, float]:
    """Return a run's greatest rate, its epochs as planned, and its steps in an epoch."""
    logged, info = stored.chart.steps, stored.info
    steps = info.planned_steps or len(logged) or 1
    per_epoch = float(info.steps_per_epoch or steps)
    return max((each.rate for each in logged), default=rate), steps / per_epoch, per_epoch


def run(values: Values) -> Result:
    """Draw every chosen schedule over the epochs, and what stepping a per-epoch scheduler per batch does."""
    rate, epochs = float(values["rate"]), float(values["epochs"])
    per_epoch = float(values["steps_per_epoch"])
    stored = read_run(str(values["folder"])) if values["folder"] else None
    if stored is not None:
        rate, epochs, per_epoch = _of_run(stored, rate)
    steps = min(max(round(epochs * per_epoch), 1), MOST_STEPS)
    options = {
        "warmup": float(values["warmup"]) / 100,
        "every": float(values["every"]) / epochs,
        "factor": float(values["factor"]),
        "floor": float(values["floor"]),
    }
    never = options["every"] >= 1  # the run ends before the first drop
    chosen = [each for each in _SHOWN if values[each[0]]]
    x = [epochs * step / steps for step in range(steps)]
    lines, facts, marks = [], [], []
    for name, label, role, dash in chosen:
        taken = options if name in ("warmup_cosine", "wsd") else {**options, "warmup": 0.0}
        entry = "constant" if name == "step" and never else name
        found = rates_of(entry, taken, rate, steps)
        lines.append(line(label, found, role, x=x, dash=dash, style="steps" if name == "step" else "line"))
        facts += [fact(f"first rate, {name}", found[0]), fact(f"last rate, {name}", found[-1])]
        facts.append(fact(f"largest rate, {name}", max(found)))
        spec = CATALOGUE[entry]
        made = spec.factory(**{key: value for key, value in taken.items() if key in spec.options})
        marks += [Marker(x=epochs * step / steps, text=f"{label}: {what}") for step, what in mark_steps(made, steps)]
    verdict = Verdict(sign="healthy", text=f"{len(chosen)} schedules over {epochs:g} epochs of {per_epoch:g} batches")
    if not chosen:
        verdict = Verdict(sign="note", text="choose a schedule")
    if values["too_often"]:
        every = max(1, round(float(values["every"])))
        whole_epochs = max(round(epochs), 1)
        bug = torch_step(rate, every, options["factor"], whole_epochs, round(per_epoch))
        right = torch_step(rate, every, options["factor"], whole_epochs, 1)
        lines.append(line("StepLR stepped per batch", bug, "error", dash="dashed", style="steps"))
        gone = next((epoch for epoch, value in enumerate(bug) if value < rate * 1.001e-3), math.inf)
        facts.append(fact("epoch at which the rate is a thousandth, stepped per batch", gone, "epochs"))
        facts.append(
            fact(
                "epoch at which the rate is a thousandth, stepped per epoch",
                next((epoch for epoch, value in enumerate(right) if value < rate * 1.001e-3), math.inf),
                "epochs",
            )
        )
        verdict = Verdict(
            sign="error",
            text=f"stepped after every batch instead of every epoch, the rate is a thousandth by epoch {gone:g} and "
            "training stands still (TW603)",
        )
    last = max(round(epochs), 1)
    beyond = torch_cosine(rate, last, 2 * last + 1)
    facts += [
        fact("torch's cosine at epoch T - 1", beyond[last - 1]),
        fact("torch's cosine at epoch T", beyond[last]),
        fact("torch's cosine at epoch 2T", beyond[2 * last]),
    ]
    if stored is not None:
        logged = stored.chart.steps
        shown = logged[:: max(len(logged) // MOST_STEPS, 1)]
        name = Path(str(values["folder"])).name
        places = [record.step / per_epoch for record in shown]
        lines.append(line(f"logged by {name}", [each.rate for each in shown], "train", x=places, dash="dashdot"))
        facts += [
            fact("largest rate, your run", rate),
            fact("epochs, your run", epochs, "epochs"),
            fact("batches per epoch, your run", per_epoch),
        ]
        told = (
            f"{len(logged)} logged rates of {name} over its own {epochs:g} epochs; all schedules at its rate {rate:.3g}"
        )
        verdict = Verdict(sign="note", text=told)
    if values["beyond"]:
        lines.append(line("torch's cosine, stepped beyond T", beyond, "warning", dash="dotted"))
        verdict = Verdict(sign="warning", text=f"beyond T = {last} torch's cosine climbs again, to {beyond[-1]:.3g}")
    return Result(
        verdict=verdict,
        plots=(
            plot(
                "the learning rate at each epoch",
                Axis(label="epoch"),
                Axis(label="learning rate", log=bool(values["log"]), low=rate * 1e-5 if values["log"] else None),
                lines,
                keep=(0.0,),
                markers=tuple(marks),
            ),
        ),
        evidence=tuple(facts),
        python=f"""from trainwright.lab.simulations.schedules import rates_of

for name in {[name for name, *_ in chosen]!r}:
    rates = rates_of(name, {options!r}, {rate!r}, {steps})
    print(name, rates[0], max(rates), rates[-1])
""",
    )


SIMULATION = Simulation(
    name="schedules",
    number=11,
    title="Learning rate schedule viewer",
    guide="G2, chapter 6",
    teaches="Schedules trade big early steps against fine late ones. Count what a scheduler counts: stepped per batch "
    "instead of per epoch it ends training after a few epochs, and stepped beyond its end a cosine climbs again.",
    parameters=(
        *(
            switch(name, label[0].upper() + label[1:], name in ("step", "cosine", "warmup_cosine"))
            for name, label, _, _ in _SHOWN
        ),
        number("rate", "Full rate η₀", 0.1, 1e-6, 10.0, log=True, step=0.1, needs=_WITHOUT_RUN),
        whole("epochs", "Epochs", 100, 2, 300, log=True, needs=_WITHOUT_RUN),
        whole("steps_per_epoch", "Batches per epoch", 5, 1, 50, log=True, needs=_WITHOUT_RUN),
        number("warmup", "Warmup", 5, 0, 50, step=1, unit="%"),
        number("every", "Step decay every S", 30, 1, 300, step=1, unit="epochs"),
        number("factor", "Step decay's factor γ", 0.1, 0.01, 0.9, log=True, step=0.1),
        number("floor", "Least share of the rate", 0.0, 0.0, 0.5, step=0.01),
        switch("log", "Logarithmic rates"),
        switch("too_often", "Bug: a per-epoch scheduler stepped per batch"),
        switch("beyond", "Bug: stepped beyond the end"),
        folder("Your own run", "A run's folder: its logged rates, its epochs and its rate."),
    ),
    run=run,
    presets=(
        preset("guide", "Step, cosine, warmup + cosine"),
        preset("all", "All of them", **{name: True for name, *_ in _SHOWN}),
        preset("too-often", "Stepped per batch", too_often=True, cosine=False, warmup_cosine=False, log=True),
        preset("beyond", "Stepped beyond the end", beyond=True, step=False, warmup_cosine=False),
        preset("no-warmup", "Without warmup", warmup=0.0, step=False, cosine=False),
    ),
    seconds=0.05,
    claims=(
        claim(
            "Step decay by 0.1 at epochs 30, 60 and 90 of 100 leaves a thousandth of the rate.",
            "G2, chapter 6",
            lambda result: math.isclose(result["last rate, step"], 1e-4, rel_tol=1e-9),
        ),
        claim(
            "Cosine annealing ends at the least rate, which is zero where nothing else is asked for.",
            "G2, chapter 6",
            lambda result: (
                result["last rate, cosine"] < 1e-6 * 0.1 * 100 and result["torch's cosine at epoch T"] < 1e-12
            ),
        ),
        claim(
            "Warmup begins with a very small rate and rises to the full one; cosine decay to zero follows.",
            "G2, chapter 6",
            lambda result: (
                result["first rate, warmup_cosine"] < 0.05 * 0.1
                and result["largest rate, warmup_cosine"] > 0.099
                and result["last rate, warmup_cosine"] < 1e-5
            ),
        ),
        claim(
            "With T epochs, torch's cosine is stepped to zero only after the last epoch: epoch T - 1 still trains, and "
            "one that is stepped on climbs back to the full rate at 2T.",
            "G2, chapter 6",
            lambda result: (
                0 < result["torch's cosine at epoch T - 1"] < 1e-3 * 0.1
                and math.isclose(result["torch's cosine at epoch 2T"], 0.1, rel_tol=1e-6)
            ),
            as_written="η(t) = ηmin + ½(ηmax − ηmin)(1 + cos(π · t / T))",
        ),
        claim(
            "A per-epoch scheduler that is called every batch decays the rate far too fast.",
            "G3, common pitfalls",
            lambda result: (
                result["epoch at which the rate is a thousandth, stepped per batch"]
                < result["epoch at which the rate is a thousandth, stepped per epoch"] / 4
            ),
            {"too_often": True},
        ),
    ),
)
