"""Diagnoses of the learning rate and its schedule."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

LEARNING_RATE_TOO_HIGH = Kind(
    code="TW601",
    kind="learning-rate-too-high",
    severity="warning",
    title="the learning rate is too high",
    because="each step jumps over the valley it was meant to descend into and lands higher on the other side",
    what="Updates are so long that the loss of the very batch they were computed on rises, and training does not get "
    "better, or the loss grows without bound.",
    hurts="At best the network hovers above the minimum, at worst the loss explodes to NaN.",
    fix="Divide the rate by 3 or 10, warm up, or clip the gradient.",
    wrong_when="Losses that are meant to oscillate, as those of adversarial pairs; a cyclic schedule at its peak.",
    causes=RATE_SYMPTOMS,
    error_with=("dead-relu",),  # units that were dead from the start get no gradient, and no update would overshoot
)

LEARNING_RATE_TOO_LOW = Kind(
    code="TW602",
    kind="learning-rate-too-low",
    severity="warning",
    title="the learning rate is too low",
    because="along each step the loss still falls in a straight line: the steps are far too short for the valley",
    what="A step ten times as long would have gained ten times as much, again and again, and the loss hardly moved.",
    hurts="The budget runs out long before the network has learnt what it could.",
    fix="Multiply the rate by 3 or 10 and look again.",
    wrong_when="Fine-tuning that starts near its optimum, and small rates used on purpose.",
    causes=("plateau", "underfitting"),
)

PLATEAU = Kind(
    code="TW607",
    kind="plateau",
    severity="note",
    title="the loss has stopped falling",
    because="over the last fifth of the run the loss has no slope that its noise would let one see",
    what="The training loss is flat for a fifth of the planned run while the rate is still at work.",
    hurts="The rest of the budget is spent without gain.",
    fix="Lower the rate tenfold, use a schedule that decays, or stop.",
    wrong_when="The end of a decaying schedule, where flat is what was wanted; it is not reported there.",
)
