"""Diagnoses of evaluations, of what feeds the loop, and of weights that it starts from."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

BEST_CHECKPOINT_PASSED = Kind(
    code="TW903",
    kind="best-checkpoint-passed",
    severity="note",
    title="the model of the last step is worse than an earlier one",
    because="the best validation loss was behind it, and what the loop leaves behind is the last model",
    what="At the end of the run the validation loss is more than a tenth above its best, beyond its noise, and no "
    "metric is better for it.",
    hurts="The steps after the best were paid for, and made the model worse.",
    fix="Keep a copy of the weights whenever the validation loss is best, and stop when it has not been for a while.",
    wrong_when="The best model was kept, which the watcher cannot see.",
)

METRIC_CONTRADICTS_LOSS = Kind(
    code="TW905",
    kind="metric-contradicts-loss",
    severity="warning",
    title="the accuracy is lower than the loss allows",
    because="a sample with the wrong answer costs at least log 2 in cross-entropy, as its own class has at most half "
    "of the probability: an accuracy below 1 - loss / log 2 cannot be",
    what="The validation accuracy is below what its cross-entropy leaves room for, beyond noise, so one of both is not "
    "computed from the same predictions and labels.",
    hurts="What is chosen by the metric (the best epoch, the best rate, whether to stop) is chosen by a mistake.",
    fix="Take `argmax` over the dimension of the classes (`argmax(dim=1)`), compare shapes that are equal, count over "
    "all samples, and compute both in the same pass, in evaluation mode.",
    wrong_when="Class weights in the loss, or a metric over other samples than the loss.",
)

SLOW_DATA_LOADING = Kind(
    code="TW108",
    kind="slow-data-loading",
    severity="note",
    title="the loop waits for its data more than half of the time",
    because="while the next batch is read and put together, the device has nothing to do",
    what="More than half of the run's time passes between asking for a batch and getting it.",
    hurts="Training takes at least twice as long as the network needs.",
    fix="`num_workers` above 0 with `persistent_workers=True`, `pin_memory=True`, transforms on the device, data that "
    "were decoded beforehand, or all of them in memory.",
    wrong_when="Networks so small that any data are slower.",
)

WEIGHTS_NOT_LOADED = Kind(
    code="TW415",
    kind="weights-not-loaded",
    severity="warning",
    title="most of the weights were not found in what was loaded",
    because="`load_state_dict(strict=False)` passes over every key that does not fit, without a word",
    what="Weights were loaded with strict=False, and for most of the model's keys there was none, while the file holds "
    "others.",
    hurts="The network starts from random weights, though everybody believes that it is pretrained.",
    fix='Compare the keys: a prefix (`"module."`, `"model."`, `"_orig_mod."`) that one side has and the other has not '
    "is the usual reason. Load with strict=True.",
    wrong_when="A large new part on top of a small one that was loaded.",
    causes=("initial-loss-too-high", "learning-rate-too-low", "warmup-missing"),
)
