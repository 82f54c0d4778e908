"""Gradients that vanish on their way to the first layers, or explode.

Both say where a fault begins: a gradient that vanishes while the loss falls does no harm, and one that grows after the
loss has grown is the symptom of a rate that is too high.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from trainwright.doctor.kinds_precision import EXPLODING_GRADIENTS, VANISHING_GRADIENTS
from trainwright.doctor.loop_seen import at, loop_of, place
from trainwright.doctor.rule import Rule
from trainwright.doctor.series import finite, level, tail
from trainwright.records import Chart, Evidence, Finding, LayerStats, Location, Remedy, StepRecord

VANISHED = 1e-3
"""Gradient over weight of the first layers, in that of the last ones. Twelve kinds of networks with 2 to 16 layers that
learn within 300 steps stay above 1e-2 after step 20, those that do not lie below 1e-4."""
FEWEST_LAYERS = 4
"""Weight layers from which one speaks of depth."""
SETTLED, TRIED = 20, 100
"""The step from which a measurement counts; that of the untrained network counts too where so many steps have taught
nothing."""
VANISHED_ALONE = 1e-4
"""The same where a run was too short for more than one measurement."""
STEADILY = 0.7
"""Share of neighbours among which the deeper layer has the smaller gradient."""
NOT_BEGUN = 0.95
"""A loss above this share of a constant guess's, or of its own start, has not begun to fall."""
JUMP, LEAP = 10.0, 100.0
"""Norm over the usual one before: ten times, again and again, or a hundred times at once, and the loss is worse
for it. Healthy runs reach eight times in single steps, fifteen with heavy-tailed targets."""
AT_ONCE = 30.0
"""Norm over the loss, where a run ended before anything was usual; a network that is in order has about one."""
WITHIN, AGAIN = 20, 3
"""Steps in which it has to happen again, and how often."""
ALONE, FEWEST_NORMS = 20.0, 4
"""Norm over the usual one at which a single batch explodes, in a recurrent network that has not begun to learn; and so
many norms make it usual. Planted: 21 to 45 times, in 3 of 400 steps."""
RISEN = 1.2
"""The loss of that batch, over that of a constant guess."""
COMES_BACK, RECOVERED = 100, 0.95
"""Steps that a run has to come back from a jump of its gradients, and the share of the loss before that is a return."""
BEFORE = 100
"""Steps whose median is the usual norm."""
IN_ORDER, WORSE = 3.0, 1.2
"""The loss at the jump is no more than three times that before it; afterwards it is worse by a fifth at least."""


def vanishing_gradients(chart: Chart) -> Finding | None:
    """The same in the last two measurements, falling steadily with depth, and a loss that has not begun to fall."""
    steps = chart.steps
    reference = chart.info.constant_loss or (level(steps[:20]) if steps else math.nan)
    now = level(tail(steps, 0.1, 20)) if steps else math.nan
    if loop_of(chart).turns or not (reference > 0 and now >= NOT_BEGUN * reference):
        return None
    measured: dict[int, list[LayerStats]] = {}
    for layer in chart.layers:
        if _has_gradient(layer):
            measured.setdefault(layer.step, []).append(layer)
    looks = [(step, layers) for step, layers in sorted(measured.items()) if step == 0 or step >= SETTLED][-2:]
    if not looks or (looks[0][0] == 0 and len(steps) < TRIED):
        return None
    recent = [layers for _, layers in looks]
    shares = [_share(layers) for layers in recent]
    if not all(share < (VANISHED if len(looks) == 2 else VANISHED_ALONE) for share in shares):
        return None
    first, last = recent[-1][0], recent[-1][-1]
    evidence = [
        Evidence(
            name=f"gradient over weight in {first.module}, in parts of that in {last.module}",
            value=shares[-1],
            threshold=VANISHED,
            step=first.step,
        ),
        *(
            Evidence(name="the same", value=share, step=layers[0].step)
            for share, layers in zip(shares, recent[:-1], strict=False)
        ),
        Evidence(name="recent training loss", value=now, threshold=NOT_BEGUN * reference),
    ]
    return VANISHING_GRADIENTS.finding(
        where=replace(
            place(chart.info.where("model.name", "model"), loop_of(chart).backward_where), module=first.module
        ),
        step=recent[0][0].step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(
                text="replace sigmoid and tanh between the layers by ReLU or GELU, initialise by the layers' sizes "
                "(He), and add normalisation or residual connections"
            ),
        ),
        confidence=0.9,
    )


def _has_gradient(layer: LayerStats) -> bool:
    """Say whether a layer is one of weights that learn: a gain or a lookup table says nothing of the way through."""
    if "Norm" in layer.kind or "Embedding" in layer.kind:
        return False
    weight, gradient = layer.weight_norm, layer.gradient_norm
    return bool(weight and gradient) and math.isfinite(weight or 0.0) and math.isfinite(gradient or 0.0)


def _share(layers: Sequence[LayerStats]) -> float:
    """Return the relative gradient of the first layer over that of the last, infinite where it does not fall steadily.

    The layers come in the order of the model, which is that of the way through it as a rule.
    """
    if len(layers) < FEWEST_LAYERS:
        return math.inf
    ratios = [(layer.gradient_norm or 0.0) / (layer.weight_norm or 1.0) for layer in layers]
    rising = sum(after > before for before, after in pairwise(ratios))
    if rising < STEADILY * (len(ratios) - 1) or not ratios[-1] > 0:
        return math.inf
    return ratios[0] / ratios[-1]


def exploding_gradients(chart: Chart) -> Finding | None:
    """The norm jumps from a loss in order, and the loss is worse afterwards. An error where all is lost then."""
    if loop_of(chart).turns:
        return None
    steps = [record for record in chart.steps if record.gradient_norm is not None and not record.skipped]
    norms = [record.gradient_norm or 0.0 for record in steps]
    alone = _exploded_in_time(chart, steps)
    if alone is not None:
        return alone
    if len(steps) <= WITHIN:
        return _exploded_at_once(chart, steps)
    early = statistics.median(finite(norms[:WITHIN]) or [0.0])
    began = latest = -WITHIN - 1  # of a series of jumps: the first, whose loss is the one to compare with, and the last
    for index in range(WITHIN, len(steps)):
        if norms[index] < JUMP * early:
            continue
        usual = max(early, statistics.median(finite(norms[max(0, index - BEFORE) : index]) or [0.0]))
        # A norm that is not finite out of the blue was made by an operation, and did not grow.
        if usual <= 0 or norms[index] < JUMP * usual or not _finite(steps[index]):
            continue
        began, latest = index if index - latest > WITHIN else began, index
        window = range(index, min(index + WITHIN, len(steps)))
        jumps = [place for place in window if not norms[place] < JUMP * usual]
        ended = next((place for place in window if not _finite(steps[place])), None)
        highest = max((norms[place] for place in jumps if math.isfinite(norms[place])), default=math.inf)
        if ended is None and len(jumps) < AGAIN and highest < LEAP * usual:
            continue
        then, after = level(steps[max(0, began - WITHIN) : began]), level(steps[index + 1 : index + 1 + WITHIN])
        in_order = then > 0 and steps[index].loss <= IN_ORDER * then
        if not in_order or (ended is None and not after >= WORSE * then):
            continue
        if ended is None and not after > IN_ORDER * then and not _stays_lost(chart, steps[index].step, then):
            continue
        return _exploded(chart, steps[index], usual, highest, None if ended is None else steps[ended], (then, after))
    return None


def _stays_lost(chart: Chart, step: int, then: float) -> bool:
    """Say whether a run that had the time to come back from a jump at `step` has not.

    Gradients grow many times over when a deep network leaves the plateau of its start, and training goes well.
    """
    loop = chart.info.loop
    over = loop is None or loop.finished
    later = [record for record in chart.steps if record.step > step]
    return (over or len(later) >= COMES_BACK) and not level(tail(chart.steps, 0.1, 20)) < RECOVERED * then


def _exploded_in_time(chart: Chart, steps: Sequence[StepRecord]) -> Finding | None:
    """Judge recurrent networks that do not get anywhere: one batch in hundreds is enough to throw them back."""
    recurrent = any(layer.kind.startswith(("RNN", "LSTM", "GRU")) for layer in chart.layers)
    reference, now = chart.info.constant_loss, level(tail(chart.steps, 0.1, 20)) if chart.steps else math.nan
    if not recurrent or len(steps) < FEWEST_NORMS or reference is None or not now >= NOT_BEGUN * reference:
        return None
    usual = statistics.median(record.gradient_norm or 0.0 for record in steps)
    jumps = [record for record in steps[FEWEST_NORMS // 2 :] if (record.gradient_norm or 0.0) >= ALONE * usual > 0]
    jumps = [record for record in jumps if _finite(record) and record.loss >= RISEN * reference]
    if not jumps:
        return None
    highest = max(record.gradient_norm or 0.0 for record in jumps)
    return _exploded(chart, jumps[0], usual, highest, None, (reference, now))


def _exploded_at_once(chart: Chart, steps: Sequence[StepRecord]) -> Finding | None:
    """Judge a run that ended in its first steps: nothing is usual yet, so the norm is held against the loss itself."""
    if not steps or _finite(steps[-1]) or not _finite(steps[0]) or not steps[0].loss > 0:
        return None
    in_order = [record for record in steps[:-1] if _finite(record) and record.loss <= IN_ORDER * steps[0].loss]
    reference = max(steps[0].loss, chart.info.constant_loss or 0.0)
    for record in in_order:
        norm = record.gradient_norm or 0.0
        if norm >= AT_ONCE * reference:
            return _exploded(chart, record, reference, norm, steps[-1], (steps[0].loss, math.nan))
    return None


def _finite(record: StepRecord) -> bool:
    return math.isfinite(record.loss) and math.isfinite(record.gradient_norm or 0.0)


def _exploded(
    chart: Chart,
    record: StepRecord,
    usual: float,
    highest: float,
    ended: StepRecord | None,
    losses: tuple[float, float],
) -> Finding:
    evidence = [
        Evidence(name="norm of the gradient", value=highest, threshold=JUMP * usual, step=record.step),
        Evidence(name="its median before, or at the start the loss", value=usual),
        Evidence(name="training loss before", value=losses[0]),
    ]
    if ended is not None:
        evidence.append(Evidence(name="the loss or the gradient was no longer finite, step", value=ended.step))
    else:
        evidence.append(Evidence(name="training loss afterwards", value=losses[1], threshold=WORSE * losses[0]))
    limit = chart.info.setting("train.clip_norm")
    has_recipe = chart.info.loop is None and not limit
    where = chart.info.where("train.clip_norm", "model.name", "model")
    step_where = loop_of(chart).step_where
    return EXPLODING_GRADIENTS.finding(
        severity="error" if ended is not None or losses[1] > IN_ORDER * losses[0] else "warning",
        where=where if where != Location() else step_where,
        step=record.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(
                text=f"clip the gradient's norm before the step{at(step_where)}: clip_grad_norm_(parameters, 1.0)",
                change={"train.clip_norm": 1.0} if has_recipe else None,
            ),
        ),
        confidence=0.9,
    )


RULES = (
    Rule(kind=EXPLODING_GRADIENTS, needs=("steps",), judge=exploding_gradients),
    Rule(kind=VANISHING_GRADIENTS, needs=("steps", "layers"), judge=vanishing_gradients),
)
