"""Optimizers from one start over one surface, at one shared rate, or each at the best of its own."""

from __future__ import annotations

import math

from trainwright.lab.controls import (
    DASHES,
    OPTIMIZERS,
    choice,
    claim,
    fact,
    line,
    number,
    preset,
    role_of,
    seed,
    steps_of,
    steps_told,
    switch,
    whole,
)
from trainwright.lab.descent import Descent, descend
from trainwright.lab.framing import logspace, plot
from trainwright.lab.schema import Axis, Result, Simulation, Table, Values, Verdict
from trainwright.lab.surfaces import SURFACES, Surface, field, minima, path

RATES = logspace(1e-4, 1.0, 17)
"""The rates that the leaderboard tries for every optimizer: four to a decade."""
GOAL = 1e-3
"""Share of the first height above the minimum at which an optimizer is home."""
_THREE = ("sgd", "momentum", "adam")
_ROLLING = ("momentum", "nesterov", "classical_momentum")


def _home(descent: Descent, surface: Surface) -> float:
    steps = descent.reaches(surface.least + GOAL * (descent.losses[0] - surface.least))
    return math.inf if steps is None else steps


def _lost(descent: Descent) -> bool:
    return descent.diverged or descent.losses[-1] > descent.losses[0]


def _best(tried: list[Descent], surface: Surface) -> Descent:
    """Return the descent that came home first; where none did, the lowest."""
    return min(tried, key=lambda each: (_home(each, surface), math.inf if each.diverged else each.losses[-1]))


def run(values: Values) -> Result:
    """Race, and try every optimizer at every rate of a ladder, so that no lucky rate decides."""
    surface, ratio = SURFACES[str(values["surface"])], float(values["ratio"])
    steps, shared = int(values["steps"]), float(values["rate"])
    names = list(OPTIMIZERS if values["entrants"] == "all" else _THREE)
    common = {"noise": float(values["noise"]), "seed": int(values["seed"])}
    racing: dict[str, Descent] = {}
    board: list[tuple[str, Descent, int]] = []
    for name in names:
        options = {"momentum": float(values["momentum"])} if name in _ROLLING else {}
        tried = descend(surface.at(ratio), surface.start, name, [*RATES, shared], steps, options=options, **common)
        best = _best(tried[:-1], surface)
        board.append((name, best, sum(map(_lost, tried[:-1]))))
        racing[name] = best if values["fair"] else tried[-1]
    board.sort(key=lambda row: (_home(row[1], surface), _height(row[1])))
    order = sorted(racing, key=lambda name: (_home(racing[name], surface), _height(racing[name])))
    fallen = [OPTIMIZERS[name] for name in names if _lost(racing[name])]
    first = f"{OPTIMIZERS[order[0]]} comes first" if not _lost(racing[order[0]]) else "nobody comes home"
    how = "each at its own best rate" if values["fair"] else f"all at {shared:g}"
    text = f"{first}, {how}" + (f"; {', '.join(fallen)} diverged" if fallen else "")
    fair_facts = [
        fact(f"{label}, {name}", number_of)
        for name, best, lost in board
        for label, number_of in (
            ("best rate", best.rate),
            ("steps home at its best rate", steps_told(_home(best, surface), steps)),
            ("loss at the end at its best rate", best.losses[-1]),
            ("rates that diverge", lost),
        )
    ]
    shown = [name for name in names if name in (*_THREE, *order[:3])] if len(names) > 5 else list(names)
    return Result(
        verdict=Verdict(sign="warning" if fallen else "healthy", text=text),
        fields=(
            field(
                surface.title,
                surface.at(ratio),
                surface.window,
                log=surface.log,
                paths=[
                    path(racing[name], OPTIMIZERS[name], role_of(name), dash=DASHES.get(name, "solid"))
                    for name in shown
                ],
                markers=minima(surface),
            ),
        ),
        plots=(
            plot(
                "the loss on the way",
                Axis(label="step"),
                Axis(label="loss above the minimum", log=True),
                [
                    line(
                        OPTIMIZERS[name],
                        [loss - surface.least for loss in racing[name].losses],
                        role_of(name),
                        dash=DASHES.get(name, "solid"),
                        played=True,
                    )
                    for name in shown
                ],
                most=1e3 * max(racing[names[0]].losses[0], 1.0),
            ),
        ),
        tables=(
            Table(
                title=f"every optimizer at {len(RATES)} rates from {RATES[0]:g} to {RATES[-1]:g}",
                columns=("optimizer", "best rate", "steps home", "loss at the end", "rates that diverge"),
                rows=tuple(
                    (OPTIMIZERS[name], best.rate, steps_told(_home(best, surface), steps), best.losses[-1], lost)
                    for name, best, lost in board
                ),
            ),
        ),
        evidence=(
            *(fact(f"steps home, {name}", steps_told(_home(each, surface), steps)) for name, each in racing.items()),
            *(fact(f"loss at the end, {name}", _height(each)) for name, each in racing.items()),
            *(
                fact(f"turns on the way, {name}", max(each.reversals(0), each.reversals(1)))
                for name, each in racing.items()
            ),
            *(fact(f"first step along each weight, {name}", _first(each)) for name, each in racing.items()),
            *fair_facts,
        ),
        python=f"""from trainwright.lab.descent import descend
from trainwright.lab.surfaces import SURFACES

surface = SURFACES[{surface.name!r}]
for name in {tuple(names)!r}:
    (descent,) = descend(surface.at({ratio!r}), surface.start, name, [{shared!r}], {steps})
    print(name, descent.diverged, descent.losses[-1])
""",
        frames=max(len(racing[name].points) for name in shown),
    )


def _height(descent: Descent) -> float:
    return math.inf if descent.diverged else descent.losses[-1]


def _first(descent: Descent) -> float:
    """Return the shorter of the first step's two parts over the longer: 1 where both weights move alike."""
    if not descent.steps:
        return 0.0
    (x0, y0), (x1, y1) = descent.points[:2]
    return min(abs(x1 - x0), abs(y1 - y0)) / max(abs(x1 - x0), abs(y1 - y0), 1e-300)


SIMULATION = Simulation(
    name="optimizer-race",
    number=12,
    title="Optimizer race: SGD, momentum, Adam",
    guide="G2, chapter 7",
    teaches="Who wins depends on the rate: one shared rate is no fair race. Over a whole ladder of rates Adam is the "
    "hardest to make fail, and not the fastest.",
    parameters=(
        choice("surface", "Surface", "bowl", {name: surface.title for name, surface in SURFACES.items()}),
        number("rate", "Shared learning rate", 0.01, 1e-4, 1.0, log=True, step=0.05, needs=(("fair", (False,)),)),
        switch("fair", "Fair: each at its own best rate", False),
        choice("entrants", "Who runs", "three", {"three": "SGD, momentum, Adam", "all": "all optimizers"}),
        number(
            "ratio",
            "Elongation of the bowl",
            100,
            1,
            1000,
            log=True,
            step=0.1,
            needs=(("surface", ("bowl",)),),
        ),
        number("momentum", "Momentum μ", 0.9, 0.0, 0.99, step=0.01),
        number("noise", "Noise of the gradient", 0.0, 0.0, 5.0, step=0.1),
        whole("steps", "Steps", 300, 10, 1000, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    presets=(
        preset("bowl", "The elongated bowl", surface="bowl"),
        preset("bowl-fair", "The bowl, each at its best", surface="bowl", fair=True),
        preset("rosenbrock", "Rosenbrock's valley, one small rate", surface="rosenbrock", rate=0.001, steps=500),
        preset("rosenbrock-fair", "Rosenbrock, each at its best", surface="rosenbrock", fair=True, steps=500),
        preset("beale", "Beale's function", surface="beale", rate=0.01),
        preset("himmelblau", "Four minima", surface="himmelblau", rate=0.01),
        preset("saddle", "Off a saddle", surface="saddle", rate=0.05),
        preset("noisy", "Noisy gradients", noise=2.0),
        preset("everybody", "All optimizers, each at its best", entrants="all", fair=True),
        preset("too-high", "A rate that SGD cannot take", rate=0.05),
    ),
    seconds=0.8,
    claims=(
        claim(
            "On the elongated bowl SGD goes back and forth across the valley where its rate is near its "
            "limit; far below "
            "it, it does not.",
            "G2, chapter 7",
            lambda near, far: near["turns on the way, sgd"] > 100 and far["turns on the way, sgd"] == 0,
            {"rate": 0.019},
            {"rate": 0.005},
            as_written="SGD (orange) will oscillate across the narrow valley.",
        ),
        claim(
            "Momentum overshoots, corrects, and is home before SGD.",
            "G2, chapter 7",
            lambda result: (
                result["turns on the way, momentum"] > 0
                and steps_of(result["steps home, momentum"]) < steps_of(result["steps home, sgd"])
            ),
            {"rate": 0.005},
        ),
        claim(
            "Adam moves both weights alike at its first step, whatever the slopes; so one shared rate means another "
            "length of step for each optimizer, and is no fair race.",
            "G2, chapter 7",
            lambda result: (
                result["first step along each weight, adam"] > 0.999
                and result["first step along each weight, sgd"] < 0.1
            ),
            as_written="Three optimizers, one loss surface.",
        ),
        claim(
            "On Rosenbrock's valley at one small rate momentum makes progress while SGD barely moves; Adam, at that "
            "rate, is slower still. Each at its own rate, Adam and momentum both come further than SGD.",
            "G2, chapter 7",
            lambda shared, fair: (
                shared["loss at the end, momentum"] < 0.3 * shared["loss at the end, sgd"]
                and max(fair["loss at the end, adam"], fair["loss at the end, momentum"]) < fair["loss at the end, sgd"]
            ),
            {"surface": "rosenbrock", "rate": 0.001, "steps": 500},
            {"surface": "rosenbrock", "fair": True, "steps": 500},
            as_written="Adam and Momentum make steady progress while SGD barely moves.",
        ),
        claim(
            "Of 17 rates from 1e-4 to 1, none makes Adam diverge on the bowl, and several make SGD and momentum.",
            "G2, chapter 7",
            lambda result: (
                result["rates that diverge, adam"] == 0
                and min(result["rates that diverge, sgd"], result["rates that diverge, momentum"]) >= 5
            ),
        ),
        claim(
            "Adam is not always the fastest: in Rosenbrock's valley, each at its best rate, momentum is home first.",
            "G2, chapter 7",
            lambda result: steps_of(result["steps home, momentum"]) < steps_of(result["steps home, adam"]),
            {"fair": True, "surface": "rosenbrock", "steps": 500},
        ),
    ),
)
