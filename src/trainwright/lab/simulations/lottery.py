"""The training lottery: one network, one set of data, three learning rates, and what the doctor says of each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trainwright.lab.controls import choice, claim, fact, line, number, preset, seed, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import (
    Axis,
    Cancelled,
    Dash,
    Result,
    Role,
    Series,
    Sign,
    Simulation,
    Table,
    Values,
    Verdict,
)
from trainwright.lab.tiny import clusters, moons, network
from trainwright.lab.training import Plan, Trained, trainings

_FIELDS: tuple[tuple[str, Role, Dash], ...] = (
    ("low", "sgd", "dotted"),
    ("middle", "momentum", "solid"),
    ("high", "adam", "dashed"),
)
_WORST_FIRST: tuple[Sign, ...] = ("error", "warning", "note", "healthy")
_DATA = {"moons": "two half moons", "clusters": "four clouds"}
_WORDS: dict[Sign, str] = {"healthy": "good", "note": "good", "warning": "slow or unsteady", "error": "diverged"}


def _plan(values: Values, name: str) -> Plan:
    points = 256
    first = int(values["seed"])
    if values["data"] == "moons":
        train, validation, inputs, outputs = moons(points, first), moons(points, first + 1), 2, 2
    else:
        train, validation, inputs, outputs = clusters(points, first), clusters(points, first + 1), 8, 4
    return Plan(
        name=name,
        make=network(inputs, outputs, width=16, activation="tanh"),
        train=train,
        validation=validation,
        settings={
            "lr": float(values[name]),
            "optimizer": str(values["optimizer"]),
            "schedule": "constant",
            "batch_size": 32,
            "clip_norm": 0.0,
            "weight_decay": 0.0,
        },
        steps=int(values["steps"]),
        every=10,
        seed=first,
        train_too=False,
    )


def outcome(state: Trained) -> tuple[Sign, str]:
    """Return how a training went, in the doctor's words where it has any."""
    rate = [finding for finding in state.findings if finding.kind.startswith("learning-rate")]
    found = rate[0] if rate else next(iter(state.findings), None)
    if state.diverged:
        return "error", "diverged: " + (found.title if found else state.diverged)
    if found is None or found.severity == "note":
        return "healthy", "good: " + (
            f"only a note, {found.code} {found.title}" if found else "the doctor finds nothing"
        )
    return found.severity, f"{found.code} {found.title}"


def _result(values: Values, states: dict[str, Trained], *, progress: float, done: bool, stopped: bool) -> Result:
    judged = {name: outcome(state) for name, state in states.items() if state.done}
    series: list[Series] = []
    for name, role, dash in _FIELDS:
        if name in states:
            records = states[name].evaluated("validation")
            label = f"{name} rate, η = {values[name]:g}" + (f": {_WORDS[judged[name][0]]}" if name in judged else "")
            steps = [float(record.step) for record in records]
            series.append(line(label, [record.loss for record in records], role, x=steps, dash=dash, played=True))
    first = max((line.y[0] for line in series if line.y), default=1.0)
    if stopped:
        verdict = Verdict(sign="note", text="stopped before the end")
    elif not done:
        verdict = Verdict(sign="note", text="training")
    else:
        signs = {each[0] for each in judged.values()}
        worst: Sign = next(sign for sign in _WORST_FIRST if sign in {*signs, "healthy"})
        said = "; ".join(f"η = {values[name]:g} {judged[name][1]}" for name, _, _ in _FIELDS if name in judged)
        verdict = Verdict(sign=worst, text=said)
    constant = next((state.chart.info.constant_loss for state in states.values()), None)
    if constant is not None and series:
        end = float(values["steps"])
        series.append(
            Series(name="a constant guess", x=(0.0, end), y=(constant, constant), role="reference", dash="dotted")
        )
    return Result(
        verdict=verdict,
        plots=(plot("validation loss", Axis(label="step"), Axis(label="loss"), series, most=3 * first, keep=(0.0,)),),
        tables=(
            Table(
                title="three rates, one network",
                columns=("rate", "last validation loss", "verdict"),
                rows=tuple(
                    (float(values[name]), states[name].last("validation"), text) for name, (_, text) in judged.items()
                ),
                signs=tuple(sign for sign, _ in judged.values()),
            ),
        ),
        evidence=tuple(
            item
            for name, state in states.items()
            if state.done
            for item in (
                fact(f"last validation loss, {name}", state.last("validation")),
                fact(f"findings, {name}", ", ".join(finding.kind for finding in state.findings) or "none"),
                fact(f"diverged, {name}", state.diverged is not None or state.last("validation") > 2 * first),
            )
        ),
        python=_python(values),
        frames=max((len(line.x) for line in series), default=0),
        frame_label="evaluation",
        progress=progress,
        done=done,
    )


def _python(values: Values) -> str:
    data = "moons(256, {0})" if values["data"] == "moons" else "clusters(256, {0})"
    sizes = (2, 2) if values["data"] == "moons" else (8, 4)
    first = int(values["seed"])
    return f"""import torch
import trainwright as tw
from trainwright.lab.tiny import clusters, moons, network

for lr in ({values["low"]!r}, {values["middle"]!r}, {values["high"]!r}):
    torch.manual_seed({first})
    model = network({sizes[0]}, {sizes[1]}, activation="tanh")()
    run = tw.fit(
        model, {data.format(first)}, {data.format(first + 1)}, optimizer={values["optimizer"]!r}, lr=lr,
        schedule="constant", batch_size=32, clip_norm=0.0, weight_decay=0.0, steps={values["steps"]},
        seed={first},
    )
    print(lr, run.outcome.status, run.outcome.best, [finding.kind for finding in run.findings])
"""


def live(values: Values, cancelled: Cancelled) -> Iterator[Result]:
    """Train the three one after the other, and show each as it goes."""
    states: dict[str, Trained] = {}
    total = len(_FIELDS) * int(values["steps"])
    for place, (name, _, _) in enumerate(_FIELDS):
        for state in trainings(_plan(values, name)):
            states[name] = state
            if cancelled():
                yield _result(values, states, progress=1.0, done=True, stopped=True)
                return
            made = place * int(values["steps"]) + len(state.chart.steps)
            if not (state.done and place == len(_FIELDS) - 1):
                yield _result(values, states, progress=made / total, done=False, stopped=False)
    yield _result(values, states, progress=1.0, done=True, stopped=False)


def run(values: Values) -> Result:
    """Train all three to the end."""
    *_, last = live(values, lambda: False)
    return last


_BAD = math.log(2) * 0.9

SIMULATION = Simulation(
    name="training-lottery",
    number=4,
    title="The training lottery",
    guide="G2, chapter 0",
    teaches="The same network on the same data: one number decides whether it learns, crawls or blows up.",
    parameters=(
        number("low", "First rate", 1e-4, 1e-5, 1000.0, log=True, step=0.1),
        number("middle", "Second rate", 0.3, 1e-5, 1000.0, log=True, step=0.1),
        number("high", "Third rate", 100.0, 1e-5, 1000.0, log=True, step=0.1),
        choice("optimizer", "Optimizer", "sgd", {"sgd": "SGD", "momentum": "SGD + momentum", "adamw": "AdamW"}),
        choice("data", "Data", "moons", _DATA),
        whole("steps", "Steps", 400, 50, 2000, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    live=live,
    seconds=1.5,
    presets=(
        preset("lottery", "Three tickets"),
        preset("adamw", "Three rates for AdamW", optimizer="adamw", low=1e-5, middle=0.01, high=100.0),
        preset("lower-is-not-safer", "Lower, lower, and lower still", low=1e-5, middle=1e-4, high=0.3),
        preset("close", "Three rates that all work", low=0.1, middle=0.3, high=1.0),
    ),
    claims=(
        claim(
            "The difference between a network that works and one that does not is often a single number.",
            "G2, chapter 0",
            lambda result: (
                result["last validation loss, middle"] < 0.4
                and result["last validation loss, low"] > _BAD
                and result["diverged, high"]
            ),
        ),
        claim(
            "A lower rate is not always safer: at 1e-5 and 1e-4 the network has learnt next to nothing when "
            "0.3 is done.",
            "G0, common misconceptions",
            lambda result: (
                min(result["last validation loss, low"], result["last validation loss, middle"]) > _BAD
                and result["last validation loss, high"] < 0.4
            ),
            {"low": 1e-5, "middle": 1e-4, "high": 0.3},
        ),
        claim(
            "There is no error message for a rate that is too high in plain PyTorch; the doctor gives one.",
            "G2, chapter 0",
            lambda result: "learning-rate-too-high" in result["findings, high"],
            as_written="There's no error message that says 'your learning rate is too high.'",
        ),
    ),
)
