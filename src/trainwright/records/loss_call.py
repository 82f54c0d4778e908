"""What a loss was seen to do: each of the library's losses that it called, and what went into it."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainwright.records.findings import Location


@dataclass(frozen=True, kw_only=True)
class LossInput:
    """The output as it enters one loss, over the samples of one batch.

    `operation` is the last operation behind it that changes values (`Softmax`), with its place, and `previous` the one
    before that. `low` and `high` bound what `operation` can give (None: unbounded). For a softmax or log-softmax,
    `dimension` is the one that it normalises, and `operation_shape` the shape that it worked on.

    `row_sum_error` is the largest deviation from 1 of a sum along dimension 1, None where some entry is outside [0, 1];
    `log_sum_error` the largest |log sum exp| along a dimension, of the dimension after the first for which it is least.
    `logarithm` says that a logarithm lies among the operations shortly before; `direct` that it is the model's output;
    `units_last` that a linear layer made it as it is, so that its units lie along the last dimension; `judged` that a
    layer of another network, such as a discriminator, lies between the model's output and it.
    """

    shape: tuple[int, ...] = ()
    operation: str = ""
    previous: str = ""
    where: Location = field(default_factory=Location)
    low: float | None = None
    high: float | None = None
    dimension: int | None = None
    operation_shape: tuple[int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    row_sum_error: float | None = None
    log_sum_error: float | None = None
    logarithm: bool = False
    direct: bool = False
    units_last: bool = False
    judged: bool = False


@dataclass(frozen=True, kw_only=True)
class LossTarget:
    """The targets as they enter one loss: those of all samples looked at where the loss takes them as they are.

    `counted` of `total` are not `ignored`; `minimum`, `maximum` and what follows are over those. `outside` is the share
    that lies beyond what the input's last operation can give; `byte_scaled` says that all are a whole number over 255,
    and not all whole. Where the target has a column for each class, `fewest` and `most` are the numbers of ones in a
    row of zeros and ones (None where there are other values), and `row_sum_error` is as for the input.

    `padding` is the share of targets that are the padding id of an embedding, where they end or begin their rows;
    `copied` the share of those that count which are the input's token at the same place (None: they are no tokens).
    `of_samples` says that there is one for each row of the model's inputs, and that the classes are no tokens which the
    model looks up as well.
    """

    shape: tuple[int, ...] = ()
    floating: bool = False
    total: int = 0
    counted: int = 0
    ignored: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False
    outside: float = 0.0
    below_half: float = 0.0  # the share of targets below 0.5
    byte_scaled: bool = False
    fewest: int | None = None
    most: int | None = None
    row_sum_error: float | None = None
    padding: float | None = None
    padding_id: int | None = None
    copied: float | None = None
    of_samples: bool = False


@dataclass(frozen=True, kw_only=True)
class LossCall:
    """One call of a loss of the library; `function` is torch's name for it (`mse_loss`), with the line of the call.

    The value of the whole loss is `weight` times what the call gave, a mean over it included; None where it is anything
    else. `sees` says, of targets that copy the input, what the output at a place depends on: "own" for its own token
    and none behind it, "later" for those behind it too, "earlier" for neither, "" where it was not looked at.

    Where `function` is "", input and target are those of the loss as a whole, whatever it computes. Of that alone it is
    said that every output meets every target (`pairs`), that its value is the same for any output (`constant`), and how
    the inputs of neighbouring class ids lie (`order`, see `vitals.output_order`).
    """

    function: str = ""
    where: Location = field(default_factory=Location)
    reduction: str = "mean"
    input: LossInput = field(default_factory=LossInput)
    target: LossTarget | None = None
    weight: float | None = None
    sees: str = ""
    pairs: bool = False
    constant: bool = False
    order: float | None = None
