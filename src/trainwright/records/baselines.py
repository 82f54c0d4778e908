"""What predicting without learning, and what a linear model, reaches: the lines that a trained network must beat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Two trivial predictors, fitted on a bounded sample of training and scored on samples held out.

    `constant` answers the same for every sample, as is best for the loss on the training sample: the share of each
    class, the mean or the median. `linear` is the model that `linear_model` names. Losses are in the unit of the run's
    loss, None where that is not known; metrics are `metric`: "accuracy", or "rmse" in the targets' own scale. `reason`
    says in plain words why there is no linear model. `own_validation` tells validation data from a part of training.
    """

    metric: str = "accuracy"
    constant_loss: float | None = None
    constant_metric: float | None = None
    linear_loss: float | None = None
    linear_metric: float | None = None
    linear_model: str = ""
    reason: str = ""
    samples: int = 0
    held_out: int = 0
    features: int = 0
    own_validation: bool = True
