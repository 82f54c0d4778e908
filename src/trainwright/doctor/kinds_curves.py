"""Diagnoses that a pair of curves can show."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

BEST_CHECKPOINT_PASSED = Kind(
    code="TW903",
    kind="best-checkpoint-passed",
    severity="note",
    title="the best model was passed: the last one does worse on data it has not seen",
    because="training went on after the validation loss was lowest, and what stands at the end is what is kept unless "
    "the best is saved",
    what="The last validation loss lies a tenth or more above the lowest one, beyond the curve's own noise.",
    hurts="Whoever takes the last weights gets a worse model than the run had found.",
    fix="Save the model whenever the validation loss is lowest, or stop early; take that one.",
    wrong_when="The best checkpoint is saved already; or another metric than the loss decides, and is still improving.",
)

METRIC_CONTRADICTS_LOSS = Kind(
    code="TW905",
    kind="metric-contradicts-loss",
    severity="warning",
    title="the accuracy contradicts the loss",
    because="a loss that falls on the same data makes the right answers more likely: an accuracy that falls, or never "
    "moves, is computed from something else",
    what="Over eight evaluations or more the loss fell clearly, and the accuracy on the same split fell too or stayed "
    "the same number; or the accuracy is below 1 - loss / log 2, which no predictions can give; or "
    "a loop compares logits with 0.5.",
    hurts="One of the two is wrong, and every choice that rests on it with it.",
    fix="Compute the metric by hand on one batch: the dimension of the argmax, a threshold meant for probabilities on "
    "logits, targets in another order or from another split.",
    wrong_when="Very unequal classes, where the commonest is always the answer while the probabilities improve.",
)

OVERCONFIDENT = Kind(
    code="TW904",
    kind="overconfident",
    severity="note",
    title="the network is surer than it is right",
    because="cross-entropy is lowered by being ever surer of the training labels, long after more of them are right",
    what="On data it has not seen the mean of the largest probability lies far above the accuracy, beyond the noise of "
    "so many samples; or one temperature above 1, fitted on some of them, makes the right classes likelier on others.",
    hurts="Its probabilities mean nothing: whoever acts above a threshold, or averages them with those of others, is "
    "misled; the validation loss rises while the accuracy does not fall.",
    fix="Stop earlier, smooth the labels, or calibrate by one temperature on held-out data; weight decay and "
    "ensembles help too.",
    wrong_when="Only the most likely class is ever used.",
)
