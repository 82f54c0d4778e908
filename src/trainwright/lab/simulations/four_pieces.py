"""The four pieces of every training, one at a time: loss, optimizer, learning rate, regularization."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from trainwright import defaults
from trainwright.defaults import Default
from trainwright.lab.controls import OPTIMIZERS, choice, claim, fact, line, number, preset, role_of, seed
from trainwright.lab.descent import descend
from trainwright.lab.framing import linspace, plot
from trainwright.lab.schema import Axis, Link, Marker, Result, Simulation, Step, Table, Values, Verdict
from trainwright.lab.surfaces import SURFACES, field, path
from trainwright.parts.losses import CATALOGUE
from trainwright.randomness import isolated

_PIECES = {
    "loss": "1 Loss",
    "optimizer": "2 Optimizer",
    "rate": "3 Learning rate",
    "regularization": "4 Regularization",
}
_STEPS = tuple(
    Step(title=title, text=text, links=(Link(text=link, simulation=simulation),))
    for title, text, link, simulation in (
        (
            "loss",
            "measures how wrong: cross-entropy for classes, squared error for numbers",
            "all losses",
            "loss-functions",
        ),
        ("optimizer", "decides how to step: AdamW where nothing speaks against it", "race them", "optimizer-race"),
        ("learning rate", "decides how far: a warmup, then down along a cosine", "three regimes", "learning-rate"),
        ("regularization", "keeps from learning by heart: dropout, decay, stopping early", "see it", "early-stopping"),
    )
)


def _curve(at: Callable[[torch.Tensor], torch.Tensor], places: tuple[float, ...]) -> tuple[list[float], list[float]]:
    losses, slopes = [], []
    for place in places:
        x = torch.tensor(place, dtype=torch.float64, requires_grad=True)
        loss = at(x)
        losses.append(loss.item())
        slopes.append(torch.autograd.grad(loss, x)[0].item())
    return losses, slopes


def _loss(values: Values) -> Result:
    """A dog, called a cat with some certainty; and a house, priced too high by the same share."""
    certainty = float(values["prediction"])
    entropy, square = CATALOGUE["cross_entropy"].factory(), CATALOGUE["mse"].factory()

    def cat_or_dog(cat: torch.Tensor) -> torch.Tensor:
        return entropy(torch.stack([cat.log(), (1 - cat).log()]).reshape(1, 2), torch.ones(1, dtype=torch.int64))

    def house(off: torch.Tensor) -> torch.Tensor:
        return square(off.reshape(1, 1), torch.zeros(1, 1, dtype=torch.float64))

    places = linspace(0.005, 0.995, 100)
    (at_entropy,), (slope_entropy,) = _curve(cat_or_dog, (certainty,))
    (at_square,), (slope_square,) = _curve(house, (certainty,))
    lines = [
        line("cross-entropy, of calling a dog a cat", _curve(cat_or_dog, places)[0], "adam", x=places),
        line(
            "squared error, of a number that is off by so much",
            _curve(house, places)[0],
            "momentum",
            x=places,
            dash="dashed",
        ),
    ]
    sure = certainty > 0.9
    text = f"{certainty:.0%} cat, and it is a dog: cross-entropy {at_entropy:.3g}, squared error {at_square:.3g}"
    return Result(
        verdict=Verdict(sign="warning" if sure else "healthy", text=text),
        plots=(
            plot(
                "what a wrong answer costs",
                Axis(label="how sure, or how far off"),
                Axis(label="loss"),
                lines,
                keep=(0.0,),
                markers=(
                    Marker(x=certainty, y=at_entropy, text=f"{at_entropy:.3g}"),
                    Marker(x=certainty, y=at_square, text=f"{at_square:.3g}"),
                ),
            ),
        ),
        evidence=(
            fact("cross-entropy", at_entropy),
            fact("gradient of cross-entropy", slope_entropy),
            fact("squared error", at_square),
            fact("gradient of the squared error", slope_square),
        ),
        python=f"""import torch
from torch.nn import functional as F

logits = torch.tensor([[{certainty!r}, {1 - certainty!r}]]).log()
print(F.cross_entropy(logits, torch.tensor([1])), F.mse_loss(torch.tensor({certainty!r}), torch.tensor(0.0)))
""",
    )


def _optimizer(values: Values) -> Result:
    surface, rate = SURFACES["bowl"], float(values["rate"])
    found = {
        name: descend(surface.at(20.0), surface.start, name, [rate], 80)[0] for name in ("sgd", "momentum", "adam")
    }
    lowest = min(found, key=lambda name: math.inf if found[name].diverged else found[name].losses[-1])
    return Result(
        verdict=Verdict(sign="healthy", text=f"at a rate of {rate:g} {OPTIMIZERS[lowest]} came lowest in 80 steps"),
        fields=(
            field(
                "the same start, three ways to step",
                surface.at(20.0),
                surface.window,
                paths=[
                    path(each, OPTIMIZERS[name], role_of(name), dash=dash)
                    for (name, each), dash in zip(found.items(), ("solid", "dashed", "dotted"), strict=True)
                ],
            ),
        ),
        plots=(
            plot(
                "the loss on the way",
                Axis(label="step"),
                Axis(label="loss", log=True),
                [line(OPTIMIZERS[name], each.losses, role_of(name), played=True) for name, each in found.items()],
                most=1e4,
            ),
        ),
        evidence=tuple(
            fact(f"loss at the end, {name}", math.inf if each.diverged else each.losses[-1])
            for name, each in found.items()
        ),
        python=f"""from trainwright.lab.descent import descend
from trainwright.lab.surfaces import SURFACES

bowl = SURFACES["bowl"]
for name in ("sgd", "momentum", "adam"):
    print(name, descend(bowl.at(20.0), bowl.start, name, [{rate!r}], 80)[0].losses[-1])
""",
        frames=81,
    )


def _rate(values: Values) -> Result:
    from trainwright.lab.simulations.schedules import rates_of

    rate = float(values["rate"])
    surface = SURFACES["bowl"]
    tried = descend(surface.at(20.0), surface.start, "sgd", [0.1 * rate, rate, 10 * rate], 80)
    labels = ("a tenth", "this rate", "ten times")
    lines = [
        line(f"{label}: {each.rate:.2g}", each.losses, role, dash=dash, played=True)  # type: ignore[arg-type]
        for label, each, role, dash in zip(
            labels, tried, ("sgd", "momentum", "adam"), ("dotted", "solid", "dashed"), strict=True
        )
    ]
    lost = [
        label for label, each in zip(labels, tried, strict=True) if each.diverged or each.losses[-1] > each.losses[0]
    ]
    text = f"SGD at {rate:g}, a tenth and ten times of it" + (
        f": {' and '.join(lost)} diverged" if lost else ": none diverged"
    )
    schedule = rates_of("warmup_cosine", {"warmup": defaults.WARMUP_FRACTION.value}, rate, 100)
    return Result(
        verdict=Verdict(sign="warning" if "this rate" in lost else "healthy", text=text),
        plots=(
            plot("the loss on the way", Axis(label="step"), Axis(label="loss", log=True), lines, most=1e4),
            plot(
                "a schedule: warmup, then down",
                Axis(label="share of the run", unit="%"),
                Axis(label="rate"),
                [line("warmup + cosine", schedule, "train")],
                keep=(0.0,),
            ),
        ),
        evidence=(
            *(fact(f"diverged, {label}", label in lost) for label in labels),
            fact("largest stable rate of SGD here", 2 / 20),
        ),
        python=f"""from trainwright.lab.descent import descend
from trainwright.lab.surfaces import SURFACES

bowl = SURFACES["bowl"]
for descent in descend(bowl.at(20.0), bowl.start, "sgd", [{0.1 * rate!r}, {rate!r}, {10 * rate!r}], 80):
    print(descent.rate, descent.diverged, descent.losses[-1])
""",
        frames=81,
    )


def _regularization(values: Values) -> Result:
    share, first = float(values["dropout"]), int(values["seed"])
    with isolated(first), torch.no_grad():
        layer = nn.Dropout(share)
        shown = layer(torch.ones(32)).tolist()
        off = float((layer(torch.ones(20_000)) == 0).double().mean())
        norm = nn.BatchNorm1d(1)
        after = norm(5 + 3 * torch.randn(256, 1))
    return Result(
        verdict=Verdict(
            sign="healthy" if share <= 0.5 else "warning",
            text=f"dropout of {share:g}: {off:.1%} of the units are off in this pass, the others count "
            f"{1 / (1 - share):.3g} times",
        ),
        plots=(
            plot(
                "32 units of value 1 after dropout",
                Axis(label="unit"),
                Axis(label="value"),
                [line("unit", shown, "train", style="bars")],
                keep=(0.0, 1.0),
            ),
        ),
        tables=(
            Table(
                title="where to start",
                columns=("what", "value", "who says so", "who says otherwise"),
                rows=tuple(
                    _row(each)
                    for each in (
                        defaults.DROPOUT,
                        defaults.WEIGHT_DECAY,
                        defaults.ADAM_LEARNING_RATE,
                        defaults.CLIP_NORM,
                    )
                ),
            ),
        ),
        evidence=(
            fact("share of the units that are off", off),
            fact("mean after batch normalisation", float(after.mean())),
            fact("deviation after batch normalisation", float(after.std(correction=0))),
        ),
        python=f"import torch\nprint(torch.nn.Dropout({share!r})(torch.ones(32)))\n",
    )


def _row(each: Default) -> tuple[str, float, str, str]:
    return each.meaning, each.value, each.source, each.disagreement


_OF = {"loss": _loss, "optimizer": _optimizer, "rate": _rate, "regularization": _regularization}


def run(values: Values) -> Result:
    """Show the chosen piece."""
    result = _OF[str(values["piece"])](values)
    return replace(result, steps=(_STEPS[list(_PIECES).index(str(values["piece"]))],))


SIMULATION = Simulation(
    name="four-pieces",
    number=2,
    title="Making training actually work: the four pieces",
    guide="G0, making training actually work",
    teaches="Loss, optimizer, learning rate, regularization: the loss decides which problem is solved, the "
    "other three how "
    "well.",
    parameters=(
        choice("piece", "Piece", "loss", _PIECES, tabs=True),
        number(
            "prediction",
            "How sure of the wrong answer",
            0.99,
            0.01,
            0.99,
            step=0.01,
            needs=(("piece", ("loss",)),),
        ),
        number(
            "rate",
            "Learning rate",
            0.05,
            1e-4,
            1.0,
            log=True,
            step=0.1,
            needs=(("piece", ("optimizer", "rate")),),
        ),
        number("dropout", "Dropout", 0.2, 0.0, 0.9, step=0.05, needs=(("piece", ("regularization",)),)),
        seed(),
    ),
    run=run,
    presets=(
        preset("sure-and-wrong", "99 % sure, and wrong"),
        preset("unsure", "Undecided", prediction=0.5),
        preset("optimizer", "Three optimizers", piece="optimizer"),
        preset("rate", "Three rates", piece="rate"),
        preset("rate-too-high", "Ten times too high", piece="rate", rate=0.2),
        preset("regularization", "Dropout", piece="regularization"),
    ),
    claims=(
        claim(
            "Cross-entropy penalises confident wrong answers heavily: 99 % sure costs log 100 = 4.6, "
            "undecided log 2 = 0.69.",
            "G0, loss functions",
            lambda sure, unsure: (
                math.isclose(sure["cross-entropy"], math.log(100), rel_tol=1e-9)
                and math.isclose(unsure["cross-entropy"], math.log(2), rel_tol=1e-9)
            ),
            {},
            {"prediction": 0.5},
        ),
        claim(
            "Too high and training explodes, too low and it stalls.",
            "G0, key takeaways",
            lambda result: result["diverged, ten times"] and not result["diverged, this rate"],
            {"piece": "rate"},
        ),
        claim(
            "Batch normalisation stabilises a layer's output: mean 0, deviation 1.",
            "G0, key takeaways",
            lambda result: (
                abs(result["mean after batch normalisation"]) < 1e-5
                and abs(result["deviation after batch normalisation"] - 1) < 1e-3
            ),
            {"piece": "regularization"},
        ),
    ),
)
