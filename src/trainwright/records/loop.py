"""What was seen of a training loop that someone else wrote: what happened in its calls, and what it is made of.

Whoever watches a loop counts; whoever judges it reads these records, so that a loop can be judged without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from trainwright.records.findings import Location, Scalar

SightingName = Literal[
    "gradients-carried-over",  # a step used gradients that the step before had used already; where: the backward call
    "gradients-erased",  # zeroed after the backward pass and before the step; where: the zeroing
    "gradients-of-first-loss-erased",  # zeroed between the backward passes of two losses of one forward pass
    "gradients-erased-while-accumulating",  # backward, zero, backward (same line), zero, ..., step; where: the zeroing
    "step-without-backward",  # no backward pass since the last step, and no gradient of another source
    "backward-without-step",  # no step of an optimizer that is there, weights stay; facts: zeroed (count)
    "weights-unchanged",  # a step with gradients that are not zero, and no weight moved; facts: optimizer, rate
    "weights-mostly-unchanged",  # 90 % of the elements, or of one matrix; facts: optimizer, dtype, share, worst
    "parameters-unowned",  # have gradients, and no optimizer; facts: count, share, names, output_layer
    "parameters-not-in-model",  # an optimizer holds some that are no longer the model's; facts: count, names, optimizer
    "parameters-rebound",  # a name was bound anew by its own gradient, in no place of it; facts: name
    "parameters-frozen",  # all that a group holds is frozen; facts: count, names, trainable (others of the optimizer)
    "layers-frozen-as-made",  # in an optimizer, with the random weights of their construction; facts: count, names
    "parameters-without-gradient",  # it ran, no way to the loss; facts: count, names, feeds (False: value neither)
    "parameters-unregistered",  # got gradients, in no module and no optimizer; facts: count, module, attribute
    "optimizer-recreated",  # over the same parameters, after steps; count: how often; where: the construction
    "optimizer-state-lost",  # a state was loaded, and another optimizer steps; where: the construction or the loading
    "weights-resumed-alone",  # learnt weights, loaded into new ones, with a new optimizer's empty state; count: times
    "right-classes-at-start",  # facts: first, last (shares of samples), loss, entropy (of labels), classes, drawn
    "clipping-without-gradients",  # before the backward pass; facts (of all clippings): limit; where: the clipping
    "clipping-after-step",  # between the step and the next zeroing
    "clipping-scaled-gradients",  # before the scaler divided them; facts: scale
    "clipping-nearly-all",  # facts: share (of steps), coefficient (the median)
    "accumulation-not-averaged",  # facts: batches
    "loss-maximised",  # the steps make it larger, whatever it is; facts: loss, weight, maximize, optimizer
    "graph-kept",  # losses of many steps back still hold their graphs; facts: steps
    "graph-walked-again",  # a backward pass through those of earlier ones; facts: passes (of them), refused, fresh
    "training-in-evaluation-mode",  # facts: flipped (was in training mode before), modules, restored, loaded (weights)
    "evaluating-in-training-mode",  # without gradients, with dropout or batch norm, on changing inputs; facts: modules
    "dropout-in-evaluation",  # functional, in a module in evaluation mode; facts: explicit (training=True is written)
    "gradients-tracked-in-evaluation",  # passes in a row whose graphs nobody walked
    "scheduler-before-optimizer",
    "scheduler-recreated",  # for one optimizer, after steps, once in every epoch; facts: scheduler, epochs
    "plateau-of-constant",  # a scheduler that waits for one got one number alone; facts: scheduler, number, calls
    "scaler-skipped",  # facts: skipped, steps
    "gradients-underflowed",  # facts: share, dtype
    "autocast-without-effect",  # facts: dtype, missing (the device that it was asked for, where there is none)
    "loss-without-graph",  # the backward pass was refused: nothing leads to a weight; facts: operation
    "batch-norm-statistics-stale",  # far from the batches'; facts: shift, variance_ratio, momentum, features
    "batch-norm-statistics-never-gathered",  # in evaluation, with learnt weights; facts: layers, model
    "batch-of-one-normalised",  # batch norm in training mode, on very few samples; facts: samples, values (a channel)
    "units-alike",  # rows of a weight, equal at the start and after steps; facts: parameter, count, names, zero
    "weights-constant-at-start",  # rows of all of a model's matrices were equal; facts: those of units-alike
    "linear-in-a-row",  # facts: first, second (names of weights), sizes, pairs
    "dropout-strong",  # facts: module, p, layers
    "dropout-before-norm",  # facts: dropout, norm (modules), places
    "outputs-alike",  # for all samples, though they differ; facts: variation, looks, module, layer (where it began)
    "predictions-collapsed",  # one class, and sure of it; facts: class, samples, share (of it in labels), probability
    "class-never-named",  # by the end of training; facts: class, asked (samples of it)
    "keys-not-loaded",  # load_state_dict(strict=False); facts: missing, unexpected, total, names
    "weights-drawn-after-loading",  # and before the first step; where: what drew them; facts: count, total (matrices)
    "weights-loaded-onto-themselves",  # what was loaded is the module's own memory; facts: count, total, names
    "optimizer-never-stepped",  # its gradients were zeroed count times, and others step; facts: optimizer, made
    "worker-randomness-repeated",  # by how many workers; facts: workers (that were seen), generator
    "batches-in-same-order",  # facts: epochs, sampler, deliberate (nobody asked for another order)
    "validation-overlaps-training",  # samples of two loaders; facts: found, asked, expected (a share), by_index
    "held-out-answers",  # of a classifier, by evaluation; facts: right, asked (of the last evaluations)
    "validation-prepared-differently",  # inputs; facts: those of watching.preparation
    "difference-of-all-pairs",  # in a loss by hand, one side learnt; facts: output, difference (shapes)
    "shares-of-raw-outputs",  # minus their mean is the loss: no logarithm of a softmax was taken; facts: classes
    "distance-to-codes",  # the loss is a mean of |probability - code of the class|; facts: classes
    "mean-divided-again",  # the loss is a mean over the batch, over its size; facts: size, loss (before)
    "labels-without-sign",  # for a loss that wants -1 and 1; facts: function, zeros, low, high
    "parameters-behind-flat-operation",  # rounding, sign: their gradient is zero; facts: count, names, operation
    "labels-of-a-sample-change",  # it came again with another; facts: met, differ, chance (to), pairs, apart
    "class-costs-nothing",  # no gradient for any of its samples, of a yes or a no; facts: class, samples
    "linear-throughout",  # nothing but linear operations from the first layer to the last; facts: layers, first, last
    "chosen-by-test-data",  # a figure of what is called test is compared with the best so far; facts: figure, data
    "penalty-without-gradient",  # a part of the loss follows a sum of weights; facts: part, sum, of, multiple
    "logits-compared",  # a model's own output, with the middle of probabilities; facts: low, high, threshold
    "softmax-over-one-score",  # of a layer with one unit, all weights are 1; facts: shape, longer (a dimension), size
    "answers-of-the-other-class",  # from the first of two columns of probabilities; facts: right (share), asked
    "samples-mixed",  # outputs change with other samples; facts: samples, effect, softmax (shape) or module, layer
    "labels-in-blocks",  # one class after the other; facts: entropy (of a batch, over that of all), batches, single
]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """Something that was seen `count` times among `chances`, first before optimizer step `step` ended, at `where`."""

    count: int
    step: int
    where: Location = field(default_factory=Location)
    chances: int | None = None
    facts: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """One group of an optimizer, as it stood at its first step.

    `decay` is the weight decay, `decoupled` whether it acts on the weights and not through the gradient; of its
    `parameters` (tensors), `undecayable` are biases and parameters of normalisation layers, `names` a few of them.
    `dtype` is that of the parameters; `decay_to_gradient` the median over weight matrices of
    |decay x weight| / |gradient|, None where nobody measured it.
    """

    parameters: int
    elements: int
    rate: float
    decay: float = 0.0
    decoupled: bool = False
    epsilon: float | None = None
    momentum: float | None = None
    betas: tuple[float, ...] = ()
    undecayable: int = 0
    names: tuple[str, ...] = ()
    dtype: str = "float32"
    decay_to_gradient: float | None = None


@dataclass(frozen=True, kw_only=True)
class OptimizerFacts:
    """One optimizer: its class, the line that made it, the line that steps it, and how often it was stepped."""

    name: str
    where: Location = field(default_factory=Location)
    step_where: Location = field(default_factory=Location)
    steps: int = 0
    adaptive: bool = False  # of Adam's family: it divides by the gradient's own size
    groups: tuple[GroupFacts, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SchedulerFacts:
    """One scheduler of the learning rate.

    `horizon` is how many calls its curve takes (`T_max`, `total_steps`, the last milestone), named `horizon_name`, None
    where it has none. `calls` do not count the one of its construction. `call_places` are the user's lines that step
    it. `optimizer_steps` and `epochs` were made since its construction; `steps_per_epoch` is None where no epochs were
    seen. `calls_in_first_epoch` is None until an epoch is over. `low` and `high` are the bounds of the rates seen.
    """

    name: str
    where: Location = field(default_factory=Location)
    horizon: int | None = None
    horizon_name: str = ""
    cyclic: bool = False
    calls: int = 0
    calls_before_first_step: int = 0
    calls_in_first_epoch: int | None = None
    call_places: tuple[Location, ...] = ()
    optimizer_steps: int = 0
    epochs: int = 0
    steps_per_epoch: int | None = None
    first_rate: float | None = None
    last_rate: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class LoopFacts:
    """A loop as it was watched. `finished` says that nothing more will come.

    `turns` says that several optimizers take turns with losses of their own (adversarial networks); `closures` that
    steps compute their own loss (L-BFGS); `compiled` that modules run as compiled graphs, whose inside is not seen.
    `waiting_fraction` is the share of time spent waiting for batches. `unseen` lists, in plain words, what could not be
    watched.
    """

    steps: int = 0
    backwards: int = 0
    epochs: int = 0
    evaluations: int = 0
    turns: bool = False
    closures: bool = False
    compiled: bool = False
    finished: bool = False
    loss_where: Location = field(default_factory=Location)
    backward_where: Location = field(default_factory=Location)
    step_where: Location = field(default_factory=Location)
    attention: bool = False  # attention was computed in a training step
    waiting_fraction: float | None = None
    sightings: Mapping[SightingName, Sighting] = field(default_factory=dict)
    optimizers: tuple[OptimizerFacts, ...] = ()
    schedulers: tuple[SchedulerFacts, ...] = ()
    unseen: tuple[str, ...] = ()
    failure: str = ""  # why the watcher stood down: nothing that came later was seen

    def seen(self, name: SightingName) -> Sighting | None:
        """Return what was seen of `name`, None where it never happened."""
        return self.sightings.get(name)
