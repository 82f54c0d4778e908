"""The catalogue of diagnoses: one record per kind, from which findings, `trainwright explain` and the docs are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from trainwright.errors import UsageError, did_you_mean
from trainwright.records import Finding, Severity


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One diagnosis. `causes` names the kinds that are its symptoms, and fall silent where it is found."""

    code: str
    kind: str
    severity: Severity
    title: str
    because: str
    what: str
    hurts: str
    fix: str
    wrong_when: str
    causes: tuple[str, ...] = ()
    causes_as_error: tuple[str, ...] = ()  # and these, where it is found as an error

    def finding(self, **facts: Any) -> Finding:
        """Return a finding of this kind; `facts` override its severity, title and because."""
        plain = {"severity": self.severity, "title": self.title, "because": self.because}
        return Finding(code=self.code, kind=self.kind, **{**plain, **facts})


_RATE_SYMPTOMS = (
    "non-finite-loss",
    "learning-rate-too-low",
    "plateau",
    "underfitting",
    "dead-relu",
    "overfitting",
)

NON_FINITE_INPUT = Kind(
    code="TW101",
    kind="non-finite-input",
    severity="error",
    title="the inputs contain NaN or infinite values",
    because="one such value makes the loss, every gradient and then every weight NaN",
    what="Some input of the training data is NaN or infinite.",
    hurts="A single NaN passes through every layer it meets: the loss of its batch is NaN, so is the gradient, and "
    "after one update so is the whole network.",
    fix="Find where the value comes from (a missing entry, a division by zero, a logarithm of zero) and mend it there; "
    "fill or leave out missing entries before training.",
    wrong_when="Never: a NaN in an input that the network reads is always a fault.",
    causes=("non-finite-loss", "inputs-not-normalised", *_RATE_SYMPTOMS, "learning-rate-too-high"),
)
INPUTS_NOT_NORMALISED = Kind(
    code="TW102",
    kind="inputs-not-normalised",
    severity="warning",
    title="the inputs are not normalised",
    because="large or unequal input scales make the loss surface a long narrow valley: the rate that is safe for the "
    "steep direction is far too low for the others, and ReLUs and sigmoids start saturated",
    what="The training inputs reach the first layer far from mean 0 and standard deviation 1, and no normalisation "
    "layer comes first.",
    hurts="The gradient of a weight is proportional to its input. Features in the thousands beside features below one "
    "give gradients thousands of times apart, and no single learning rate suits both.",
    fix="Standardise each feature by the training split's mean and standard deviation "
    '(`data.normalise = "standard"`), '
    "scale bytes to [0, 1], or put a normalisation layer first.",
    wrong_when="Counts or one-hot columns that are meant to be raw, and networks that normalise inside under a name "
    "that is not recognised.",
    causes=("learning-rate-too-high", *_RATE_SYMPTOMS),
)
LABELS_OUT_OF_RANGE = Kind(
    code="TW201",
    kind="labels-out-of-range",
    severity="error",
    title="a label is outside the classes that the model knows",
    because="cross_entropy looks the label up among the output units; there is no unit for this one",
    what="A class id is negative, or at least as large as the number of the model's outputs.",
    hurts="On the CPU training stops with an index error; on a GPU with a device-side assertion that names no line, "
    "and with a hand-written gather it reads the wrong memory.",
    fix="Number the classes from 0 to C - 1 without gaps, or give the last layer one unit for each class.",
    wrong_when="A label other than -100 that marks samples to be skipped: -100 is what the losses here leave out.",
    causes=(*_RATE_SYMPTOMS, "learning-rate-too-high", "softmax-before-cross-entropy"),
)
SOFTMAX_BEFORE_CROSS_ENTROPY = Kind(
    code="TW301",
    kind="softmax-before-cross-entropy",
    severity="error",
    title="softmax is applied before cross_entropy",
    because="cross_entropy applies log-softmax itself; a second softmax flattens the gradient",
    what="The model's output has been through a softmax, and the loss applies its own.",
    hurts="Probabilities lie in [0, 1], so as logits they are all nearly equal: even a perfect answer keeps a loss of "
    "log(1 + (C - 1) / e), 1.461 for ten classes, and the gradient is small everywhere. Training seems to work, and "
    "stays mediocre.",
    fix="Let the last layer return raw logits; apply softmax only when you predict.",
    wrong_when="Never, where the loss is cross_entropy: there is no reason to normalise twice.",
    causes=("learning-rate-too-low", "plateau", "underfitting"),
)
DEAD_RELU = Kind(
    code="TW402",
    kind="dead-relu",
    severity="warning",
    title="units of a ReLU layer are dead",
    because="a ReLU that is zero for every sample passes no gradient, so its weights can never change again",
    what="Half or more of a layer's ReLU units give zero for every one of the reference samples, twice in a row.",
    hurts="The layer computes with the few units that are left; the others cost time and learn nothing.",
    fix="Lower the learning rate, check the initialisation (He for ReLU, biases zero), normalise the inputs, or use a "
    "leaky ReLU.",
    wrong_when="Very sparse networks that were pruned on purpose.",
    causes=("plateau", "underfitting"),
    causes_as_error=("learning-rate-too-low",),
)
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
    causes=_RATE_SYMPTOMS,
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
NON_FINITE_LOSS = Kind(
    code="TW803",
    kind="non-finite-loss",
    severity="error",
    title="the loss is not finite",
    because="once a weight is NaN it stays NaN; the step was refused, so the weights are those before it",
    what="The loss or the gradient of a step was NaN or infinite.",
    hurts="Every weight that such a gradient touches is lost.",
    fix="Mend the operation that is named: keep logarithms and square roots away from zero, divide by a clamped value, "
    "use the loss that works from logits.",
    wrong_when="Never.",
    causes=("plateau", "underfitting", "overfitting"),
)
OVERFITTING = Kind(
    code="TW901",
    kind="overfitting",
    severity="warning",
    title="the network memorises the training data",
    because="the training loss keeps falling while the loss on data it has not seen rises",
    what="The validation loss has risen well above its best, beyond its noise, for several evaluations, while the "
    "training loss went on falling.",
    hurts="Every further step makes the model worse on new data. The model that is returned is the best one, but the "
    "time after it was wasted, and its best could be better.",
    fix="More data or augmentation, dropout, weight decay, a smaller network, or early stopping.",
    wrong_when="A validation loss that rises while the accuracy still improves is a matter of calibration.",
)
UNDERFITTING = Kind(
    code="TW902",
    kind="underfitting",
    severity="warning",
    title="the network has learnt too little",
    because="its loss is no better than that of a predictor that ignores the input, or a linear model beats it",
    what="After a fair share of the run, the training loss is at the level of the best constant predictor; or at its "
    "end, a linear model solved in closed form does clearly better.",
    hurts="The network has not picked up what is plainly in the data.",
    fix="Train longer or with a higher rate, with less dropout and decay, or with a larger network; verify the setup: "
    "five samples must be memorised.",
    wrong_when="Targets that do not depend on the inputs at all: then nothing can be learnt.",
    causes=("plateau",),
)

CATALOGUE: Mapping[str, Kind] = MappingProxyType(
    {
        kind.code: kind
        for kind in sorted((v for v in list(globals().values()) if isinstance(v, Kind)), key=lambda k: k.code)
    }
)
"""Code -> kind, in order of code."""


def find_kind(name: str) -> Kind:
    """Return a kind by its code or its slug, in any case. Raises `UsageError` that suggests the nearest."""
    for kind in CATALOGUE.values():
        if name.lower() in (kind.code.lower(), kind.kind):
            return kind
    known = [*CATALOGUE, *(kind.kind for kind in CATALOGUE.values())]
    raise UsageError(f"there is no diagnosis '{name}'", remedy=did_you_mean(name, known))


def explain(name: str) -> str:
    """Return the whole page of a diagnosis as text: what it is, why it hurts, the fix, and when it is wrong."""
    kind = find_kind(name)
    return "\n\n".join(
        (
            f"{kind.code}  {kind.kind}  ({kind.severity})\n{kind.title}",
            kind.what,
            f"Why it hurts\n{kind.hurts}",
            f"How to fix it\n{kind.fix}",
            f"When the doctor is wrong\n{kind.wrong_when}",
        )
    )
