"""Training and evaluation mode. Exact states; what is judged is whether they can be meant."""

from __future__ import annotations

from trainwright.doctor.kinds_modes import (
    BATCH_NORM_STATISTICS_STALE,
    EVALUATING_IN_TRAIN_MODE,
    GRADIENTS_TRACKED_IN_EVALUATION,
    TRAINING_IN_EVAL_MODE,
)
from trainwright.doctor.kinds_wiring import DROPOUT_ALWAYS_ON
from trainwright.doctor.loop_seen import TWICE, at, counted, flag, loop_of, number, often, place, word
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, LoopFacts, Remedy, Sighting

STEPS_IN_EVALUATION = 3
"""Training steps in evaluation mode before they are no accident of a single batch."""
EVALUATION_PASSES = 5
"""Passes without gradients, one after the other, that make an evaluation."""
KNOWS = 0.8
"""A loss below this share of a blind guess's at the first step comes from weights that have learnt already."""


def training_in_eval_mode(chart: Chart) -> Finding | None:
    """Exact where the mode was switched off around an evaluation and not on again. From the start, it may be meant."""
    loop = loop_of(chart)
    sighting = often(chart, "training-in-evaluation-mode", fewest=STEPS_IN_EVALUATION, share=0.0)
    if sighting is None:
        return None
    flipped, restored = flag(sighting, "flipped"), flag(sighting, "restored")
    if (flipped and _new_stage(loop, sighting)) or (not flipped and _fine_tunes(chart, sighting)):
        return None
    evidence = [counted(sighting, "training steps in evaluation mode")]
    if modules := word(sighting, "modules"):
        evidence.append(Evidence(name="modules that behave differently in it", value=modules))
    title = "the model was never put into training mode"
    if flipped:
        title = "training goes on in evaluation mode after an evaluation"
    return TRAINING_IN_EVAL_MODE.finding(
        severity="error" if flipped and not restored else "warning",
        title=title,
        where=place(sighting.where, loop.step_where),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text=f"call model.train() after the evaluation{at(sighting.where)}, before the next training batch")
            if flipped
            else Remedy(text="call model.train() before the training loop, and again after each evaluation"),
        ),
        confidence=1.0 if flipped else 0.8,
    )


def _new_stage(loop: LoopFacts, sighting: Sighting) -> bool:
    """Say whether the steps in evaluation mode began with an optimizer that was new then: a stage of its own."""
    made = 0
    for optimizer in loop.optimizers:
        if made and abs(made - sighting.step) <= 1 and optimizer.steps > 0:
            return True
        made += optimizer.steps
    return False


def _fine_tunes(chart: Chart, sighting: Sighting) -> bool:
    """Say whether the weights were loaded, or know more than nothing, or nobody can tell: then it may be meant."""
    constant = chart.info.constant_loss
    if flag(sighting, "loaded") or constant is None or not chart.steps:
        return True
    return not chart.steps[0].loss >= KNOWS * constant


def evaluating_in_train_mode(chart: Chart) -> Finding | None:
    """Exact states; adversarial pairs, which make samples without gradients as they train, are not judged."""
    sighting = often(chart, "evaluating-in-training-mode", fewest=1)
    if sighting is None or loop_of(chart).turns:
        return None
    if sighting.count < EVALUATION_PASSES and not flag(sighting, "certain"):
        return None
    evidence = [counted(sighting, "passes without gradients, on changing inputs, in training mode")]
    if modules := word(sighting, "modules"):
        evidence.append(Evidence(name="modules that behave differently in it", value=modules))
    if instead := word(sighting, "instead"):
        evidence.append(Evidence(name="what was put into evaluation mode in its place", value=instead))
    return EVALUATING_IN_TRAIN_MODE.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(text=f"call model.eval() before the evaluation{at(sighting.where)}, and model.train() after it"),
        ),
        confidence=0.9,
    )


def dropout_always_on(chart: Chart) -> Finding | None:
    """Exact: a functional dropout at work in a module that is in evaluation mode. Whoever writes True means it."""
    sighting = often(chart, "dropout-in-evaluation", fewest=1)
    if sighting is None or flag(sighting, "explicit"):
        return None
    text = f"pass training=self.training to the dropout{at(sighting.where)}"
    if flag(sighting, "unregistered"):
        text = f"make the dropout in __init__ as an attribute of the model{at(sighting.where)}: eval() then reaches it"
    elif number(sighting, "mask") is not None:
        text = f"return what came in unless self.training, before the mask is drawn{at(sighting.where)}"
    elif sighting.count < TWICE:
        return None
    return DROPOUT_ALWAYS_ON.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=(counted(sighting, "passes in evaluation mode with an active dropout"),),
        remedies=(Remedy(text=text),),
    )


def gradients_tracked_in_evaluation(chart: Chart) -> Finding | None:
    """Exact: passes in evaluation mode built graphs that nobody walked."""
    sighting = often(chart, "gradients-tracked-in-evaluation", fewest=EVALUATION_PASSES)
    if sighting is None:
        return None
    return GRADIENTS_TRACKED_IN_EVALUATION.finding(
        where=sighting.where,
        step=sighting.step,
        evidence=(counted(sighting, "passes in evaluation mode that kept their graphs for nothing"),),
        remedies=(Remedy(text=f"put the evaluation{at(sighting.where)} under torch.inference_mode()"),),
    )


def batch_norm_statistics_stale(chart: Chart) -> Finding | None:
    """Running statistics far from those of the training batches, in the newest samples taken late enough."""
    loop = loop_of(chart)
    sighting = often(chart, "batch-norm-statistics-stale", fewest=2, share=0.0)
    if sighting is None:
        return _statistics_never_gathered(chart)
    shift, ratio = number(sighting, "shift") or 0.0, number(sighting, "variance_ratio") or 1.0
    momentum = number(sighting, "momentum")
    evidence = [
        Evidence(name="distance of the means, in standard deviations of the batch", value=shift, threshold=0.25),
        Evidence(name="ratio of the variances", value=ratio, threshold=1.3),
    ]
    if momentum is not None:
        evidence.append(Evidence(name="momentum of the statistics", value=momentum))
    return BATCH_NORM_STATISTICS_STALE.finding(
        where=place(sighting.where, chart.info.where("model"), loop.loss_where),
        step=sighting.step,
        evidence=tuple(evidence),
        remedies=(
            Remedy(
                text="set the layer's momentum to 0.1, and keep passes over other data out of training mode; to mend a "
                "trained model, pass training data through it once in training mode without gradients"
            ),
        ),
        confidence=0.9,
    )


def _statistics_never_gathered(chart: Chart) -> Finding | None:
    """Exact: a model is asked in evaluation mode whose batch norms hold learnt weights, and 0 and 1 as statistics."""
    sighting = often(chart, "batch-norm-statistics-never-gathered", fewest=1, share=0.0)
    if sighting is None or loop_of(chart).seen("training-in-evaluation-mode") is not None:
        return None
    return BATCH_NORM_STATISTICS_STALE.finding(
        title="learnt batch norms are asked with the statistics that they were made with",
        because="their weights were copied from a model that learnt, and running means and variances, which are no "
        "parameters, stayed at 0 and 1",
        where=sighting.where,
        step=sighting.step,
        evidence=(
            Evidence(name="batch norms in it that never saw a batch", value=number(sighting, "layers") or 0),
            Evidence(name="the model that is asked", value=word(sighting, "model")),
        ),
        remedies=(
            Remedy(
                text="copy the whole state, buffers included: other.load_state_dict(model.state_dict()), or "
                f"copy.deepcopy(model){at(sighting.where)}"
            ),
        ),
    )


RULES = (
    Rule(kind=BATCH_NORM_STATISTICS_STALE, needs=("loop",), judge=batch_norm_statistics_stale),
    Rule(kind=TRAINING_IN_EVAL_MODE, needs=("loop",), judge=training_in_eval_mode),
    Rule(kind=EVALUATING_IN_TRAIN_MODE, needs=("loop",), judge=evaluating_in_train_mode),
    Rule(kind=DROPOUT_ALWAYS_ON, needs=("loop",), judge=dropout_always_on),
    Rule(kind=GRADIENTS_TRACKED_IN_EVALUATION, needs=("loop",), judge=gradients_tracked_in_evaluation),
)
