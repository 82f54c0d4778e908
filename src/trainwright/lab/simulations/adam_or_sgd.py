"""A task on which Adam fits every training sample and is no better than guessing the common class: SGD gets it right.

The construction is that of Wilson et al., "The marginal value of adaptive gradient methods" (2017), section 3.3: one
feature tells the class, two are always on, and every sample has features of its own that no other sample has.
"""

from __future__ import annotations

import torch

from trainwright.lab.controls import OPTIMIZERS, choice, claim, fact, line, number, preset, role_of, seed, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Result, Series, Simulation, Table, Values, Verdict
from trainwright.parts.catalogue import find, resolve_options
from trainwright.parts.optimizers import CATALOGUE
from trainwright.randomness import generator

TESTED = 400


def data(count: int, share: float, first: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return training and test samples of `share` positive classes: x `(n, 3 + 5 (count + TESTED))`, y of -1 and 1."""
    draws = generator(first, "adam or sgd")
    total = count + TESTED
    y = torch.where(torch.rand(total, generator=draws, dtype=torch.float64) < share, 1.0, -1.0).double()
    x = torch.zeros(total, 3 + 5 * total, dtype=torch.float64)
    x[:, 0] = y
    x[:, 1:3] = 1.0
    for sample in range(total):
        own = 1 if y[sample] > 0 else 5
        x[sample, 3 + 5 * sample : 3 + 5 * sample + own] = 1.0
    return x[:count], y[:count], x[count:], y[count:]


def run(values: Values) -> Result:
    """Fit a linear model without a bias from zero by squared error, with both optimizers, to the last sample."""
    count, share, first = int(values["samples"]), float(values["share"]), int(values["seed"])
    steps = int(values["steps"])
    x, y, tested, truth = data(count, share, first)
    rivals = (str(values["rival"]), "momentum")
    lines: list[Series] = []
    rows, facts, wrong = [], [], {}
    for name in rivals:
        spec = find(CATALOGUE, name, "optimizer")
        rate = (
            float(values["adam_rate"])
            if name != "momentum"
            else 0.5 / float(torch.linalg.matrix_norm(x, 2) ** 2 / count)
        )
        weight = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
        options = resolve_options(spec.options, {"lr": rate, "weight_decay": 0.0}, name)
        optimizer = spec.factory([{"params": [weight]}], **options)
        fitted, generalised = [], []
        for step in range(steps + 1):
            optimizer.zero_grad()
            loss = (x @ weight - y).square().mean() / 2
            if step % max(1, steps // 60) == 0 or step == steps:
                with torch.no_grad():
                    fitted.append((float(step), loss.item()))
                    generalised.append((float(step), float(((tested @ weight).sign() != truth).double().mean())))
            loss.backward()
            optimizer.step()
        wrong[name] = generalised[-1][1]
        training_wrong = float(((x @ weight.detach()).sign() != y).double().mean())
        lines.append(
            line(
                f"{OPTIMIZERS[name]}, errors on test samples",
                [each[1] for each in generalised],
                role_of(name),
                x=[each[0] for each in generalised],
                played=True,
            )
        )
        lines.append(
            line(
                f"{OPTIMIZERS[name]}, training loss",
                [each[1] for each in fitted],
                role_of(name),
                x=[each[0] for each in fitted],
                dash="dashed",
                played=True,
            )
        )
        rows.append((OPTIMIZERS[name], rate, fitted[-1][1], training_wrong, wrong[name]))
        facts += [
            fact(f"errors on training samples, {name}", training_wrong),
            fact(f"errors on test samples, {name}", wrong[name]),
            fact(f"training loss, {name}", fitted[-1][1]),
        ]
    rare = float((truth < 0).double().mean())
    rival = OPTIMIZERS[rivals[0]]
    worse = wrong[rivals[0]] > wrong["momentum"]
    text = (
        f"both fit every training sample; of the test samples {rival} gets {wrong[rivals[0]]:.0%} wrong, SGD "
        "with momentum "
        f"{wrong['momentum']:.0%}; always guessing the common class {rare:.0%}"
    )
    return Result(
        verdict=Verdict(sign="warning" if worse else "healthy", text=text),
        plots=(
            plot(
                "two solutions that fit alike",
                Axis(label="step"),
                Axis(label="error"),
                lines,
                keep=(0.0, 0.5),
                most=1.0,
            ),
        ),
        tables=(
            Table(
                title="after the last step",
                columns=("optimizer", "rate", "training loss", "training errors", "test errors"),
                rows=tuple(rows),
            ),
        ),
        evidence=(*facts, fact("errors of always guessing the common class", rare)),
        python=f"""from trainwright.lab.registry import simulate

result = simulate("adam-or-sgd", {dict(values)!r})
print(result.verdict.text)
""",
        frames=max(len(each.x) for each in lines),
        frame_label="measurement",
    )


SIMULATION = Simulation(
    name="adam-or-sgd",
    number=31,
    title="Adam against SGD: which solution",
    guide="G0, common misconceptions",
    teaches="Among all solutions that fit the training data, the optimizer chooses. Adam makes rare features "
    "as loud as "
    "common ones, and here learns each sample by its own marks; SGD finds the feature that counts.",
    parameters=(
        choice(
            "rival", "Adaptive optimizer", "adam", {name: OPTIMIZERS[name] for name in ("adam", "adagrad", "rmsprop")}
        ),
        whole("samples", "Training samples", 60, 10, 120),
        number("share", "Share of the common class", 0.6, 0.5, 0.95, step=0.01),
        number("adam_rate", "Adaptive optimizer's rate", 0.01, 1e-4, 0.1, log=True, step=0.1),
        whole("steps", "Steps", 600, 50, 2000, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    seconds=0.8,
    presets=(
        preset("adam", "Adam"),
        preset("adagrad", "AdaGrad", rival="adagrad"),
        preset("rare", "A rare class", share=0.9),
    ),
    claims=(
        claim(
            "Adam is not always better than SGD: here both fit all training samples, and Adam answers every "
            "test sample "
            "with the common class while SGD makes no error.",
            "G0, common misconceptions",
            lambda result: (
                result["errors on training samples, adam"] == 0 == result["errors on training samples, momentum"]
                and result["errors on test samples, momentum"] == 0
                and result["errors on test samples, adam"] >= 0.9 * result["errors of always guessing the common class"]
            ),
        ),
    ),
)
