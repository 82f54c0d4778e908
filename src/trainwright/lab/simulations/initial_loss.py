"""The loss before the first step: what guessing gives, what an untrained network gives, what no training beats."""

from __future__ import annotations

import math

import torch
from torch import nn

from trainwright.checks.catalogue import CATALOGUE as CHECKS
from trainwright.checks.run import run_checks
from trainwright.lab.controls import choice, claim, fact, line, number, preset, seed, switch, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Marker, Plot, Result, Series, Sign, Simulation, Span, Table, Values, Verdict
from trainwright.lab.tiny import network
from trainwright.parts.losses import CATALOGUE, cross_entropy
from trainwright.parts.penalties import Penalty
from trainwright.randomness import generator, isolated
from trainwright.records import Finding
from trainwright.stages.subject import subject_of

SAMPLES, FEATURES = 512, 16
OFF = 0.15
"""Share by which an initial loss may miss that of a guess: the sound networks here stay within 4 %."""
CLEARLY_OFF = 0.5
"""And the share from which on it is an error."""
_LOSSES = {
    "cross_entropy": "cross-entropy",
    "focal": "focal",
    "bce_with_logits": "binary cross-entropy",
    "mse": "squared error",
    "huber": "Huber",
}


class _Scaled(nn.Module):
    """A network whose outputs are multiplied: confident before it has learnt anything, where the factor is large."""

    def __init__(self, inner: nn.Module, factor: float, *, softmax: bool) -> None:
        super().__init__()
        self.inner, self.factor, self.softmax = inner, factor, softmax

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.inner(x) * self.factor
        return out.softmax(1) if self.softmax else out


def softmax_twice_floor(classes: int) -> float:
    """Return the least that cross-entropy can be where it gets probabilities for logits: that of a certain, right one.

    log(1 + (C - 1) / e), computed by the loss itself.
    """
    certain = torch.zeros(1, classes, dtype=torch.float64)
    certain[0, 0] = 1.0
    return float(cross_entropy(certain, torch.zeros(1, dtype=torch.int64)))


def _batch(loss: str, classes: int, first: int) -> tuple[torch.Tensor, torch.Tensor]:
    draws = generator(first, "initial loss")
    x = torch.randn(SAMPLES, FEATURES, generator=draws)
    if loss in ("mse", "huber"):
        return x, torch.randn(SAMPLES, 1, generator=draws)
    y = torch.arange(SAMPLES) % (2 if loss == "bce_with_logits" else classes)
    return x, (y[:, None].float() if loss == "bce_with_logits" else y)


def run(values: Values) -> Result:
    """Build a real network, measure its loss on real samples, and let the library's own check judge it."""
    name, classes, first = str(values["loss"]), int(values["classes"]), int(values["seed"])
    spec = CATALOGUE[name]
    many = name in ("cross_entropy", "focal")
    options = {"label_smoothing": float(values["smoothing"])} if "label_smoothing" in spec.options else {}
    loss = spec.factory(**options)
    x, y = _batch(name, classes, first)
    twice = bool(values["double_softmax"]) and many
    with isolated(first):
        inner = network(FEATURES, spec.output_units(classes) if many else 1, width=32)()
        model = _Scaled(inner, float(values["scale"]), softmax=twice)
        with torch.no_grad():
            measured = float(loss(model(x), y))
        strength = float(values["penalty"])
        penalty = Penalty(model, l1=0.0, l2=strength) if strength else None
        added = float(penalty().detach()) if penalty is not None else 0.0
        subject = subject_of(model, loss, (x, y), penalty=penalty, seed=first)
        found: list[Finding] = []
        chosen = [CHECKS["initial-loss"], *([CHECKS["penalty"]] if "penalty" in CHECKS and strength else [])]
        for result in run_checks(subject, chosen):
            found += result.findings
    expected = spec.initial(classes if many else 1) if spec.initial is not None else None
    if expected is None:
        with torch.no_grad():
            expected = float(loss(torch.zeros(SAMPLES, 1), y))
    floor = softmax_twice_floor(classes) if twice else abs(float(spec.floor(classes, **options)))
    actual = float(values["actual"])
    told = actual if actual > 0 else measured
    sign, text = _judge(told, float(expected), found, own=actual > 0, twice=twice, floor=floor)
    counts = [2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]
    series = [line("log C", [CATALOGUE["cross_entropy"].initial(count) for count in counts], "reference", x=counts)]  # type: ignore[misc]
    series.append(
        line("floor after a softmax too many", list(map(softmax_twice_floor, counts)), "error", x=counts, dash="dashed")
    )
    if options.get("label_smoothing"):
        floors = [float(spec.floor(count, **options)) for count in counts]
        series.append(line("floor under label smoothing", floors, "note", x=counts, dash="dotted"))
    place = float(classes if many else 2)
    return Result(
        verdict=Verdict(sign=sign, text=text),
        plots=(
            plot(
                "the loss that guessing gives",
                Axis(label="classes", log=True, low=1.8, high=1100),
                Axis(label="loss", unit="nats"),
                series,
                keep=(0.0, min(told, 30.0)),
                most=40.0,
                markers=(Marker(x=place, y=told, text="your loss" if actual > 0 else "measured", sign=sign),),
            ),
            _gauge(told, float(expected), sign, own=actual > 0),
        ),
        tables=(
            Table(
                title="before the first step",
                columns=("what", "loss"),
                rows=(
                    ("guessing", float(expected)),
                    ("this network", measured),
                    ("with the penalty", measured + added),
                    ("least that training can reach", floor),
                ),
            ),
        ),
        evidence=(
            fact("expected loss", float(expected)),
            fact("measured loss", measured),
            fact("measured loss with the penalty", measured + added),
            fact("least possible loss", floor),
            fact("findings", ", ".join(finding.kind for finding in found) or "none"),
        ),
        python=f"""import torch
from trainwright.parts.losses import CATALOGUE, cross_entropy
from trainwright.lab.simulations.initial_loss import softmax_twice_floor

loss = CATALOGUE[{name!r}].factory()
logits, labels = torch.zeros(64, {classes}), torch.arange(64) % {classes}
print("guessing:", cross_entropy(logits, labels).item())
print("floor after a softmax too many:", softmax_twice_floor({classes}))
""",
    )


def _gauge(told: float, expected: float, sign: Sign, *, own: bool) -> Plot:
    """Return the loss on a scale: what is about a guess, what is clearly too high, and where it stands."""
    end = max(2.5 * expected, 1.15 * told)
    return Plot(
        title="the gauge",
        x=Axis(label="loss", unit="nats", low=0.0, high=end),
        y=Axis(label="", low=0.0, high=1.0),
        series=(Series(name="yours" if own else "measured", x=(told,), y=(0.5,), role=sign, style="stems"),),
        markers=(Marker(x=expected, text=f"guessing {expected:.4g}"),),
        spans=(
            Span(x0=0.0, x1=expected * (1 - OFF), text="too low: the answer may be among the inputs", sign="warning"),
            Span(x0=expected * (1 - OFF), x1=expected * (1 + OFF), text="about a guess", sign="healthy"),
            Span(x0=expected * (1 + OFF), x1=expected * (1 + CLEARLY_OFF), text="too high", sign="warning"),
            Span(x0=expected * (1 + CLEARLY_OFF), x1=end, text="far too high", sign="error"),
        ),
    )


def _judge(
    told: float, expected: float, found: list[Finding], *, own: bool, twice: bool, floor: float
) -> tuple[Sign, str]:
    if own and told > expected * (1 + OFF):
        far = told > expected * (1 + CLEARLY_OFF)
        if far:
            return "error", f"{told:.4g} is far above {expected:.4g}: confident and wrong, before anything was learnt"
        return "warning", f"{told:.4g} is above the {expected:.4g} that guessing gives: more than chance explains"
    if own and told < expected * (1 - OFF):
        return "warning", f"{told:.4g} is below {expected:.4g}: the answer may be among the inputs"
    if found and not own:
        return found[0].severity, f"{found[0].code} {found[0].title}: {told:.4g} where guessing gives {expected:.4g}"
    if twice:
        return "warning", (
            f"{told:.4g}, as if all were well; but with a softmax too many no training gets below {floor:.4g}: "
            "this check cannot see it, the check of the outputs does (TW301)"
        )
    if told > expected * (1 + OFF):
        text = f"{told:.4g} is above the {expected:.4g} that guessing gives: the logits are too large"
        return "warning", f"{text} before anything was learnt"
    return "healthy", f"{told:.4g}, about the {expected:.4g} that guessing gives"


SIMULATION = Simulation(
    name="initial-loss",
    number=6,
    title="Sanity check: expected initial loss",
    guide="G2, chapter 2",
    teaches="Before any training the loss must be that of a guess, log C for C classes. Far above it the network is "
    "confident and wrong; a softmax too many does not show here, and sets a floor that no training passes.",
    parameters=(
        whole("classes", "Classes C", 10, 2, 1000, log=True),
        choice("loss", "Loss", "cross_entropy", _LOSSES),
        number("scale", "Scale of the logits", 1.0, 0.01, 100.0, log=True, step=0.1),
        switch("double_softmax", "A softmax before the loss"),
        number("smoothing", "Label smoothing", 0.0, 0.0, 0.5, step=0.01),
        number("penalty", "L2 penalty λ", 0.0, 0.0, 0.1, step=0.001),
        number(
            "actual", "Your own initial loss", 0.0, 0.0, 100.0, step=0.1, help="0 for none: the measured one counts."
        ),
        seed(),
    ),
    run=run,
    presets=(
        preset("cifar", "Ten classes, as it should be"),
        preset("confident", "Confident and wrong", scale=60.0),
        preset("double-softmax", "A softmax too many", double_softmax=True),
        preset("penalty", "With a penalty", penalty=0.01),
        preset("smoothing", "Label smoothing", smoothing=0.1),
        preset("your-8.5", "Your loss is 8.5", actual=8.5),
        preset("your-0.3", "Your loss is 0.3", actual=0.3),
        preset("thousand", "A thousand classes", classes=1000),
    ),
    seconds=0.2,
    claims=(
        claim(
            "For C classes the initial loss should be log C: 2.303 for ten.",
            "G2, chapter 2",
            lambda result: (
                math.isclose(result["expected loss"], math.log(10))
                and abs(result["measured loss"] - math.log(10)) < 0.15
            ),
            as_written="log(10) ≈ 2.302",
        ),
        claim(
            "An initial loss of 8.5 or 0.3 with ten classes means that something is broken.",
            "G2, chapter 2",
            lambda high, low: high.verdict.sign == "error" and low.verdict.sign == "warning",
            {"actual": 8.5},
            {"actual": 0.3},
        ),
        claim(
            "Regularization makes the initial loss slightly higher.",
            "G2, chapter 2",
            lambda result: result["measured loss"] < result["measured loss with the penalty"],
            {"penalty": 0.001},
        ),
        claim(
            "A softmax too many still starts at log C, so this check misses it; but it cannot go below 1.461 for ten.",
            "G2, chapter 2; G3, common pitfalls",
            lambda result: (
                abs(result["measured loss"] - math.log(10)) < 0.05
                and math.isclose(result["least possible loss"], math.log(1 + 9 / math.e))
            ),
            {"double_softmax": True},
            as_written="If your actual initial loss is far from this, you have a bug.",
        ),
        claim(
            "Label smoothing of 0.1 keeps the loss of ten classes above 0.500.",
            "G3, loss functions",
            lambda result: abs(result["least possible loss"] - 0.500) < 0.001,
            {"smoothing": 0.1},
        ),
        claim(
            "Logits that are far too large make the loss far too high before the first step, and the check says so.",
            "G2, chapter 2",
            lambda result: "initial-loss-too-high" in result["findings"],
            {"scale": 60.0},
        ),
    ),
)
