"""Grid against random search, and the samplers beyond both: drawn by the tuner's own samplers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import replace

import torch

from trainwright.lab.controls import choice, claim, fact, line, number, preset, seed, study, switch, whole
from trainwright.lab.framing import linspace, plot
from trainwright.lab.replay import replay_of
from trainwright.lab.schema import (
    Axis,
    Field,
    Link,
    Marker,
    Path,
    Result,
    Series,
    Simulation,
    Step,
    Table,
    Values,
    Verdict,
)
from trainwright.randomness import derive, generator
from trainwright.records import Axis as SearchAxis
from trainwright.records import Plan, Trial
from trainwright.search.halving import cost, ladder, survivors
from trainwright.search.samplers import points
from trainwright.search.space import log_uniform, uniform

REPEATS = 200
"""Draws over which distances are averaged: the standard error of a mean distance is then some per cent of it."""
BEST = 0.37
"""Where the optimum lies on each axis, in [0, 1]: on no line of any small grid."""
BUDGET, ROUGH = 27, 0.02
"""Steps of a whole trial in the halving, and how rough a score is half-way."""
ALIKE = 2.0
"""Importance below which a grid and random search are told apart by both axes: on one alone it would be unfair."""
AT_EDGE = 0.1
"""Share of an axis at each end that counts as its edge."""
_SAMPLERS = {"grid": "grid", "random": "random", "sobol": "Sobol (spread evenly)", "tpe": "TPE (learns from results)"}
_DRAWN = (("study", ("",)),)
"""Controls of the drawn surface change nothing while a real search is played."""
_COLOURS = {"grid": "sgd", "random": "momentum", "sobol": "other", "tpe": "adam"}


def _score(x: float, y: float, importance: float, best: float) -> float:
    """Return the loss: squared distances on both axes, the second counting `1 / importance`."""
    return (x - best) ** 2 + (y - BEST) ** 2 / importance


def _space(log: bool) -> Mapping[str, SearchAxis]:
    if log:
        return {"lr": log_uniform(1e-5, 1e-1), "decay": log_uniform(1e-5, 1e-1)}
    return {"lr": uniform(0.0, 1.0), "decay": uniform(0.0, 1.0)}


def _drawn(sampler: str, values: Values, number_of: int, first: int) -> list[tuple[float, float]]:
    """Return the points of one search in [0, 1], scored one after the other where the sampler learns."""
    space = _space(bool(values["log"]))
    told: list[Trial] = []
    found: list[tuple[float, float]] = []
    groups = [range(place, place + 1) for place in range(number_of)] if sampler == "tpe" else [range(number_of)]
    for places in groups:
        for one in points(sampler, space, places, total=number_of, seed=first, told=told):
            x, y = (space[name].unit(one[name]) for name in ("lr", "decay"))
            found.append((x, y))
            if sampler == "tpe":
                score = _score(x, y, float(values["importance"]), float(values["best"]))
                place = len(told)
                told.append(
                    Trial(
                        number=place,
                        configuration=place,
                        round=0,
                        chunk=0,
                        values=one,
                        seed=0,
                        status="finished",
                        score=score,
                    )
                )
    return found


def _halved(values: Values, drawn: list[tuple[float, float]], first: int) -> Table:
    """Return what successive halving makes of the points: who goes on at each rung, by scores that are rough early on.

    A score after b of B steps is the loss plus noise of ROUGH * sqrt(B / b - 1): rough early, exact at the end.
    """
    plan = Plan(trials=len(drawn), seed=first, sampler="random", budget=BUDGET, eta=3)
    draws = generator(first, "halving")
    rough = torch.randn(len(drawn), generator=draws, dtype=torch.float64).tolist()
    losses = [_score(x, y, float(values["importance"]), float(values["best"])) for x, y in drawn]
    trials = [Trial(number=n, configuration=n, round=0, chunk=0, values={}, seed=first) for n in range(len(drawn))]
    rows = []
    for steps in ladder(plan):
        noise = ROUGH * math.sqrt(BUDGET / steps - 1)
        scores = {trial.number: losses[trial.number] + noise * rough[trial.number] for trial in trials}
        best = min(scores, key=scores.__getitem__)
        rows.append((steps, len(trials), losses[best]))
        if steps < BUDGET:
            kept = survivors(trials, scores, eta=plan.eta)
            trials = [trial for trial in trials if trial.number in kept]
    spent = cost(plan, len(drawn)) / (BUDGET * len(drawn))
    return Table(
        title=f"successive halving of the same points, for {spent:.0%} of the steps",
        columns=("steps each", "trials left", "loss of the one in front"),
        rows=tuple(rows),
    )


def run(values: Values) -> Result:
    """Draw the points of both searches, and average what they miss over many draws; or play a real search again."""
    if values["study"]:
        return replay_of(str(values["study"]))
    budget, first = int(values["budget"]), int(values["seed"])
    importance, best = float(values["importance"]), float(values["best"])
    names = ("grid", str(values["sampler"]))
    drawn = {name: _drawn(name, values, budget, first) for name in names}
    grid = drawn["grid"]
    random_nearest, grid_nearest, random_best, grid_best = [], [], [], []
    for repeat in range(REPEATS):
        # The optimum moves: at a single place a grid may be lucky for ever.
        where = (repeat + 0.5) / REPEATS
        free = _drawn("random", values, budget, derive(first, "grid or random", repeat) % 2**31)
        other = (repeat * 0.6180339887 + 0.5) % 1.0
        grid_nearest.append(min(abs(x - where) for x, _ in grid))
        random_nearest.append(min(abs(x - where) for x, _ in free))
        grid_best.append(min(math.hypot(x - where, (y - other)) for x, y in grid))
        random_best.append(min(math.hypot(x - where, (y - other)) for x, y in free))
    ratio = statistics.fmean(grid_nearest) / max(statistics.fmean(random_nearest), 1e-12)
    equal = statistics.fmean(random_best) / max(statistics.fmean(grid_best), 1e-12)
    distinct = {name: len({round(x, 9) for x, _ in each}) for name, each in drawn.items()}
    scores = {name: [_score(x, y, importance, best) for x, y in each] for name, each in drawn.items()}
    winner = {name: each[scores[name].index(min(scores[name]))] for name, each in drawn.items()}
    edge = [name for name, (x, _) in winner.items() if not AT_EDGE < x < 1 - AT_EDGE]
    chosen = names[1]
    if edge:
        text = (
            f"the best value of the {edge[0]} search lies at the edge of the range: widen it and search again (TW608)"
        )
        verdict = Verdict(sign="warning", text=text)
    elif importance < ALIKE:
        text = (
            f"both matter about alike: over {REPEATS} draws the grid comes {equal:.2f} times nearer to the best point "
            f"than random search; that it tries {distinct['grid']} values of each costs it nothing"
        )
        verdict = Verdict(sign="healthy", text=text)
    else:
        text = (
            f"{len(grid)} trials: {distinct['grid']} different values of what matters by grid, "
            f"{distinct[chosen]} by {chosen}; random comes {ratio:.2g} times nearer to the best value of it"
        )
        verdict = Verdict(sign="healthy", text=text)
    axis = linspace(0.0, 1.0, 41)
    field = Field(
        title="the loss over both hyperparameters (as the searches cannot see it)",
        x_axis=Axis(label="important: log₁₀ rate, 0 to 1" if values["log"] else "important", low=-0.02, high=1.02),
        y_axis=Axis(label="less important", low=-0.02, high=1.02),
        x=axis,
        y=axis,
        values=tuple(tuple(_score(x, y, importance, best) for x in axis) for y in axis),
        paths=tuple(
            Path(
                name=_SAMPLERS[name],
                x=tuple(x for x, _ in each),
                y=tuple(y for _, y in each),
                role=_COLOURS[name],  # type: ignore[arg-type]
                style="points",
                dash="solid" if name == "grid" else "dashed",
            )
            for name, each in drawn.items()
        ),
        markers=tuple(Marker(x=x, y=y, text=f"best of {name}") for name, (x, y) in winner.items()),
    )
    shadows = [
        Series(
            name=f"{_SAMPLERS[name]}: {distinct[name]} values",
            x=tuple(x for x, _ in each),
            y=tuple(scores[name]),
            role=_COLOURS[name],  # type: ignore[arg-type]
            style="points",
            dash="solid" if name == "grid" else "dashed",
            played=True,
        )
        for name, each in drawn.items()
    ]
    so_far = [
        line(
            _SAMPLERS[name],
            [min(each[: place + 1]) for place in range(len(each))],
            _COLOURS[name],  # type: ignore[arg-type]
            dash="solid" if name == "grid" else "dashed",
            played=True,
        )
        for name, each in scores.items()
    ]
    width = 0.15
    box = max(winner[chosen][0] - width, 0.0), min(winner[chosen][0] + width, 1.0)
    return Result(
        verdict=verdict,
        fields=(field,),
        plots=(
            plot(
                "the loss of each trial over what matters",
                Axis(label="important", low=-0.02, high=1.02),
                Axis(label="loss"),
                shadows,
                keep=(0.0,),
            ),
            plot("best loss so far", Axis(label="trial"), Axis(label="loss", log=True), so_far),
        ),
        steps=(
            Step(title="coarse", text="wide range, few epochs, many trials"),
            Step(
                title="fine",
                text=f"around the best: from {box[0]:.2f} to {box[1]:.2f} of the range, more epochs, fewer trials",
            ),
            Step(
                title="final",
                text="the best values, trained in full",
                links=(Link(text="the whole recipe", simulation="recipe"),),
            ),
        ),
        evidence=(
            fact("values on the important axis, grid", distinct["grid"]),
            fact(f"values on the important axis, {chosen}", distinct[chosen]),
            fact("trials of the grid", len(grid)),
            fact("how much nearer random comes on the important axis", ratio),
            fact("how much nearer the grid comes where both matter alike", equal),
            fact("best loss, grid", min(scores["grid"])),
            fact(f"best loss, {chosen}", min(scores[chosen])),
            fact("best value at the edge", bool(edge)),
            fact(
                "share of the values above a tenth of the range",
                statistics.fmean(
                    float(_space(bool(values["log"]))["lr"].value(x)) > (1e-2 if values["log"] else 0.1)  # type: ignore[arg-type]
                    for x, _ in _drawn("random", values, 200, first)
                ),
            ),
        ),
        python=f"""from trainwright.search.samplers import points
from trainwright.search.space import log_uniform, uniform

space = {{"lr": {"log_uniform(1e-5, 1e-1)" if values["log"] else "uniform(0.0, 1.0)"}, "decay": uniform(0.0, 1.0)}}
for sampler in ("grid", "random"):
    trials = points(sampler, space, range({len(grid)}), total={budget}, seed={first})
    print(sampler, len({{trial["lr"] for trial in trials}}), "values of lr")
""",
        tables=(_halved(values, drawn[chosen], first),),
        frames=budget,
        frame_label="trial",
    )


SIMULATION = Simulation(
    name="grid-vs-random",
    number=13,
    title="Grid against random search",
    guide="G2, chapter 8",
    teaches="Where one hyperparameter matters more, random search tries more values of it; where both matter "
    "alike, a grid "
    "covers a little better. Which is which one rarely knows before.",
    parameters=(
        whole("budget", "Trials", 25, 4, 100, needs=_DRAWN),
        choice(
            "sampler",
            "Beside the grid",
            "random",
            {key: value for key, value in _SAMPLERS.items() if key != "grid"},
            needs=_DRAWN,
        ),
        number(
            "importance",
            "How much more the first one matters",
            100,
            1,
            1000,
            log=True,
            step=0.1,
            unit="times",
            needs=_DRAWN,
        ),
        number("best", "Where the best value lies", BEST, 0.0, 1.0, step=0.01, needs=_DRAWN),
        switch("log", "Logarithmic axes", help="From 1e-5 to 1e-1, each order of magnitude as likely.", needs=_DRAWN),
        replace(seed(1), needs=_DRAWN),
        study("A search of your own", "Plays its trials again, instead of points on a drawn surface."),
    ),
    run=run,
    seconds=0.4,
    presets=(
        preset("guide", "25 points each"),
        preset("equal", "Both matter alike", importance=1.0),
        preset("sobol", "Spread evenly", sampler="sobol"),
        preset("tpe", "A sampler that learns", sampler="tpe"),
        preset("edge", "The best value lies at the edge", best=0.98),
        preset("log", "On a logarithmic scale", log=True),
    ),
    claims=(
        claim(
            "With 25 trials a grid tests 5 values of each hyperparameter, random search 25.",
            "G2, chapter 8",
            lambda result: (
                result["values on the important axis, grid"] == 5
                and result["values on the important axis, random"] == 25
            ),
        ),
        claim(
            "With 9 trials a grid tests 3 values, random search 9.",
            "G2, chapter 8",
            lambda result: (
                result["values on the important axis, grid"] == 3
                and result["values on the important axis, random"] == 9
            ),
            {"budget": 9},
        ),
        claim(
            "Where one hyperparameter alone matters, random search comes some three times nearer to its best "
            "value than our "
            "grid, which tries the ends of the range; where both matter alike, the grid comes a little nearer.",
            "G2, chapter 8",
            lambda result: (
                2.0 < result["how much nearer random comes on the important axis"] < 4.5
                and 1.0 < result["how much nearer the grid comes where both matter alike"] < 1.6
            ),
            as_written="Random beats grid. This isn't a heuristic — it's been proven theoretically and empirically.",
        ),
        claim(
            "Sampled uniformly nine of ten values lie in the largest tenth upwards; on a log scale one in "
            "four does, as "
            "for every order of magnitude.",
            "G2, chapter 8",
            lambda linear, log: (
                linear["share of the values above a tenth of the range"] > 0.85
                and 0.15 < log["share of the values above a tenth of the range"] < 0.35
            ),
            {},
            {"log": True},
            as_written="Sampling uniformly gives you mostly large values.",
        ),
        claim(
            "A best value at the edge of the range says that the optimum may lie outside: widen and search again.",
            "G2, chapter 8",
            lambda inside, edge: not inside["best value at the edge"] and edge["best value at the edge"],
            {"sampler": "sobol"},
            {"best": 0.98},
        ),
    ),
)
