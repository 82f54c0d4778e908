"""The catalogue of losses: what each expects, what it should be before any training, and the least it can be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from trainwright import defaults
from trainwright.defaults import Default
from trainwright.parts.loss_classes import CrossEntropy, KullbackLeibler, NegativeLogLikelihood
from trainwright.parts.loss_expected import focal_undecided, nothing, smoothed, undecided, uniform
from trainwright.parts.loss_focal import Focal
from trainwright.parts.loss_functions import AbsoluteError, BinaryCrossEntropy, Huber, SmoothL1, SquaredError
from trainwright.records import LossSpec, Option


def _threshold(number: Default) -> Option:
    return Option(
        default=number.value,
        minimum=0.0,
        meaning=number.meaning,
        source=number.source,
        log=True,
        minimum_excluded=True,
    )


_WEIGHTS = Option(
    default=(),
    minimum=0.0,
    meaning="a weight for each class, by which its samples count; 'balanced' lets all classes count alike",
    source="G4: weighted cross-entropy where misses are costly",
    choices=("balanced",),
)
_SMOOTHING = Option(
    default=0.0,
    minimum=0.0,
    maximum=1.0,
    meaning="share of each target that is spread over all classes, against overconfidence; in training alone",
    source=f"{defaults.LABEL_SMOOTHING.source}: {defaults.LABEL_SMOOTHING.value:g} where it is asked for",
)
_POS_WEIGHT = Option(
    default=1.0,
    minimum=0.0,
    meaning="weight of yes against no: above 1 where a miss costs more than a false alarm, or yes is rare",
    source="G4: weighted cross-entropy where misses are costly",
    log=True,
    minimum_excluded=True,
)
_GAMMA = Option(
    default=defaults.FOCAL_GAMMA.value,
    minimum=0.0,
    meaning=f"{defaults.FOCAL_GAMMA.meaning}; 0 is cross-entropy",
    source=defaults.FOCAL_GAMMA.source,
)
_ALPHA = Option(
    default=0.0,
    minimum=0.0,
    maximum=1.0,
    meaning="weight of yes, 1 - alpha that of no, for yes or no alone; 0 weighs both alike",
    source=f"{defaults.FOCAL_ALPHA.source}: {defaults.FOCAL_ALPHA.value:g} where it is asked for",
)

CATALOGUE: Mapping[str, LossSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            LossSpec(
                name="cross_entropy",
                summary="one class out of several, from raw logits",
                formula="L = -log softmax(z)_y",
                tasks=("classification",),
                expects="logits",
                target="class-index",
                factory=CrossEntropy,
                torch_names=("CrossEntropyLoss", "cross_entropy"),
                output_units=lambda classes: classes,
                initial=uniform,
                floor=smoothed,
                reference="G3; G2, chapter 2",
                options={"weights": _WEIGHTS, "label_smoothing": _SMOOTHING},
                training_only=("label_smoothing",),
            ),
            LossSpec(
                name="bce_with_logits",
                summary="yes or no, once or for each of several labels, from raw logits",
                formula="L = -[w y log s(z) + (1 - y) log(1 - s(z))], s the sigmoid",
                tasks=("classification", "multi-label"),
                expects="logits",
                target="binary",
                factory=BinaryCrossEntropy,
                torch_names=("BCEWithLogitsLoss", "binary_cross_entropy_with_logits"),
                output_units=lambda classes: 1,  # of two classes; several labels need a unit each
                initial=undecided,
                floor=nothing,
                reference="G3, G4",
                options={"pos_weight": _POS_WEIGHT},
            ),
            LossSpec(
                name="nll",
                summary="one class out of several, from log-probabilities",
                formula="L = -log p_y",
                tasks=("classification",),
                expects="log-probabilities",
                target="class-index",
                factory=NegativeLogLikelihood,
                torch_names=("NLLLoss", "nll_loss"),
                output_units=lambda classes: classes,
                initial=uniform,
                floor=nothing,
                reference="G4",
                options={"weights": _WEIGHTS},
            ),
            LossSpec(
                name="focal",
                summary="classes of very unequal frequency, from raw logits",
                formula="L = -(1 - p)^gamma log p, p the probability of the truth",
                tasks=("classification", "multi-label"),
                expects="logits",
                target="class-index",
                factory=Focal,
                torch_names=(),
                output_units=lambda classes: 1 if classes == 2 else classes,
                initial=focal_undecided,
                floor=nothing,
                reference="G3, G4; Lin et al. 2017",
                options={"gamma": _GAMMA, "alpha": _ALPHA, "weights": _WEIGHTS},
            ),
            LossSpec(
                name="kl_div",
                summary="the distribution of a teacher or of soft labels, from log-probabilities",
                formula="L = sum P log(P / Q), P the target's",
                tasks=("classification",),
                expects="log-probabilities",
                target="probabilities",
                factory=KullbackLeibler,
                torch_names=("KLDivLoss", "kl_div"),
                output_units=lambda classes: classes,
                initial=None,  # log C less the entropy of the targets, which no count of classes tells
                floor=nothing,
                reference="G3, G4",
            ),
            LossSpec(
                name="mse",
                summary="a number, large errors weighing quadratically",
                formula="L = (1/n) sum (y - y^)^2",
                tasks=("regression",),
                expects="values",
                target="values",
                factory=SquaredError,
                torch_names=("MSELoss", "mse_loss"),
                output_units=lambda columns: columns,
                initial=None,  # the variance of the targets, which no count of columns tells
                floor=nothing,
                reference="G3, G4",
            ),
            LossSpec(
                name="mae",
                summary="a number, all errors weighing alike: the median, which outliers do not move",
                formula="L = (1/n) sum |y - y^|",
                tasks=("regression",),
                expects="values",
                target="values",
                factory=AbsoluteError,
                torch_names=("L1Loss", "l1_loss"),
                output_units=lambda columns: columns,
                initial=None,
                floor=nothing,
                reference="G4",
            ),
            LossSpec(
                name="huber",
                summary="a number with outliers: quadratic up to delta, linear beyond",
                formula="L = e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2)",
                tasks=("regression",),
                expects="values",
                target="values",
                factory=Huber,
                torch_names=("HuberLoss", "huber_loss"),
                output_units=lambda columns: columns,
                initial=None,
                floor=nothing,
                reference="G3, G4; Huber 1964",
                options={"delta": _threshold(defaults.HUBER_DELTA)},
            ),
            LossSpec(
                name="smooth_l1",
                summary="a number with outliers: Huber's loss over beta, its gradient at most 1",
                formula="L = e^2 / (2 beta) where |e| < beta, else |e| - beta / 2",
                tasks=("regression",),
                expects="values",
                target="values",
                factory=SmoothL1,
                torch_names=("SmoothL1Loss", "smooth_l1_loss"),
                output_units=lambda columns: columns,
                initial=None,
                floor=nothing,
                reference="G3; Girshick 2015",
                options={"beta": _threshold(defaults.SMOOTH_L1_BETA)},
            ),
        )
    }
)
