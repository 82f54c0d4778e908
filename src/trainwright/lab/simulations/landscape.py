"""A ball on a loss landscape: one optimizer, one rate, and what became of it."""

from __future__ import annotations

import math

from trainwright.lab import slices
from trainwright.lab.controls import OPTIMIZERS, choice, claim, fact, folder, line, number, preset, role_of, seed, whole
from trainwright.lab.descent import Descent, descend
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Result, Sign, Simulation, Values, Verdict
from trainwright.lab.surfaces import SURFACES, Surface, field, minima, path

ARRIVED = 0.05
"""Distance to the nearest global minimum, on maps some 8 wide, at which the ball counts as there."""
RESTS = 0.01
"""Length of the last steps, in the map's unit, below which the ball has come to rest where it is."""
_LAST = 10
_ROLLING = ("momentum", "nesterov", "classical_momentum")
_DRAWN = (("folder", ("",)),)
_FAR_OUT = {"rate": 0.1, "steps": 200, "start_x": 3.9, "start_y": -0.4}


def _python(values: Values, surface: Surface, start: tuple[float, float]) -> str:
    options = f", momentum={values['momentum']!r}" if "momentum" in str(values["optimizer"]) else ""
    return f"""from trainwright.lab.descent import descend
from trainwright.lab.surfaces import SURFACES

surface = SURFACES[{surface.name!r}]
(descent,) = descend(
    surface.at(10.0), {start!r}, {values["optimizer"]!r}, [{values["rate"]!r}], {values["steps"]},
    options=dict({options.lstrip(", ")}), noise={values["noise"]!r}, seed={values["seed"]},
)
print(descent.diverged, descent.points[-1], descent.losses[-1])
"""


def judge(descent: Descent, surface: Surface) -> tuple[Sign, str]:
    """Return the sign and the sentence for where a descent came to."""
    end = descent.points[-1]
    gap = surface.distance(end)
    moved = [
        math.dist(one, two) for one, two in zip(descent.points[-_LAST - 1 :], descent.points[-_LAST:], strict=False)
    ]
    if descent.diverged:
        made = f"after {descent.steps} step{'s' * (descent.steps != 1)}"
        return "error", f"diverged {made}: the next one leaves the map for good"
    if descent.losses[-1] > max(10 * descent.losses[0], descent.losses[0] + 1):
        return "error", "diverging: the loss is far above where it started"
    if gap <= ARRIVED:
        turns = max(descent.reversals(0), descent.reversals(1))
        how = f", after going back on itself {turns} times" if turns > 3 else ""
        return "healthy", f"found the global minimum{how}"
    if moved and max(moved) <= RESTS and descent.gradients and math.hypot(*descent.gradients[-1]) < RESTS:
        return "warning", f"rests {gap:.2g} away from the global minimum: a local minimum or a saddle"
    if moved and max(moved) > 0.5 and max(descent.reversals(0), descent.reversals(1)) > descent.steps / 4:
        return "warning", "bounces around: every step overshoots the valley it aims at"
    if moved and max(moved) <= RESTS:
        return "warning", f"crawls: still {gap:.2g} from the global minimum, and its steps are tiny"
    return "note", f"on its way: {gap:.2g} from the nearest global minimum after {descent.steps} steps"


def _far_start(start: tuple[float, float], surface: Surface) -> tuple[Marker, ...]:
    """Return a mark at the edge of the map nearest to a start that lies off it, none for a start on it."""
    x0, x1, y0, y1 = surface.window
    x, y = min(max(start[0], x0), x1), min(max(start[1], y0), y1)
    if (x, y) == start:
        return ()
    inset_x, inset_y = 0.03 * (x1 - x0), 0.03 * (y1 - y0)
    x, y = min(max(x, x0 + inset_x), x1 - inset_x), min(max(y, y0 + inset_y), y1 - inset_y)
    return (Marker(x=x, y=y, text=f"starts off the map, at {start[0]:g}, {start[1]:g}", sign="warning"),)


def run(values: Values) -> Result:
    """Walk a surface, or cut a slice out of a run of the user's own where one is named."""
    if values["folder"]:
        return slices.slice_of(str(values["folder"]), seed=int(values["seed"]))
    surface = SURFACES[str(values["surface"])]
    start = (float(values["start_x"]), float(values["start_y"]))
    name = str(values["optimizer"])
    options = {"momentum": float(values["momentum"])} if name in _ROLLING else {}
    (descent,) = descend(
        surface.at(10.0),
        start,
        name,
        [float(values["rate"])],
        int(values["steps"]),
        options=options,
        noise=float(values["noise"]),
        seed=int(values["seed"]),
    )
    sign, text = judge(descent, surface)
    gradients = tuple(math.hypot(*gradient) for gradient in descent.gradients)
    return Result(
        verdict=Verdict(sign=sign, text=text),
        fields=(
            field(
                surface.title,
                surface.at(10.0),
                surface.window,
                log=surface.log,
                paths=[path(descent, OPTIMIZERS[name], role_of(name))],
                markers=(*minima(surface), *_far_start(start, surface)),
            ),
        ),
        plots=(
            plot(
                "the loss on the way",
                Axis(label="step"),
                Axis(label="loss"),
                (line("loss", descent.losses, role_of(name), played=True),),
                keep=(surface.least, descent.losses[0]),
                most=100 * max(abs(descent.losses[0]), 1.0),
            ),
        ),
        evidence=(
            fact("steps made", descent.steps),
            fact("loss at the start", descent.losses[0]),
            fact("loss at the end", descent.losses[-1]),
            fact("slope at the end", gradients[-1] if gradients else 0.0),
            fact("distance to the global minimum", surface.distance(descent.points[-1]), threshold=ARRIVED),
            fact("length of the first step", math.dist(*descent.points[:2]) if descent.steps else math.inf),
            fact("turns along the first weight", descent.reversals(0)),
            fact("turns along the second weight", descent.reversals(1)),
            fact("diverged", descent.diverged),
        ),
        python=_python(values, surface, start),
        frames=len(descent.points),
    )


SIMULATION = Simulation(
    name="loss-landscape",
    number=3,
    title="Loss landscape explorer",
    guide="G0, now try it yourself",
    teaches="The rate decides whether the ball settles, bounces or leaves; which minimum it finds depends on where it "
    "starts. Two weights are a drawing: a real run has as many directions as weights.",
    parameters=(
        choice(
            "surface", "Landscape", "hills", {name: surface.title for name, surface in SURFACES.items()}, needs=_DRAWN
        ),
        choice("optimizer", "Optimizer", "sgd", OPTIMIZERS, needs=_DRAWN),
        number("rate", "Learning rate", 0.1, 0.001, 1.5, log=True, step=0.05, needs=_DRAWN),
        number("momentum", "Momentum", 0.9, 0.0, 0.99, step=0.01, needs=(*_DRAWN, ("optimizer", _ROLLING))),
        number("start_x", "Start, first weight", 1.3, -4.0, 4.0, step=0.1, needs=_DRAWN),
        number("start_y", "Start, second weight", -2.2, -4.0, 4.0, step=0.1, needs=_DRAWN),
        number("noise", "Noise of the gradient", 0.0, 0.0, 2.0, step=0.05, help="As of small batches.", needs=_DRAWN),
        whole("steps", "Steps", 60, 1, 400, log=True, unit="steps", needs=_DRAWN),
        seed(),
        folder("Your own run", "A run's folder: shows a slice of its own loss instead."),
    ),
    run=run,
    presets=(
        preset("settles", "Settles in the nearest valley"),
        preset("overshoots", "SGD at 0.8", rate=0.8),
        preset("adam", "Adam at 0.8", rate=0.8, optimizer="adam"),
        preset("adam-slower", "Adam at 0.1", rate=0.1, optimizer="adam"),
        preset("bounces", "SGD at 1.2: never settles", rate=1.2),
        preset("momentum", "Momentum rolls over the hill", optimizer="momentum", **_FAR_OUT),
        preset("crawls", "Too low: hardly moves", rate=0.001),
        preset("diverges", "Too high on a steep surface", surface="rosenbrock", rate=0.1, start_x=-1.2, start_y=1.0),
    ),
    claims=(
        claim(
            "At a rate of 0.8 SGD overshoots: it goes back on itself at step after step.",
            "G0, loss landscape explorer",
            lambda result: result["turns along the second weight"] >= 10,
            {"rate": 0.8},
        ),
        claim(
            "Too high a rate never settles: at 1.2 the ball bounces around for ever.",
            "G0, now try it yourself",
            lambda result: result["distance to the global minimum"] > ARRIVED and result["slope at the end"] > 0.5,
            {"rate": 1.2, "steps": 400},
        ),
        claim(
            "Adam at the same rate of 0.8 turns back less often than SGD; but its steps are no shorter: the "
            "first has a "
            "length of 0.8 along each weight, whatever the slope.",
            "G0, loss landscape explorer",
            lambda sgd, adam: (
                adam["turns along the second weight"] < sgd["turns along the second weight"]
                and abs(adam["length of the first step"] - 0.8 * math.sqrt(2)) < 1e-6
            ),
            {"rate": 0.8},
            {"rate": 0.8, "optimizer": "adam"},
            as_written="Then switch to Adam and see how momentum smooths the path.",
        ),
        claim(
            "A low rate ends in the nearest valley, and may stay there: a local minimum.",
            "G0, common misconceptions",
            lambda result: result.verdict.sign == "warning" and result["distance to the global minimum"] > 1,
            {"rate": 0.1, "steps": 400},
        ),
        claim(
            "Momentum can carry the ball out of a valley in which plain SGD stays.",
            "G2, chapter 5",
            lambda plain, rolling: (
                rolling["distance to the global minimum"] < 1 < plain["distance to the global minimum"]
            ),
            {**_FAR_OUT},
            {**_FAR_OUT, "optimizer": "momentum"},
        ),
    ),
)
