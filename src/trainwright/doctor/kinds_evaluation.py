"""Diagnoses of evaluations, of what feeds the loop, and of weights that it starts from."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

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
