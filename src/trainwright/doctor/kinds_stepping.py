"""Diagnoses of an optimizer over its life (built again, loaded, left without its weights), and of schedulers."""

from __future__ import annotations

from trainwright.doctor.kind import RATE_SYMPTOMS, Kind
from trainwright.doctor.kinds_calls import LEARNS_NOTHING

OPTIMIZER_RECREATED = Kind(
    code="TW507",
    kind="optimizer-recreated",
    severity="error",
    title="the optimizer is built again and again",
    because="momentum and Adam's running averages live in the optimizer: a new one knows nothing",
    what="Three times or more, a new optimizer took over the same parameters after some steps of the one before.",
    hurts="Momentum never builds up, and Adam makes one first step after another, each of full length in every weight. "
    "A schedule that is bound to the first optimizer moves nothing any more.",
    fix="Build the optimizer once, before the loop.",
    wrong_when="Stages and rounds that are meant to begin anew; with lives of more than a hundred steps it is a "
    "warning. Plain SGD without momentum has nothing to lose and is not judged.",
    causes=(*RATE_SYMPTOMS, "learning-rate-too-high", "warmup-missing", "scheduler-wrong-frequency"),
)

WEIGHT_DECAY_TOO_STRONG = Kind(
    code="TW515",
    kind="weight-decay-too-strong",
    severity="warning",
    title="the weight decay outweighs the gradient",
    because="most of each update pulls the weights to zero, and what is left for the loss does not hold them up",
    what="The decay is more than ten times the gradient in most weight matrices, or halves the weights within a "
    "hundred steps, and the training loss stays high.",
    hurts="The network shrinks towards the constant answer, however long it trains.",
    fix="Lower the weight decay tenfold; 0.01 is usual for AdamW, 0.0005 for SGD.",
    wrong_when="The end of a run that has learnt what there is, where gradients vanish: it is not judged there.",
    causes=("underfitting", "plateau", "learning-rate-too-low", "dead-relu", "vanishing-gradients"),
)

OPTIMIZER_STATE_LOST = Kind(
    code="TW516",
    kind="optimizer-state-lost-on-resume",
    severity="error",
    title="the state that was loaded is in another optimizer than the one that steps",
    because="the state was loaded into an optimizer that was then replaced: momentum and averages start at zero",
    what="A saved state was loaded, and afterwards another optimizer, built over the same parameters, makes the steps.",
    hurts="The first steps after resuming are Adam's first steps, at a rate that was decayed for late ones, or worse, "
    "at one that was not: the loss jumps, and the run is not the one that was interrupted.",
    fix="Build the optimizer first, after the model is on its device, and load its state last.",
    wrong_when="Fine-tuning that is meant to begin with a fresh optimizer: then do not load the state at all.",
    causes=(*RATE_SYMPTOMS, "learning-rate-too-high", "exploding-gradients", "optimizer-recreated"),
)

PARAMETER_REBOUND = Kind(
    code="TW517",
    kind="parameter-rebound",
    severity="error",
    title="a parameter was replaced by the result of a computation",
    because="`p = p - rate * p.grad` makes a new tensor: the optimizer and the module hold the old one, and the new "
    "one is no leaf, so it gets no gradient",
    what="A line binds a name anew by its own gradient, `w = w - rate * w.grad`, and no optimizer steps.",
    hurts="After the first step there is no gradient any more, or each step's graph contains all the steps before it.",
    fix="Change weights in place: `with torch.no_grad(): p -= rate * p.grad`, or `p.copy_(...)`; or use an optimizer.",
    wrong_when="Methods that differentiate through their own updates, as in meta-learning.",
    causes=(*LEARNS_NOTHING, "graph-kept-alive", "parameters-without-gradient", "parameters-not-in-optimizer"),
)

SCHEDULER_NEVER_STEPPED = Kind(
    code="TW604",
    kind="scheduler-never-stepped",
    severity="warning",
    title="the scheduler is never stepped",
    because="a scheduler changes the rate in its step(); without that the rate stays where the schedule begins",
    what="A scheduler was built, epochs went by, and nobody called its step().",
    hurts="The rate stays at its first value: at the foot of a warmup that is next to none, elsewhere it never decays.",
    fix="`scheduler.step()` once for each unit that its length is given in: after each epoch, or after each step.",
    wrong_when="A scheduler that another one steps from inside in a way that the watcher does not see.",
    causes=("plateau", "learning-rate-too-low"),
)

SCHEDULER_BEFORE_OPTIMIZER = Kind(
    code="TW605",
    kind="scheduler-before-optimizer",
    severity="warning",
    title="the scheduler is stepped before the optimizer",
    because="the first value of the schedule is then never used: every step runs at the rate of the next one",
    what="`scheduler.step()` was called before the first `optimizer.step()`.",
    hurts="The schedule is one call early; where it is stepped by epoch, the first epoch already decays.",
    fix="`optimizer.step()` first, then `scheduler.step()`.",
    wrong_when="A scheduler that is moved on to where a run is resumed; more than one call is taken for that.",
)
