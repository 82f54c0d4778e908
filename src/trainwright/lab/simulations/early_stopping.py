"""More training is not always better: a network that learns its samples by heart, and where to stop."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trainwright.lab.controls import claim, fact, number, preset, seed, whole
from trainwright.lab.framing import plot
from trainwright.lab.schema import Axis, Cancelled, Marker, Result, Simulation, Span, Values, Verdict
from trainwright.lab.tiny import moons, network
from trainwright.lab.training import Plan, Trained, curve, trainings, verdict_of
from trainwright.training.stopping import Best

EVERY = 10


def _plan(values: Values) -> Plan:
    first = int(values["seed"])
    return Plan(
        name="overfitting",
        make=network(2, 2, width=int(values["width"]), depth=2, dropout=float(values["dropout"])),
        train=moons(int(values["samples"]), first, flipped=float(values["flipped"])),
        validation=moons(500, first + 1, flipped=float(values["flipped"])),
        settings={
            "lr": 0.005,
            "optimizer": "adamw",
            "schedule": "constant",
            "batch_size": min(32, int(values["samples"])),
            "weight_decay": float(values["decay"]),
        },
        steps=int(values["steps"]),
        every=EVERY,
        seed=first,
    )


def _result(values: Values, state: Trained, *, stopped: bool) -> Result:
    records = state.evaluated("validation")
    patience = int(values["patience"])
    best, halt = Best(direction="min"), None
    for record in records:
        best = best.update(record.loss, record.step)
        if halt is None and best.exhausted(patience):
            halt = record.step
    lowest = min(records, key=lambda record: record.loss)
    last = records[-1]
    markers = [Marker(x=float(lowest.step), y=lowest.loss, text=f"best: step {lowest.step}", sign="healthy")]
    if halt is not None:
        markers.append(Marker(x=float(halt), text=f"patience of {patience} ends", sign="note"))
    found = next((each for each in state.findings if each.kind == "overfitting"), None)
    spans = (
        (Span(x0=float(lowest.step), x1=float(last.step), text="validation loss rises: TW901", sign="warning"),)
        if found is not None
        else ()
    )
    verdict = verdict_of(
        [found] if found else [], "the doctor finds no overfitting: the validation loss has not turned for good"
    )
    if stopped:
        verdict = Verdict(sign="note", text="stopped before the end")
    elif not state.done:
        verdict = Verdict(sign="note", text="training")
    constant = state.chart.info.constant_loss
    if constant is not None:
        markers.append(Marker(x=None, y=constant, text="a constant guess"))
    train = state.evaluated("train")
    return Result(
        verdict=verdict,
        plots=(
            plot(
                "training and validation",
                Axis(label="step"),
                Axis(label="loss"),
                (
                    curve(state, "train", "training loss", "train", played=True),
                    curve(state, "validation", "validation loss", "validation", dash="dashed", played=True),
                ),
                markers=tuple(markers),
                spans=spans,
                keep=(0.0,),
                most=5.0,
            ),
        ),
        evidence=(
            fact("best validation loss", lowest.loss, step=lowest.step),
            fact("best step", lowest.step),
            fact("last validation loss", last.loss),
            fact("last training loss", train[-1].loss if train else math.nan),
            fact("step at which patience ends", math.inf if halt is None else halt),
            fact("findings", ", ".join(each.kind for each in state.findings) or "none"),
        ),
        python=f"""import torch
import trainwright as tw
from trainwright.lab.tiny import moons, network

torch.manual_seed({values["seed"]})
model = network(2, 2, width={values["width"]}, depth=2, dropout={values["dropout"]!r})()
train = moons({values["samples"]}, {values["seed"]}, flipped={values["flipped"]!r})
run = tw.fit(
    model, train, moons(500, {int(values["seed"]) + 1}, flipped={values["flipped"]!r}), lr=0.005, schedule="constant",
    batch_size={min(32, int(values["samples"]))}, weight_decay={values["decay"]!r}, steps={values["steps"]},
    evaluate_every_steps={EVERY},
    seed={values["seed"]}, patience={patience},
)
print(run.outcome.status, run.outcome.reason, run.outcome.best_step, [finding.kind for finding in run.findings])
""",
        frames=len(records),
        frame_label="evaluation",
        progress=1.0 if state.done or stopped else len(state.chart.steps) / int(values["steps"]),
        done=state.done or stopped,
    )


def live(values: Values, cancelled: Cancelled) -> Iterator[Result]:
    """Train, and show the curves as they grow."""
    for state in trainings(_plan(values), chunk=40):
        stopped = cancelled() and not state.done
        yield _result(values, state, stopped=stopped)
        if stopped:
            return


def run(values: Values) -> Result:
    """Train to the end."""
    *_, last = live(values, lambda: False)
    return last


SIMULATION = Simulation(
    name="early-stopping",
    number=25,
    title="Overfitting, and when to stop",
    guide="G0, common misconceptions; G1 and G4, early stopping",
    teaches="The training loss falls for ever; what counts turns around. The best model is the one at the turn, and "
    "patience finds it without knowing the future.",
    parameters=(
        whole("samples", "Training samples", 60, 10, 1000, log=True),
        number("flipped", "Share of wrong labels", 0.15, 0.0, 0.4, step=0.01),
        whole("width", "Units in each layer", 128, 2, 256, log=True),
        number("dropout", "Dropout", 0.0, 0.0, 0.9, step=0.05),
        number("decay", "Weight decay", 0.0, 0.0, 10.0, step=0.1),
        whole("patience", "Patience", 5, 1, 50, unit="evaluations"),
        whole("steps", "Steps", 400, 50, 1000, log=True, unit="steps"),
        seed(),
    ),
    run=run,
    live=live,
    seconds=1.2,
    presets=(
        preset("overfitting", "Sixty samples, some mislabelled"),
        preset("data", "Ten times the data", samples=600),
        preset("smaller", "A smaller network", width=4),
        preset("dropout", "With dropout", dropout=0.6),
    ),
    claims=(
        claim(
            "More training is not always better: after a point the network memorises, and the best model is "
            "not the one "
            "trained the longest.",
            "G0, common misconceptions",
            lambda result: (
                result["last validation loss"] > 1.3 * result["best validation loss"]
                and result["best step"] < 200
                and "overfitting" in result["findings"]
            ),
        ),
        claim(
            "Overfitting: the training loss keeps dropping, the validation loss bottoms out and rises.",
            "G2, chapter 3",
            lambda result: result["last training loss"] < 0.2 and result["last validation loss"] > 1,
        ),
        claim(
            "More data is the cure: with ten times as many samples far less is lost.",
            "G2, chapter 3",
            lambda few, many: (
                many["last validation loss"] / many["best validation loss"]
                < few["last validation loss"] / few["best validation loss"]
            ),
            {},
            {"samples": 600},
        ),
        claim(
            "Early stopping halts when validation stops improving, soon after the best.",
            "G4, regularization",
            lambda result: 0 <= result["step at which patience ends"] - result["best step"] <= 100,
        ),
    ),
)
