"""An elongated bowl under SGD, momentum and Adam, with what each optimizer keeps in its own state."""

from __future__ import annotations

import math

from trainwright import defaults
from trainwright.lab.controls import (
    DASHES,
    choice,
    claim,
    fact,
    line,
    number,
    preset,
    role_of,
    steps_of,
    steps_told,
    switch,
    whole,
)
from trainwright.lab.descent import Descent, descend
from trainwright.lab.framing import finite, plot
from trainwright.lab.schema import Axis, Dash, Marker, Plot, Result, Role, Simulation, Table, Values, Verdict
from trainwright.lab.surfaces import SURFACES, field, path

CLOSE = 1e-3
"""Share of the first distance that is left when a descent counts as arrived."""
_UNTUNED = (("tuned", (False,)),)
_NAMES = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam"}


def best_rates(ratio: float) -> tuple[float, float, float]:
    """Return SGD's best rate on curvatures 1 and `ratio`, and the best rate and momentum of the heavy ball.

    2 / (L + m), which contracts by (k - 1) / (k + 1) a step; and 4 / (sqrt L + sqrt m)^2 with ((sqrt k - 1) / (sqrt k +
    1))^2, which contracts by (sqrt k - 1) / (sqrt k + 1). Source: Polyak 1964.
    """
    root = math.sqrt(ratio)
    return 2 / (1 + ratio), 4 / (1 + root) ** 2, ((root - 1) / (root + 1)) ** 2


def _arrived(descent: Descent) -> float:
    """Return the first step after which the distance stays within `CLOSE` of the first one."""
    gaps = [math.hypot(*point) for point in descent.points]
    if descent.diverged or gaps[-1] > CLOSE * gaps[0]:
        return math.inf
    late = [step for step, gap in enumerate(gaps) if gap > CLOSE * gaps[0]]
    return late[-1] + 1


def _state_plots(descents: dict[str, Descent]) -> tuple[Plot, Plot]:
    """Return what momentum and Adam keep along the steep weight, read out of their own state."""
    lines = []
    momentum, adam = descents["momentum"], descents["adam"]
    kept = "velocity" if momentum.optimizer == "classical_momentum" else "momentum_buffer"
    steps = [float(step + 1) for step in range(max(len(momentum.state), len(adam.state)))]
    kinds: tuple[tuple[str, str, Descent, Role, Dash], ...] = (
        (kept, "velocity v of momentum", momentum, "momentum", "solid"),
        ("exp_avg", "mean m of Adam", adam, "adam", "dashed"),
    )
    for name, label, descent, role, dash in kinds:
        values = [state[name][1] for state in descent.state if name in state]
        lines.append(line(label, values, role, x=steps[: len(values)], dash=dash, played=True))
    squares = [state["exp_avg_sq"][1] for state in adam.state]
    beta2 = defaults.ADAM_BETA2.value
    corrected = [value / (1 - beta2 ** (step + 1)) for step, value in enumerate(squares)]
    squared = [
        line("mean of squares v of Adam", squares, "fifth", x=steps[: len(squares)], dash="dashed", played=True),
        line("v̂ of Adam, bias corrected", corrected, "other", x=steps[: len(corrected)], played=True),
    ]
    return (
        plot(
            "what the optimizers keep of the slope, along the steep weight",
            Axis(label="step"),
            Axis(label="value"),
            lines,
            most=1e5,
        ),
        plot(
            "what Adam keeps of its squares",
            Axis(label="step"),
            Axis(label="value", log=True),
            squared,
            keep=(max([*finite(corrected), 1.0]),),
        ),
    )


def run(values: Values) -> Result:
    """Descend f = (x^2 + ratio y^2) / 2 by three optimizers, each at a rate of its own."""
    ratio, steps = float(values["ratio"]), int(values["steps"])
    plain, heavy, mu = best_rates(ratio)
    tuned = bool(values["tuned"])
    rates = {
        "sgd": plain if tuned else float(values["sgd_rate"]),
        "momentum": heavy if tuned else float(values["momentum_rate"]),
        "adam": float(values["adam_rate"]),
    }
    momentum = mu if tuned else float(values["momentum"])
    surface, form = SURFACES["bowl"], str(values["form"])
    drop = int(values["drop_at"])
    multiple = (lambda step: 0.1 if step >= drop else 1.0) if drop else None
    descents = {}
    for name, optimizer in (("sgd", "sgd"), ("momentum", form), ("adam", "adam")):
        options = {"momentum": momentum} if name == "momentum" else {}
        (descents[name],) = descend(
            surface.at(ratio), surface.start, optimizer, [rates[name]], steps, options=options, multiple=multiple
        )
    arrived = {name: _arrived(descent) for name, descent in descents.items()}
    counts = {name: steps_told(count, steps) for name, count in arrived.items()}
    turns = {name: descent.reversals(1) for name, descent in descents.items()}
    factors = {"sgd": (ratio - 1) / (ratio + 1), "momentum": (math.sqrt(ratio) - 1) / (math.sqrt(ratio) + 1)}
    limit = 2 / ratio
    lost = [name for name, descent in descents.items() if descent.diverged or descent.losses[-1] > descent.losses[0]]
    if lost:
        verdict = Verdict(
            sign="error",
            text=f"{' and '.join(_NAMES[name] for name in lost)} diverged: SGD is stable below 2/{ratio:g} = "
            f"{limit:.3g}",
        )
    else:
        order = sorted(arrived, key=lambda name: (arrived[name], descents[name].losses[-1]))
        said = ", ".join(f"{_NAMES[name]} {count}" for name, count in turns.items())
        text = f"{_NAMES[order[0]]} came lowest; turns back across the valley: {said}"
        if math.isfinite(arrived[order[0]]):
            text = (
                f"{_NAMES[order[0]]} arrived first, in {counts[order[0]]} steps; turns back across the valley: {said}"
            )
        if tuned and ratio > 1:
            text += ". At the rates that contract fastest SGD and momentum both turn at nearly every step"
        verdict = Verdict(sign="healthy", text=text)
    window = surface.window
    return Result(
        verdict=verdict,
        fields=(
            field(
                f"a bowl {ratio:g} times as steep across as along",
                surface.at(ratio),
                window,
                paths=[
                    path(descent, _NAMES[name], role_of(name), dash=DASHES[name]) for name, descent in descents.items()
                ],
                markers=(Marker(x=0.0, y=0.0, text="minimum", sign="healthy"),),
            ),
        ),
        plots=(
            plot(
                "the loss on the way",
                Axis(label="step"),
                Axis(label="loss", log=True),
                [
                    line(_NAMES[name], each.losses, role_of(name), dash=DASHES[name], played=True)
                    for name, each in descents.items()
                ],
                most=1e4 * descents["sgd"].losses[0],
            ),
            *_state_plots(descents),
        ),
        tables=(
            Table(
                title="rates, and how fast they contract",
                columns=("optimizer", "rate", "momentum", "factor per step at best", "steps to a thousandth"),
                rows=(
                    ("SGD", rates["sgd"], 0.0, factors["sgd"], counts["sgd"]),
                    ("momentum", rates["momentum"], momentum, factors["momentum"], counts["momentum"]),
                    ("Adam", rates["adam"], None, None, counts["adam"]),
                ),
            ),
        ),
        evidence=(
            fact("largest stable rate of SGD", limit),
            fact("best factor of SGD", factors["sgd"]),
            fact("best factor of momentum", factors["momentum"]),
            *(fact(f"steps to a thousandth, {name}", told) for name, told in counts.items()),
            *(fact(f"turns across the valley, {name}", count) for name, count in turns.items()),
            *(fact(f"loss at the end, {name}", each.losses[-1]) for name, each in descents.items()),
            *(
                fact(f"first step across over first step along, {name}", _first(each))
                for name, each in descents.items()
            ),
        ),
        python=f"""from trainwright.lab.descent import descend
from trainwright.lab.surfaces import SURFACES

bowl = SURFACES["bowl"]
for name, rate, options in (
    ("sgd", {rates["sgd"]!r}, {{}}),
    ({form!r}, {rates["momentum"]!r}, {{"momentum": {momentum!r}}}),
    ("adam", {rates["adam"]!r}, {{}}),
):
    (descent,) = descend(bowl.at({ratio!r}), bowl.start, name, [rate], {steps}, options=options)
    print(name, descent.points[-1], descent.losses[-1])
""",
        frames=max(len(descent.points) for descent in descents.values()),
    )


def _first(descent: Descent) -> float:
    """Return the length of the first step across the valley over that along it."""
    if not descent.steps:
        return math.inf
    (x0, y0), (x1, y1) = descent.points[:2]
    return abs(y1 - y0) / max(abs(x1 - x0), 1e-300)


SIMULATION = Simulation(
    name="optimizer-contour",
    number=10,
    title="Optimizer comparison: 2D contour",
    guide="G2, chapter 5",
    teaches="A long narrow valley makes SGD choose between crossing it and crawling along it. Momentum needs the root "
    "of the steps, and Adam makes both directions alike.",
    parameters=(
        number("ratio", "Elongation κ", 100, 1, 1000, log=True, step=0.1, help="Steepest over flattest curvature."),
        switch("tuned", "SGD and momentum at their best rates", help="By the closed forms; Adam has none."),
        number("sgd_rate", "SGD's rate", 0.019, 1e-4, 2.5, log=True, step=0.05, needs=_UNTUNED),
        number("momentum_rate", "Momentum's rate", 0.003, 1e-4, 2.5, log=True, step=0.05, needs=_UNTUNED),
        number("adam_rate", "Adam's rate", 0.1, 1e-4, 2.5, log=True, step=0.05),
        number("momentum", "Momentum μ", 0.9, 0.0, 0.99, step=0.01, needs=_UNTUNED),
        choice(
            "form",
            "Form of momentum",
            "momentum",
            {"momentum": "rate outside the velocity (torch)", "classical_momentum": "rate inside the velocity (G2)"},
        ),
        whole("drop_at", "Rate falls tenfold at step", 0, 0, 1000, help="0 for never: the forms differ only then."),
        whole("steps", "Steps", 300, 1, 1000, log=True, unit="steps"),
    ),
    run=run,
    presets=(
        preset("best", "Each at its best rate", tuned=True, steps=500),
        preset("guide", "One rate for all", tuned=False, sgd_rate=0.018, momentum_rate=0.018, adam_rate=0.018),
        preset("zigzag", "SGD just below its limit", tuned=False, sgd_rate=0.0198),
        preset("round", "A round bowl: nothing to gain", ratio=1.0, tuned=True),
        preset("narrow", "Very narrow", ratio=1000.0, steps=1000, tuned=True),
        preset("torch-form", "The rate falls: torch's form", drop_at=15, tuned=False),
        preset("guide-form", "The rate falls: the guide's form", drop_at=15, tuned=False, form="classical_momentum"),
        preset("too-high", "SGD above 2/κ", tuned=False, sgd_rate=0.03),
    ),
    claims=(
        claim(
            "In a narrow valley SGD oscillates across it while it makes slow progress along it; momentum turns less "
            "often.",
            "G2, chapter 5",
            lambda result: (
                result["turns across the valley, sgd"] == 299
                and 4 * result["turns across the valley, momentum"] < result["turns across the valley, sgd"]
            ),
        ),
        claim(
            "Momentum, at its best, needs about a tenth of SGD's steps at an elongation of 100: some 345 "
            "against some 50.",
            "G2, chapter 5",
            lambda result: (
                abs(steps_of(result["steps to a thousandth, sgd"]) - 345) <= 10
                and 34 <= steps_of(result["steps to a thousandth, momentum"]) <= 60
            ),
            {"steps": 500, "tuned": True},
        ),
        claim(
            "Adam adapts to each weight: its first step is as long across the valley as along it, SGD's is "
            "κ times the ratio of the distances.",
            "G2, chapter 5",
            lambda result: (
                abs(result["first step across over first step along, adam"] - 1) < 1e-6
                and abs(result["first step across over first step along, sgd"] - 100 * 1.5 / 4) < 1e-9
            ),
        ),
        claim(
            "Both forms of momentum take the same steps as long as the rate stays.",
            "G2, chapter 5",
            lambda outside, inside: math.isclose(
                outside["loss at the end, momentum"], inside["loss at the end, momentum"], rel_tol=1e-6, abs_tol=1e-12
            ),
            {"steps": 60},
            {"steps": 60, "form": "classical_momentum"},
        ),
        claim(
            "Once the rate falls they differ: with the rate inside, the speed that was gathered goes on.",
            "G2, chapter 5",
            lambda outside, inside: (
                not math.isclose(
                    outside["loss at the end, momentum"], inside["loss at the end, momentum"], rel_tol=0.05
                )
            ),
            {"drop_at": 15, "steps": 40},
            {"drop_at": 15, "steps": 40, "form": "classical_momentum"},
            as_written="v ← μ · v − η · ∇L(w); w ← w + v",
        ),
    ),
)
