"""Half precision. Exact states of gradients and weights; a scaler by the share of steps that it skips."""

from __future__ import annotations

from trainwright.doctor.kinds_numbers import BF16_UPDATES_LOST
from trainwright.doctor.kinds_precision import AUTOCAST_NOT_APPLIED, FP16_UNDERFLOW, SCALER_KEEPS_SKIPPING
from trainwright.doctor.loop_seen import at, counted, loop_of, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

MOST_ZERO = 0.5
"""Share of the gradients that are zero in float16 alone."""
FEWEST_SKIPS_OF = 50
"""Steps before skipping is judged: from a scale of 65536 a scaler needs a handful of skips to find its own."""
SKIPS = 0.2
"""Share of skipped steps; a healthy scaler skips one in two thousand, when it tries a larger scale."""
UNCHANGED = 0.9
"""Share of the elements of half-precision weights that a step left as they were."""
MOST_UNCHANGED, STANDS = 0.5, 0.95
"""The same of most weights, where one matrix is left as it was but for a twentieth: an embedding, whose weights are
ten times as large as those of other layers, and lose ten times as much."""
AT_WORK = 0.1
"""Share of the highest rate below which updates are meant to be small: warmup, and the end of a schedule."""
FEWEST = 3


def fp16_underflow(chart: Chart) -> Finding | None:
    """Exact: zeros in float16 that are none in float32, without a scaler."""
    sighting = often(chart, "gradients-underflowed")
    if sighting is None or loop_of(chart).seen("scaler-skipped") is not None:
        return None
    share, dtype = number(sighting, "share"), word(sighting, "dtype", "float16")
    if share is None or share <= MOST_ZERO or dtype != "float16":
        return None
    return FP16_UNDERFLOW.finding(
        where=place(sighting.where, loop_of(chart).backward_where),
        step=sighting.step,
        evidence=(
            Evidence(name="share of gradients that are zero in float16 alone", value=share, threshold=MOST_ZERO),
            counted(sighting, "steps in which they were"),
        ),
        remedies=(
            Remedy(
                text="scale the loss: scaler.scale(loss).backward(), scaler.step(optimizer), scaler.update()"
                f"{at(loop_of(chart).backward_where)}; or compute in bfloat16"
            ),
        ),
    )


def scaler_keeps_skipping(chart: Chart) -> Finding | None:
    """More than a fifth of the last fifty steps: the search for the first scale is over by then."""
    loop, recent = loop_of(chart), chart.steps[-FEWEST_SKIPS_OF:]
    skipped, of = sum(record.skipped for record in recent), len(recent)
    sighting = loop.seen("scaler-skipped")
    if not skipped and sighting is not None:
        skipped = number(sighting, "skipped") or sighting.count
        of = number(sighting, "steps") or sighting.chances or 0
    if of < FEWEST_SKIPS_OF or skipped <= SKIPS * of:
        return None
    where = place(sighting.where if sighting else loop.step_where, loop.step_where)
    return SCALER_KEEPS_SKIPPING.finding(
        where=place(where, chart.info.where("train.precision")),
        step=chart.last_step,
        evidence=(
            Evidence(name=f"skipped of {of:g} steps", value=skipped),
            Evidence(name="share", value=skipped / of, threshold=SKIPS),
        ),
        remedies=(Remedy(text="find what overflows in float16 and compute it in float32, or use bfloat16"),),
        confidence=0.9,
    )


def bf16_updates_lost(chart: Chart) -> Finding | None:
    """Exact at each step that was looked at; only where the rate is at work, and the weights are in half precision."""
    sighting = often(chart, "weights-mostly-unchanged", fewest=FEWEST)
    if sighting is None:
        return None
    share, worst, dtype = number(sighting, "share"), number(sighting, "worst"), word(sighting, "dtype")
    if share is None or dtype not in ("bfloat16", "float16"):
        return None
    # Of an optimizer whose steps are as large as its rate, whatever the gradient: they will be no larger later.
    stands = worst is not None and worst >= STANDS and all(made.adaptive for made in loop_of(chart).optimizers)
    if share < (MOST_UNCHANGED if stands else UNCHANGED):
        return None
    if chart.steps and chart.steps[-1].rate < AT_WORK * max(record.rate for record in chart.steps):
        return None
    return BF16_UPDATES_LOST.finding(
        title=f"{dtype} weights are too coarse for the updates",
        where=place(sighting.where, loop_of(chart).step_where),
        step=sighting.step,
        evidence=(
            Evidence(name="share of the weights that a step leaves as they were", value=share, threshold=UNCHANGED)
            if share >= UNCHANGED
            else Evidence(name="share of a matrix that a step leaves as it was", value=worst or 0.0, threshold=STANDS),
            counted(sighting, "steps that did"),
        ),
        remedies=(
            Remedy(
                text="keep the weights in float32 (no .bfloat16() or .half() on the model) and compute under "
                "torch.autocast(..., dtype=torch.bfloat16)"
            ),
        ),
    )


def autocast_not_applied(chart: Chart) -> Finding | None:
    """Exact: under autocast, and no matrix product in its number format."""
    sighting = often(chart, "autocast-without-effect", fewest=FEWEST)
    if sighting is None:
        return None
    evidence = [counted(sighting, "steps under autocast whose products are all in the weights' own format")]
    if dtype := word(sighting, "dtype"):
        evidence.append(Evidence(name="number format that autocast was asked for", value=dtype))
    if missing := word(sighting, "missing"):
        evidence.append(Evidence(name="device that it was made for, and that is not here", value=missing))
    return AUTOCAST_NOT_APPLIED.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text=f"give autocast{at(sighting.where)} the model's device type, and run the forward inside it"),
        ),
    )


RULES = (
    Rule(kind=FP16_UNDERFLOW, needs=("loop",), judge=fp16_underflow),
    Rule(kind=BF16_UPDATES_LOST, needs=("loop",), judge=bf16_updates_lost),
    Rule(kind=SCALER_KEEPS_SKIPPING, needs=("steps",), judge=scaler_keeps_skipping),
    Rule(kind=AUTOCAST_NOT_APPLIED, needs=("loop",), judge=autocast_not_applied),
)
