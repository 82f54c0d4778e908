"""The gallery of loss curves: recorded real runs, with what the doctor says of each."""

from __future__ import annotations

import math
import statistics

from trainwright.lab.controls import choice, claim, fact, line, preset, switch
from trainwright.lab.framing import finite, plot
from trainwright.lab.gallery import SCENARIOS, Record, check, records
from trainwright.lab.schema import Axis, Marker, Result, Series, Simulation, Span, Values, Verdict

LEVEL = 0.5
"""Share of a constant guess's loss above which a level counts as high."""
GAP = 0.2
"""Share of it that counts as a gap."""


def _end(values: tuple[float, ...]) -> float:
    """Return the level of the last tenth of a curve."""
    shown = finite(values)
    return statistics.median(shown[-max(1, len(shown) // 10) :]) if shown else math.inf


def _spans(record: Record) -> tuple[Span, ...]:
    last = record.steps[-1]
    return tuple(
        Span(x0=float(finding.step), x1=last, text=f"{finding.code} certain from here", sign=finding.severity)
        for finding in record.findings
        if finding.step is not None and finding.step < last
    )


def run(values: Values) -> Result:
    """Show a recorded run, or train it again and hold it against the record."""
    name = str(values["scenario"])
    scenario, record = SCENARIOS[name], records()[name]
    guess = record.constant
    start = record.losses[0]
    series = [line("training loss, each batch", record.losses, "train", x=record.steps, style="points")]
    if record.train:
        series.append(line("training loss", record.train, "train", x=record.evaluated, played=True))
    series.append(
        line("validation loss", record.validation, "validation", x=record.evaluated, dash="dashed", played=True)
    )
    if guess is not None:
        ends = (record.steps[0], record.steps[-1])
        series.append(Series(name="a constant guess", x=ends, y=(guess, guess), role="reference", dash="dotted"))
    markers = []
    broken = next(
        (step for step, loss in zip(record.steps, record.losses, strict=True) if not math.isfinite(loss)), None
    )
    if broken is not None:
        markers.append(Marker(x=broken, text="no number from here on", sign="error"))
    top = max(finite(record.losses))
    if top > 6 * start:
        place = record.steps[record.losses.index(top)]
        markers.append(Marker(x=place, text=f"{top:.3g} at step {place:g}: off the scale", sign="warning"))
    level = _end(record.validation)
    gap = level - _end(record.train) if record.train else 0.0
    found = record.findings
    if values["hidden"]:
        verdict = Verdict(sign="note", text="what is it? decide, then show the labels")
    elif found:
        said = "; ".join(f"{each.code} {each.title}" for each in found)
        verdict = Verdict(sign=found[0].severity, text=f"{scenario.title}: {scenario.story}. The doctor: {said}")
    else:
        healthy = name == "good"
        told = f"{scenario.title}: {scenario.story}. The doctor finds nothing"
        verdict = Verdict(sign="healthy" if healthy else "note", text=told)
    again = check(name) if values["again"] else None
    if again is not None and not values["hidden"]:
        verdict = Verdict(sign="healthy" if again[0] else "warning", text=f"trained again: {again[1]}")
    shown = guess if guess is not None else start
    return Result(
        verdict=verdict,
        plots=(
            plot(
                "a recorded run" if values["hidden"] else scenario.title,
                Axis(label="step"),
                Axis(label="loss", log=bool(values["log"])),
                series,
                most=6 * max(start, shown),
                keep=(start,),
                markers=tuple(markers),
                spans=() if values["hidden"] else _spans(record),
            ),
        ),
        evidence=()
        if values["hidden"]
        else (
            fact("level of the validation loss over a guess", level / shown, threshold=LEVEL),
            fact("gap between the curves over a guess", gap / shown, threshold=GAP),
            fact("findings", ", ".join(each.kind for each in found) or "none"),
            fact("expected finding", scenario.expected or "none"),
            fact("lowest validation loss", min(finite(record.validation))),
            fact("last validation loss", record.validation[-1]),
            fact("highest loss of a batch", max(finite(record.losses))),
            fact("seed", record.seed),
            fact("recipe", record.recipe),
            fact("checksum", record.checksum),
            fact("recorded by", record.made_by),
            *(() if again is None else (fact("trained again", again[1]), fact("agrees", again[0]))),
        ),
        python=f"""from trainwright.lab.gallery import check, records

record = records()[{name!r}]
print(record.losses[-1], [finding.kind for finding in record.findings])
print(check({name!r}))
""",
        frames=len(record.evaluated),
        frame_label="evaluation",
    )


SIMULATION = Simulation(
    name="loss-curves",
    number=8,
    title="Loss curve gallery",
    guide="G2, chapter 3",
    teaches="Read shape, level and gap: a small gap is health where the level is low, and underfitting where "
    "it is that of a "
    "guess. The level against a baseline decides.",
    parameters=(
        choice("scenario", "Scenario", "good", {name: each.title for name, each in SCENARIOS.items()}),
        switch("hidden", "Hide the labels", help="Test yourself."),
        switch("log", "Logarithmic loss"),
        switch("again", "Train it again", help="And compare with the record."),
    ),
    run=run,
    seconds=0.05,
    presets=tuple(
        preset(name, each.title[0].upper() + each.title[1:], scenario=name) for name, each in SCENARIOS.items()
    ),
    claims=(
        claim(
            "Good training: a low level, and a small gap; and nothing for the doctor to say.",
            "G2, chapter 3",
            lambda result: (
                result["level of the validation loss over a guess"] < LEVEL
                and result["gap between the curves over a guess"] < GAP
                and result["findings"] == "none"
            ),
        ),
        claim(
            "Small gaps are of two kinds: healthy at a low level, underfitting at that of a guess. The level decides.",
            "G2, chapter 3",
            lambda good, under: (
                max(good["gap between the curves over a guess"], under["gap between the curves over a guess"]) < GAP
                and good["level of the validation loss over a guess"] < LEVEL
                and under["level of the validation loss over a guess"] > 0.95
            ),
            {"scenario": "good"},
            {"scenario": "underfitting"},
            as_written="The train/val gap tells you everything. Small gap = underfitting (increase model capacity).",
        ),
        claim(
            "Learning rate too high: the loss swings wildly, or explodes until it is no number.",
            "G2, chapter 3",
            lambda high, gone: (
                "learning-rate-too-high" in high["findings"] and "learning-rate-too-high" in gone["findings"]
            ),
            {"scenario": "too-high"},
            {"scenario": "nan"},
        ),
        claim(
            "Learning rate too low: after 500 steps hardly anything has happened.",
            "G2, chapter 3",
            lambda result: (
                result["level of the validation loss over a guess"] > 0.95
                and "learning-rate-too-low" in result["findings"]
            ),
            {"scenario": "too-low"},
        ),
        claim(
            "Overfitting: the validation loss bottoms out and rises, and the gap grows.",
            "G2, chapter 3",
            lambda result: (
                result["gap between the curves over a guess"] > GAP
                and result["last validation loss"] > 1.5 * result["lowest validation loss"]
                and "overfitting" in result["findings"]
            ),
            {"scenario": "overfitting"},
        ),
        claim(
            "A softmax too many stops the loss of four classes at 0.744.",
            "G3, common pitfalls",
            lambda result: (
                result["lowest validation loss"] >= math.log(1 + 3 / math.e) - 1e-4
                and "softmax-before-cross-entropy" in result["findings"]
            ),
            {"scenario": "double-softmax"},
        ),
    ),
)
