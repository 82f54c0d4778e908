"""Diagnoses of training and evaluation mode."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

TRAINING_IN_EVAL_MODE = Kind(
    code="TW701",
    kind="training-in-eval-mode",
    severity="error",
    title="the model trains in evaluation mode",
    because="`model.eval()` stays until `model.train()` is called: dropout is off, and batch norm uses what it "
    "gathered before",
    what="The model was in evaluation mode in forward passes that led to steps, and it has dropout or batch norm.",
    hurts="Without dropout it overfits sooner; batch norm no longer normalises what it sees, and its statistics stand "
    "still while the weights move on.",
    fix="`model.train()` at the start of each epoch, and again after each evaluation.",
    wrong_when="Fine-tuning on purpose without dropout or with fixed statistics: put `model.eval()` where the stage "
    "begins, with an optimizer of its own. Models without dropout and batch norm are not judged.",
    causes=("overfitting", "best-checkpoint-passed", "batch-norm-tiny-batch", "gradients-tracked-in-evaluation"),
)

EVALUATING_IN_TRAIN_MODE = Kind(
    code="TW702",
    kind="evaluating-in-train-mode",
    severity="warning",
    title="the model is evaluated in training mode",
    because="dropout then falsifies what is measured, and batch norm takes the evaluation data into its statistics",
    what="Several forward passes without gradients, one after the other and on different inputs, ran in training mode, "
    "and the model has dropout or batch norm.",
    hurts="The score is worse and noisier than the model, and depends on how the batches are put together; with batch "
    "norm the evaluation data leak into the model.",
    fix="`model.eval()` before the evaluation, `model.train()` after it.",
    wrong_when="Monte Carlo dropout over changing inputs, and statistics of batch norm that are gathered on purpose.",
    causes=("metric-contradicts-loss", "validation-reads-differ", "overfitting"),
)

BATCH_NORM_STATISTICS_STALE = Kind(
    code="TW705",
    kind="batch-norm-statistics-stale",
    severity="warning",
    title="batch normalisation's running statistics are not those of the data",
    because="evaluation normalises by the running statistics; where they differ from the batches', the network sees "
    "inputs in evaluation that it never saw in training",
    what="A hundred steps into the run and later, running mean or variance of a normalisation layer are still far from "
    "those of the batches that go through it.",
    hurts="Training looks well and evaluation badly, and no further training helps.",
    fix="A momentum near 0.1, no passes over other data in training mode, no weights loaded without their buffers; or "
    "one pass over training data in training mode before evaluation.",
    wrong_when="Batches of very different data in turns, such as several domains.",
    causes=("overfitting", "best-checkpoint-passed", "plateau"),
)

GRADIENTS_TRACKED_IN_EVALUATION = Kind(
    code="TW704",
    kind="gradients-tracked-in-evaluation",
    severity="note",
    title="gradients are tracked during evaluation",
    because="without `torch.no_grad()` each forward pass keeps everything that a backward pass would need",
    what="Forward passes in evaluation mode built graphs, and no backward pass followed.",
    hurts="Evaluation takes more memory and time than it has to, and its batches cannot be larger than in training.",
    fix="`with torch.inference_mode():`, or `torch.no_grad()`, around the evaluation.",
    wrong_when="Evaluations that need gradients, such as attacks and attributions.",
)
