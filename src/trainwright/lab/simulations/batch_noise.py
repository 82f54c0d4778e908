"""How many samples stand behind a gradient: all, one, or a few, and how much the answer shakes."""

from __future__ import annotations

import math

import torch

from trainwright.lab.controls import choice, claim, fact, line, number, preset, seed, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Simulation, Table, Values, Verdict
from trainwright.lab.tiny import clusters, network
from trainwright.lab.training import Plan, trained
from trainwright.randomness import generator, isolated

SAMPLES = 256
DRAWS = 40
"""Mini-batches of each size whose gradients are compared: their spread is known to a tenth."""
SIZES = (1, 4, 16, 64, 256)
_ROLES = ("sgd", "adam", "momentum", "other", "reference")


def spreads(first: int) -> dict[int, float]:
    """Return the distance of a mini-batch's gradient from that of all samples, over the latter's norm, by batch size.

    The root of the mean square over draws with replacement, at the weights that a network begins with.
    """
    x, y = clusters(SAMPLES, first, spread=2.0)
    with isolated(first), torch.enable_grad():
        model = network(8, 4, width=16)()
        weights = list(model.parameters())

        def gradient(rows: torch.Tensor) -> torch.Tensor:
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            return torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, weights)])

        whole_one = gradient(torch.arange(SAMPLES))
        found = {}
        for size in SIZES[:-1]:
            draws = generator(first, "batch noise", size)
            rows = torch.randint(SAMPLES, (DRAWS, size), generator=draws)
            away = torch.stack([gradient(each) - whole_one for each in rows])
            found[size] = float(away.square().sum(1).mean().sqrt() / whole_one.norm())
    return found


def accumulated(first: int) -> float:
    """Return the largest difference between the gradient of 64 samples and that of 4 batches of 16, a quarter each."""
    x, y = clusters(64, first)
    with isolated(first), torch.enable_grad():
        model = network(8, 4, width=16)().double()
        weights = list(model.parameters())

        def gradient(rows: slice, share: float) -> torch.Tensor:
            loss = share * torch.nn.functional.cross_entropy(model(x[rows].double()), y[rows])
            return torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, weights)])

        parts = sum((gradient(slice(at, at + 16), 1 / 4) for at in range(0, 64, 16)), torch.zeros(()))
        return float((parts - gradient(slice(0, 64), 1.0)).abs().max())


def run(values: Values) -> Result:
    """Train with each batch size for the same samples, or the same updates, and measure the gradients' spread."""
    first, rate = int(values["seed"]), float(values["rate"])
    same_samples = values["compare"] == "samples"
    noise = spreads(first)
    lines, rows, facts = [], [], []
    for size, role in zip(SIZES, _ROLES, strict=True):
        updates = int(values["updates"])
        steps = max(1, updates * 16 // size) if same_samples else updates
        steps = min(steps, 16 * updates, 2000)
        plan = Plan(
            name=f"batch {size}",
            make=network(8, 4, width=16),
            train=clusters(SAMPLES, first, spread=2.0),
            validation=clusters(SAMPLES, first + 1, spread=2.0),
            settings={
                "lr": rate,
                "optimizer": "sgd",
                "schedule": "constant",
                "batch_size": size,
                "clip_norm": 0.0,
                "weight_decay": 0.0,
                "level": "off",
            },
            steps=steps,
            every=max(1, steps // 20),
            seed=first,
            train_too=False,
        )
        state = trained(plan)
        records = state.evaluated("validation")
        unit = size if same_samples else 1
        label = {1: "one sample (SGD)", SAMPLES: "all samples (batch)"}.get(size, f"{size} samples")
        lines.append(
            line(
                label,
                [each.loss for each in records],
                role,
                x=[float(each.step * unit) for each in records],
                played=True,
            )  # type: ignore[arg-type]
        )
        last = state.last("validation")
        rows.append((label, noise.get(size, 0.0), steps, last))
        facts.append(fact(f"last validation loss, {size} samples", last))
        facts.append(fact(f"noise of the gradient, {size} samples", noise.get(size, 0.0)))
    slope = math.log(noise[1] / noise[64]) / math.log(64)
    best = min(rows, key=lambda row: row[3])
    return Result(
        verdict=Verdict(
            sign="healthy",
            text=f"{best[0]} came lowest for the same {values['compare']}; the noise falls as size^-{slope:.2f}",
        ),
        plots=(
            plot(
                "validation loss",
                Axis(label="samples seen" if same_samples else "updates"),
                Axis(label="loss"),
                lines,
                most=5.0,
            ),
            plot(
                "noise of the gradient over its own size",
                Axis(label="samples in a batch", log=True),
                Axis(label="noise", log=True),
                [
                    line("measured", list(noise.values()), "train", x=[float(size) for size in noise], style="points"),
                    line(
                        "1/√size",
                        [noise[1] / math.sqrt(size) for size in noise],
                        "reference",
                        x=[float(s) for s in noise],
                        dash="dotted",
                    ),
                ],
            ),
        ),
        tables=(
            Table(
                title="by batch size", columns=("batch", "noise", "updates", "last validation loss"), rows=tuple(rows)
            ),
        ),
        evidence=(
            *facts,
            fact("exponent of the noise", slope),
            fact("largest difference by accumulating", accumulated(first)),
        ),
        python=f"""from trainwright.lab.simulations.batch_noise import spreads

for size, noise in spreads({first}).items():
    print(size, noise)
""",
        frames=21,
        frame_label="evaluation",
    )


SIMULATION = Simulation(
    name="batch-noise",
    number=20,
    title="Batch, stochastic, mini-batch",
    guide="G4, gradient descent",
    teaches="A gradient of one sample is mostly noise, which falls as the root of the batch. For the same "
    "samples a small "
    "batch makes more updates; for the same updates a large one is steadier.",
    parameters=(
        choice("compare", "Same number of", "samples", {"samples": "samples", "updates": "updates"}),
        number("rate", "Learning rate", 0.05, 1e-3, 1.0, log=True, step=0.1),
        whole("updates", "Updates of the batch of 16", 60, 10, 200, log=True),
        seed(),
    ),
    run=run,
    seconds=2.5,
    presets=(preset("samples", "The same samples"), preset("updates", "The same updates", compare="updates")),
    claims=(
        claim(
            "The noise of a mini-batch's gradient falls as one over the root of its size.",
            "G4, gradient descent",
            lambda result: abs(result["exponent of the noise"] - 0.5) < 0.08,
        ),
        claim(
            "Gradient accumulation simulates a larger batch: four of 16, a quarter each, give the gradient of 64.",
            "G1, key takeaways",
            lambda result: result["largest difference by accumulating"] < 1e-12,
        ),
        claim(
            "Batch descent makes one update per epoch: for the same samples it is far behind mini-batches.",
            "G4, gradient descent",
            lambda result: (
                result["last validation loss, 256 samples"] > result["last validation loss, 16 samples"] + 0.1
            ),
        ),
    ),
)
