"""Diagnoses of the calls around a step (zero, backward, clip, step): in a wrong order, or not at all."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind

LEARNS_BADLY = (
    *RATE_SYMPTOMS,
    "learning-rate-too-high",
    "exploding-gradients",
    "vanishing-gradients",
    "warmup-missing",
    "scaler-keeps-skipping",
    "best-checkpoint-passed",
    "clipping-dominates",
    "weight-decay-too-strong",
)
"""What a run shows whose steps are not those that were meant."""
LEARNS_NOTHING = (
    "weights-never-updated",
    "bf16-updates-lost",
    "learning-rate-too-low",
    "learning-rate-too-high",
    "plateau",
    "underfitting",
    "vanishing-gradients",
    "scheduler-never-stepped",
    "scheduler-before-optimizer",
    "outputs-ignore-input",
)
"""What a run shows whose weights stay, or get nothing to learn from."""

MISSING_ZERO_GRAD = Kind(
    code="TW501",
    kind="missing-zero-grad",
    severity="error",
    title="the gradients of earlier steps are never zeroed",
    because="backward adds to the gradients that are there, so each step repeats all the steps before it",
    what="A step used gradients, and the next backward pass added to them without zeroing in between.",
    hurts="The gradient grows with every step into a sum over the whole past: steps get longer and point to where the "
    "minimum was. The loss falls at first, then swings or diverges; Adam hides it, and only learns worse.",
    fix="`optimizer.zero_grad()` before each backward pass, or after each step.",
    wrong_when="Sums over past gradients that are meant, as a home-made momentum.",
    causes=(*LEARNS_BADLY, "accumulation-not-averaged", "outputs-ignore-input"),
)

GRADIENTS_ERASED_BEFORE_STEP = Kind(
    code="TW502",
    kind="gradients-erased-before-step",
    severity="error",
    title="the gradients are erased between the backward pass and the step",
    because="the optimizer steps along gradients that are not there any more, and leaves the weights as they are",
    what="After the backward pass all gradients are zeroed, and then the optimizer makes its step.",
    hurts="Nothing is learnt. With weight decay or momentum the weights still move, only not towards anything.",
    fix="Zero before the backward pass or after the step, never between them.",
    wrong_when="Batches that are dropped on purpose, which happens now and then and not at half of the steps.",
    causes=(*LEARNS_NOTHING, "missing-backward", "parameters-without-gradient", "fp16-underflow"),
)

MISSING_OPTIMIZER_STEP = Kind(
    code="TW503",
    kind="missing-optimizer-step",
    severity="error",
    title="the optimizer is never stepped",
    because="a backward pass only computes gradients; the weights change in optimizer.step()",
    what="There are backward passes and an optimizer, but it never made a step, and the weights did not change.",
    hurts="Training runs, and the network stays as it was initialised.",
    fix="`optimizer.step()` after the backward pass. Where a condition guards it, see whether it can become true.",
    wrong_when="Programs that want the gradients alone: they need no optimizer.",
    causes=(*LEARNS_NOTHING, "missing-zero-grad", "graph-kept-alive"),
)

MISSING_BACKWARD = Kind(
    code="TW504",
    kind="missing-backward",
    severity="error",
    title="the optimizer steps without a backward pass",
    because="without loss.backward() there are no gradients, and a step without gradients changes nothing",
    what="The optimizer made steps, and no backward pass or other source gave it a gradient since the step before.",
    hurts="Nothing is learnt; where old gradients are left, the same step is made over and over.",
    fix="`loss.backward()` before `optimizer.step()`.",
    wrong_when="A single step before training that is to silence a scheduler; it is not counted.",
    causes=(*LEARNS_NOTHING, "missing-zero-grad", "parameters-without-gradient", "scheduler-wrong-frequency"),
)

CLIPPING_WITHOUT_EFFECT = Kind(
    code="TW508",
    kind="clipping-without-effect",
    severity="error",
    title="the gradients are clipped where it has no effect",
    because="clipping changes the gradients that are there when it is called: between the backward pass and the step",
    what="The gradients are clipped before the backward pass has made them, or after the step has used them; or the "
    "parameters to clip come from a generator that was read to its end by an earlier call.",
    hurts="Training runs without the protection that it is believed to have.",
    fix="The order is zero_grad, backward, (unscale), clip, step.",
    wrong_when="A call that only measures the norm, with a limit of infinity; it is not counted.",
    causes=("exploding-gradients", "learning-rate-too-high", "non-finite-loss"),
)

CLIP_BEFORE_UNSCALE = Kind(
    code="TW509",
    kind="clip-before-unscale",
    severity="error",
    title="the gradients are clipped while they are still scaled",
    because="the scaler multiplied them by thousands, so the limit cuts all of them, and unscaling makes them tiny",
    what="The gradients are clipped before `scaler.unscale_(optimizer)` has divided them by the scale.",
    hurts="With a scale of 65536 and a limit of 1, what is left has a norm of 0.00002; with SGD nothing is learnt.",
    fix="`scaler.unscale_(optimizer)` before the clipping.",
    wrong_when="Never.",
    causes=("learning-rate-too-low", "plateau", "underfitting", "clipping-dominates", "fp16-underflow"),
)

ACCUMULATION_NOT_AVERAGED = Kind(
    code="TW510",
    kind="accumulation-not-averaged",
    severity="warning",
    title="accumulated gradients are summed, not averaged",
    because="each batch's loss is a mean; k of them added are k times the mean over all, and so is the step",
    what="Several backward passes go into one step, and none of their losses is divided by their number.",
    hurts="The rate is in effect k times what is written, and changes whenever k does; Adam hides it, until clipping "
    "or the last, shorter group shows it.",
    fix="`(loss / k).backward()`.",
    wrong_when="A rate that was tuned for the sum.",
    causes=("learning-rate-too-high",),
)

ZERO_GRAD_INSIDE_ACCUMULATION = Kind(
    code="TW511",
    kind="zero-grad-inside-accumulation",
    severity="error",
    title="accumulated gradients are zeroed before the step",
    because="only what was added since the last zeroing is in the step; the batches before it were computed in vain",
    what="Several backward passes belong to one step, with a zeroing between them.",
    hurts="The step sees the last batch alone: the work is k times as much, and the batch is not larger at all.",
    fix="Zero after the step, not after each batch.",
    wrong_when="Passes whose gradients are meant to be thrown away.",
    causes=("gradients-erased-before-step", "accumulation-not-averaged", "learning-rate-too-low"),
)

GRAPH_KEPT_ALIVE = Kind(
    code="TW512",
    kind="graph-kept-alive",
    severity="error",
    title="the graphs of past steps are kept alive",
    because="a loss that is kept holds the graph that computed it, and everything that the graph holds",
    what="Losses of steps long past are still there with their graphs, or each step's graph contains the last one's.",
    hurts="Memory grows with every step until there is none left; where backward walks the old graphs, time does too.",
    fix="Keep numbers: `total += loss.item()` or `loss.detach()`; detach what a step hands on to the next.",
    wrong_when="Graphs over many steps that are meant, as in meta-learning.",
)
