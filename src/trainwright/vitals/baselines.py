"""What the best constant and a linear model reach, in seconds: a network that does not beat them has learnt nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from trainwright import defaults
from trainwright.randomness import generator
from trainwright.records import Task
from trainwright.records.baselines import Baselines
from trainwright.vitals.linear_models import Linear, logistic, ridge

Sample = tuple[torch.Tensor, torch.Tensor]

SAMPLES = 4096
"""Samples that are fitted, and that are scored, at most."""
FEATURES = 1024
"""Features that are fitted as they are; more are first projected at random (Johnson and Lindenstrauss 1984) ..."""
PROJECTED = 256
"""... to so many."""
PRODUCTS = 2**25
"""Samples x features x outputs at most: a logistic regression passes over them some seventy times."""
OUTPUTS = 256
"""Classes or columns beyond which a linear model takes too long."""
FEWEST = 10
"""Samples below which nothing is fitted."""
_IGNORED = -100
_CLASSES = ("cross_entropy", "nll", "focal", "kl_div")
_REGRESSIONS = ("mse", "mae", "huber", "smooth_l1")
_STEPS = 50  # of the search for the constant that a robust loss likes best


@dataclass(frozen=True, kw_only=True)
class _Goal:
    """The targets as rows of numbers, and what is asked of outputs. `binary`: one column of yes or no for each."""

    y: torch.Tensor  # (n, outputs)
    truth: torch.Tensor
    task: Task
    binary: bool


def baselines(train: Sample, held_out: Sample, task: Task, loss: str = "", *, own_validation: bool = True) -> Baselines:
    """Return what the constant and the linear predictor reach, fitted on `train` and scored on `held_out`.

    Both are pairs (x `(n, ...)`, y); `loss` is a name of the catalogue in its plain form, or "" for one that is not
    known, of which no values are given. Samples with numbers that are not finite, and targets that are ignored, are
    left out. Only some thousand samples are looked at, always the same.
    """
    metric = "rmse" if task == "regression" else "accuracy"
    if train[1].is_complex() or train[0].is_complex():
        return Baselines(metric=metric, reason="the data are complex numbers", own_validation=own_validation)
    (x, y), (asked, truth) = _usable(train), _usable(held_out)
    found = Baselines(metric=metric, samples=len(y), held_out=len(truth), own_validation=own_validation)
    if len(y) < FEWEST or len(truth) < 1:
        few = (
            f"{len(y)} usable samples are too few, it takes {FEWEST}"
            if len(y) < FEWEST
            else "no usable sample is left to score"
        )
        return replace(found, reason=few)
    if _sequences(y, task) and y.shape[1:] == truth.shape[1:]:
        return _of_sequences(found, y, truth, loss)
    goal = _goal(y, truth, task, loss)
    if goal is None:
        return replace(found, reason="the targets are of a form that no baseline is known for")
    constant = _constant(goal, loss).expand(len(goal.truth), -1)
    found = replace(
        found,
        features=math.prod(x.shape[1:]),
        constant_loss=_loss(goal, constant, loss),
        constant_metric=_metric(goal, constant),
    )
    why = _unfit(x, goal)
    if why:
        return replace(found, reason=why)
    fitted, shown, words = _features(x, asked, goal)
    most = max(FEWEST, PRODUCTS // max(1, fitted.shape[1] * goal.y.shape[1]))
    kind, model = _fit(fitted[:most], goal, most)
    output = model(shown)
    return replace(
        found,
        samples=min(len(y), most),
        linear_loss=_loss(goal, output, loss),
        linear_metric=_metric(goal, output),
        linear_model=kind + words,
    )


def divided(sample: Sample, seed: int = 0) -> tuple[Sample, Sample]:
    """Return three quarters of a sample and the rest, drawn at random: for where there are no validation data."""
    order = torch.randperm(len(sample[0]), generator=generator(seed, "baselines")).to(sample[0].device)
    cut = max(1, (3 * len(order)) // 4)
    return (sample[0][order[:cut]], sample[1][order[:cut]]), (sample[0][order[cut:]], sample[1][order[cut:]])


def _usable(sample: Sample) -> Sample:
    """Return some thousand samples on the CPU, evenly spread, those left out that hold NaN or have no target."""
    x, y = (part.detach() for part in sample)
    places = torch.arange(0, len(x), max(1, -(-len(x) // SAMPLES)))
    x, y = x[places.to(x.device)].cpu(), y[places.to(y.device)].cpu()
    kept = torch.isfinite(_flat(x)).all(1) & torch.isfinite(_flat(y)).all(1)
    if not y.is_floating_point() and y.numel() == len(y):
        kept &= y.reshape(-1).long() != _IGNORED
    return x[kept], y[kept]


def _flat(values: torch.Tensor) -> torch.Tensor:
    return values.reshape(len(values), math.prod(values.shape[1:]))  # -1 would not do for no samples at all


def _goal(y: torch.Tensor, truth: torch.Tensor, task: Task, loss: str) -> _Goal | None:
    rows, others = y.reshape(len(y), -1), truth.reshape(len(truth), -1)
    if rows.shape[1] != others.shape[1]:
        return None
    if task == "regression" or loss in _REGRESSIONS:
        if not y.is_floating_point() and task != "regression":
            return None  # numbers of classes, which are no quantities
        return _Goal(y=rows.double(), truth=others.double(), task="regression", binary=False)
    if task == "multi-label" or loss == "bce_with_logits":
        if not bool(((rows >= 0) & (rows <= 1)).all() and ((others >= 0) & (others <= 1)).all()):
            return None
        return _Goal(y=rows.double(), truth=others.double(), task=task, binary=True)
    if rows.shape[1] == 1 and (not y.is_floating_point() or bool((rows == rows.round()).all())):
        ids, wanted = rows.reshape(-1).long(), others.reshape(-1).long()
        if int(min(ids.min(), wanted.min())) < 0 or int(max(ids.max(), wanted.max())) >= 2**20:
            return None
        # Only classes that occur: a number that stands for none would take a column for nothing.
        known, places = torch.cat([ids, wanted]).unique(return_inverse=True)
        hot = F.one_hot(places, len(known)).double()
        return _Goal(y=hot[: len(ids)], truth=hot[len(ids) :], task=task, binary=False)
    if y.is_floating_point() and y.dim() == 2 and bool((rows.sum(1) - 1).abs().max() < 1e-3 and (rows >= 0).all()):
        return _Goal(y=rows.double(), truth=others.double(), task=task, binary=False)
    return None


def _sequences(y: torch.Tensor, task: Task) -> bool:
    """Say whether every sample has several targets that are classes: the tokens of a text, the pixels of a mask."""
    return task == "classification" and not y.is_floating_point() and y.numel() > len(y)


def _of_sequences(found: Baselines, y: torch.Tensor, truth: torch.Tensor, loss: str) -> Baselines:
    """Return the constant alone, which knows how frequent each class is over all places."""
    known, asked = (part.reshape(-1).long() for part in (y, truth))
    known, asked = known[known != _IGNORED], asked[asked != _IGNORED]
    if not len(known) or not len(asked) or int(min(known.min(), asked.min())) < 0:
        return replace(found, reason="no target is a class")
    if int(max(known.max(), asked.max())) >= 2**24:
        return replace(found, reason="there are too many classes to count")
    counts = torch.bincount(known, minlength=int(asked.max()) + 1).double()
    # What training lacks gets half a sample, if validation asks for it.
    shares = torch.where((counts == 0) & (torch.bincount(asked, minlength=len(counts)) > 0), 0.5, counts)
    shares = shares / shares.sum()
    return replace(
        found,
        constant_loss=float(-shares[asked].log().mean()) if loss in ("cross_entropy", "nll") else None,
        constant_metric=float((asked == int(counts.argmax())).double().mean()),
        reason="every sample has several targets, which no quick linear model gives",
    )


def _constant(goal: _Goal, loss: str) -> torch.Tensor:
    """Return the output `(1, outputs)` that has the least loss on the training targets: logits for classes."""
    mean = goal.y.mean(0, keepdim=True)
    if goal.task != "regression":
        # A class that training lacks gets half a sample: its probability is not known to be zero.
        smallest = 0.5 / len(goal.y)
        share = mean.clamp(smallest, 1 - smallest) if goal.binary else mean.clamp_min(smallest)
        return share.log() - (1 - share).log() if goal.binary else (share / share.sum()).log()
    if loss == "mae":
        return goal.y.quantile(0.5, 0, keepdim=True)
    slope = _robust_slope(loss)
    if slope is None:
        return mean
    low, high = goal.y.amin(0, keepdim=True), goal.y.amax(0, keepdim=True)
    for _ in range(_STEPS):  # the sum of slopes falls from end to end: halve where it changes sign
        middle = (low + high) / 2
        above = slope(goal.y - middle).sum(0, keepdim=True) > 0
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2


def _robust_slope(loss: str) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if loss not in ("huber", "smooth_l1"):
        return None
    edge = float(defaults.HUBER_DELTA.value if loss == "huber" else defaults.SMOOTH_L1_BETA.value)
    return lambda error: error.clamp(-edge, edge)


def _loss(goal: _Goal, output: torch.Tensor, loss: str) -> float | None:
    """Return the mean loss of outputs, None for a loss that does not belong to the task or is not known."""
    if goal.task == "regression":
        if loss == "mse":
            value = F.mse_loss(output, goal.truth)
        elif loss == "mae":
            value = F.l1_loss(output, goal.truth)
        elif loss == "huber":
            value = F.huber_loss(output, goal.truth, delta=float(defaults.HUBER_DELTA.value))
        elif loss == "smooth_l1":
            value = F.smooth_l1_loss(output, goal.truth, beta=float(defaults.SMOOTH_L1_BETA.value))
        else:
            return None
    elif goal.binary:
        if loss != "bce_with_logits":
            return None
        value = F.binary_cross_entropy_with_logits(output, goal.truth)
    elif loss in ("cross_entropy", "nll"):
        value = -(goal.truth * output.log_softmax(1)).sum(1).mean()
    elif loss == "kl_div":
        value = (torch.xlogy(goal.truth, goal.truth) - goal.truth * output.log_softmax(1)).sum(1).mean()
    else:
        return None
    return float(value) if math.isfinite(float(value)) else None


def _metric(goal: _Goal, output: torch.Tensor) -> float | None:
    if goal.task == "regression":
        value = float((output - goal.truth).square().mean().sqrt())
    elif goal.binary:
        value = float(((output > 0) == (goal.truth > 0.5)).double().mean())
    else:
        value = float((output.argmax(1) == goal.truth.argmax(1)).double().mean())
    return value if math.isfinite(value) else None


def _unfit(x: torch.Tensor, goal: _Goal) -> str:
    """Return why a linear model cannot be fitted, "" where it can."""
    if not x.is_floating_point() and x.dim() < 3:
        return "the inputs are whole numbers, such as tokens, between which no line can be drawn"
    if goal.y.shape[1] > OUTPUTS:
        return f"{goal.y.shape[1]} outputs are too many for a quick linear model"
    if goal.task != "regression" and not goal.binary and int((goal.y.sum(0) > 0).sum()) < 2:
        return "the training sample holds a single class"
    return ""


def _features(x: torch.Tensor, asked: torch.Tensor, goal: _Goal) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Return both as rows, standardised by the first one's statistics, without constant features, and what was done."""
    one, other = (part.reshape(len(part), -1).double() for part in (x, asked))
    words = ""
    deviation = one.std(0, correction=0)
    varying = deviation > 1e-9 * (one.mean(0).abs() + 1e-30)
    one, other = one[:, varying], other[:, varying]
    mean, deviation = one.mean(0), deviation[varying]
    # What is rarely anything else than constant would count for a thousand deviations where it is.
    one, other = ((part - mean).div(deviation).clamp(-30, 30) for part in (one, other))
    products = one.numel() * goal.y.shape[1] if goal.task != "regression" else 0
    if one.shape[1] > FEATURES or (products > PRODUCTS and one.shape[1] > PROJECTED):
        words = f" on {PROJECTED} random projections of {one.shape[1]} features"
        shape = (one.shape[1], PROJECTED)
        mixed = torch.randn(shape, generator=generator(0, "projection"), dtype=torch.float64) / math.sqrt(shape[0])
        one, other = one @ mixed, other @ mixed
        mean, deviation = one.mean(0), one.std(0, correction=0).clamp_min(1e-12)
        one, other = (one - mean) / deviation, (other - mean) / deviation
    return one, other, words


def _fit(x: torch.Tensor, goal: _Goal, most: int) -> tuple[str, Linear]:
    y = goal.y[:most]
    if goal.task == "regression":
        return "ridge regression", ridge(x, y)
    return "logistic regression", logistic(x, y, classes=not goal.binary)
