"""Charts drawn at random, and ill ones built by hand, for what holds of every rule."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from doctor_charts import (
    call,
    entered,
    followed,
    healthy,
    info,
    inputs,
    memorised,
    output,
    quantities,
    relu,
    slowly,
    steps,
    targets,
)
from hypothesis import strategies as st

from trainwright.records import (
    Baselines,
    Chart,
    EvalRecord,
    Event,
    InputStats,
    LayerStats,
    Location,
    OutputFacts,
    RunInfo,
    Setting,
    StepProbe,
    StepRecord,
    TargetStats,
)
from trainwright.records.loss_call import LossCall, LossInput, LossTarget

ILL = {
    "": healthy(),
    "non-finite-input": Chart(info=info(inputs=inputs(std=1e3, non_finite=2))),
    "non-finite-targets": Chart(info=info(targets=targets(non_finite=2))),
    "inputs-not-normalised": Chart(info=info(inputs=inputs(std=1e3))),
    "labels-out-of-range": Chart(info=info(targets=targets(minimum=1, maximum=10))),
    "softmax-before-cross-entropy": Chart(info=info(output=output(operation="Softmax"))),
    "constant-targets": healthy(
        info=info(output=call(target=entered(minimum=3, maximum=3)), targets=targets(minimum=3, maximum=3, distinct=1))
    ),
    "padding-counted-in-loss": healthy(info=info(output=call(target=entered(padding=0.3, padding_id=0)))),
    "targets-not-scaled": healthy(
        info=info(
            loss="mse",
            targets=targets(mean=0.0, std=1e5, integral=False, minimum=-4e5, maximum=4e5, distinct=1000),
            output=call("mse_loss", shape=(64, 1), target=quantities()),
        )
    ),
    "no-valid-targets": healthy(
        info=info(
            output=call(target=entered(counted=0, minimum=None, maximum=None)),
            targets=targets(minimum=-100, maximum=-100, distinct=1),
        )
    ),
    "sigmoid-before-bce-with-logits": healthy(
        info=info(output=call("binary_cross_entropy_with_logits", operation="Sigmoid", low=0.0, high=1.0))
    ),
    "nll-without-log-softmax": healthy(info=info(loss="nll", output=call("nll_loss"))),
    "kl-div-input-not-log": healthy(info=info(loss="kl_div", output=call("kl_div", row_sum_error=1e-7))),
    "loss-shape-broadcast": healthy(
        info=info(loss="mse", output=call("mse_loss", shape=(64, 1), target=quantities(shape=(64,))))
    ),
    "softmax-wrong-dimension": healthy(
        info=info(
            output=call("nll_loss", operation="LogSoftmax", dimension=0, operation_shape=(64, 10), logarithm=True)
        )
    ),
    "softmax-over-one-unit": healthy(
        info=info(
            loss="mse",
            output=call(
                "mse_loss",
                shape=(64, 1),
                operation="Softmax",
                dimension=1,
                operation_shape=(64, 1),
                target=quantities(),
            ),
        )
    ),
    "relu-on-output": healthy(
        info=info(
            loss="mse",
            output=call("mse_loss", shape=(64, 1), operation="Relu", low=0.0, target=quantities(outside=0.5)),
        )
    ),
    "regression-loss-for-classes": healthy(
        info=info(
            loss="mse",
            targets=targets(rarest=0.09, commonest=0.11),
            output=call("mse_loss", shape=(64, 1), target=entered(shape=(64, 1), floating=True)),
        )
    ),
    "loss-maximised": healthy(info=info(output=replace(call(), calls=(replace(call().calls[0], weight=-1.0),)))),
    "loss-detached": healthy(info=info(output=replace(call(), calls=(replace(call("").calls[0], constant=True),)))),
    "next-token-not-shifted": healthy(
        info=info(output=replace(call(), calls=(replace(call(target=entered(copied=1.0)).calls[0], sees="own"),)))
    ),
    "multi-label-with-softmax": healthy(
        info=info(
            output=call(target=entered(shape=(64, 10), floating=True, maximum=1, fewest=0, most=4)),
            targets=targets(maximum=1, distinct=2),
        )
    ),
    "dead-relu": healthy(layers=[relu(20, 1.0), relu(70, 1.0)]),
    "learning-rate-too-high": healthy(steps=steps([1.0, 5.0, 50.0, math.inf])),
    "learning-rate-too-low": followed(slowly),
    "plateau": healthy(steps=steps(lambda share: 1.0)),
    "non-finite-loss": healthy(
        steps=steps([1.0, math.nan]), events=[Event(step=1, name="non-finite", detail={"phase": "forward"})]
    ),
    "overfitting": memorised(),
    "underfitting": healthy(steps=steps(lambda share: 2.0)),
}
"""Kind -> a chart that has it and nothing else, with NaN and infinities among them; and a healthy one."""

finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.one_of(st.floats(0.001, 10), st.floats(), finite)
fractions = st.sampled_from([0.0, 0.5, 1.0, math.nan])
counts = st.integers(1, 1000)
places = st.builds(
    Location,
    file=st.none() | st.just("model.py"),
    line=st.none() | counts,
    module=st.none() | st.just("body.0"),
)
probes = st.builds(StepProbe, before=numbers, tenth=numbers, same=numbers, tenfold=numbers)
values = st.one_of(st.none(), st.booleans(), numbers, st.sampled_from(["none", "standard", "constant"]))
shapes = st.sampled_from([(), (64,), (64, 1), (64, 2), (64, 10), (64, 10, 5), (64, 5)])
shares = st.sampled_from([0.0, 0.03, 0.5, 1.0, math.nan])
entries = st.builds(
    LossInput,
    shape=shapes,
    operation=st.sampled_from(["", "Softmax", "LogSoftmax", "Sigmoid", "Relu", "Tanh", "Addmm"]),
    previous=st.sampled_from(["", "Softmax", "Sigmoid"]),
    where=places,
    low=st.none() | st.just(0.0) | numbers,
    high=st.none() | st.just(1.0) | numbers,
    dimension=st.none() | st.integers(0, 2),
    operation_shape=shapes,
    minimum=st.none() | numbers,
    maximum=st.none() | numbers,
    row_sum_error=st.none() | numbers,
    log_sum_error=st.none() | numbers,
    logarithm=st.booleans(),
    direct=st.booleans(),
    units_last=st.booleans(),
)
goals = st.builds(
    LossTarget,
    shape=shapes,
    floating=st.booleans(),
    total=counts,
    counted=st.just(0) | counts,
    ignored=st.sampled_from([None, -100, 0]),
    minimum=st.none() | numbers,
    maximum=st.none() | numbers,
    whole=st.booleans(),
    outside=shares,
    below_half=shares,
    byte_scaled=st.booleans(),
    fewest=st.none() | st.integers(0, 3),
    most=st.none() | st.integers(0, 4),
    row_sum_error=st.none() | numbers,
    padding=st.none() | shares,
    padding_id=st.none() | st.just(0),
    copied=st.none() | shares,
)
calls = st.builds(
    LossCall,
    function=st.sampled_from(
        [
            "",
            "cross_entropy",
            "nll_loss",
            "kl_div",
            "log_softmax",
            "logsigmoid",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
            "mse_loss",
            "l1_loss",
            "poisson_nll_loss",
        ]
    ),
    where=places,
    reduction=st.sampled_from(["mean", "none"]),
    input=entries,
    target=st.none() | goals,
    weight=st.none() | st.sampled_from([-1.0, 1.0]) | numbers,
    sees=st.sampled_from(["", "own", "later", "earlier"]),
    pairs=st.booleans(),
    constant=st.booleans(),
    order=st.none() | numbers,
)
heads = st.builds(
    RunInfo,
    loss=st.sampled_from(["", "cross_entropy", "bce_with_logits", "mse", "nll", "kl_div", "focal"]),
    schedule=st.sampled_from(["", "constant", "cosine"]),
    planned_steps=st.none() | st.integers(0, 500),
    steps_per_epoch=st.none() | st.integers(0, 50),
    metric=st.sampled_from([None, "accuracy", "rmse"]),
    settings=st.dictionaries(
        st.sampled_from(["optimizer.lr", "model.dropout", "data.normalise", "data.source"]),
        st.builds(Setting, value=values, where=st.none() | places),
    ),
    recommended_rate=st.none() | numbers,
    has_input_norm=st.booleans(),
    inputs=st.none()
    | st.builds(
        InputStats,
        samples=counts,
        features=counts,
        mean=numbers,
        std=numbers,
        minimum=numbers,
        maximum=numbers,
        spread=numbers,
        offset=numbers,
        integral=st.booleans(),
        non_finite=st.sampled_from([0, 0, 3]),
        constant_features=st.just(0),
    ),
    targets=st.none()
    | st.builds(
        TargetStats,
        samples=counts,
        minimum=numbers,
        maximum=numbers,
        integral=st.booleans(),
        distinct=counts,
        constant_loss=st.none() | numbers,
        mean=st.none() | numbers,
        std=st.none() | numbers,
        rarest=st.none() | shares,
        commonest=st.none() | shares,
    ),
    baselines=st.none()
    | st.builds(Baselines, metric=st.sampled_from(["accuracy", "rmse"]), linear_metric=st.none() | numbers),
    output=st.none()
    | st.builds(
        OutputFacts,
        shape=st.sampled_from([(), (64,), (64, 1), (64, 2), (64, 10), (64, 10, 5)]),
        operation=st.sampled_from(["", "Softmax", "Addmm"]),
        where=places,
        row_sum_error=st.none() | numbers,
        loss_softmax=st.booleans(),
        calls=st.lists(calls, max_size=2).map(tuple),
    ),
)
events = st.builds(
    Event,
    step=st.integers(0, 300),
    name=st.sampled_from(["non-finite", "phase"]),
    detail=st.dictionaries(
        st.sampled_from(["phase", "operation", "file", "module"]),
        st.sampled_from(["input", "forward", "target", "torch.log"]),
    ),
)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    """Return a chart that has a finding, or none, with some of its parts put in at random.

    Up to 300 steps: few different numbers, repeated, so that it is made quickly.
    """
    base = draw(st.sampled_from(list(ILL.values())))
    losses = draw(st.lists(numbers, min_size=1, max_size=12))
    measured = draw(st.lists(st.none() | probes, min_size=1, max_size=6))
    norms = draw(st.lists(st.none() | numbers, min_size=1, max_size=3))
    rates = draw(st.lists(st.floats(0, 10), min_size=1, max_size=3))
    count = draw(st.sampled_from([0, 1, 2, 50, 99, 150, 300]))
    scores = draw(st.lists(numbers, min_size=1, max_size=4))
    parts: dict[str, Any] = {
        "info": draw(heads),
        "steps": [
            StepRecord(
                step=step,
                epoch=step // 20,
                loss=losses[step * len(losses) // count],
                rate=rates[step % len(rates)],
                samples=8,
                gradient_norm=norms[step % len(norms)],
                probe=measured[step % len(measured)],
            )
            for step in range(count)
        ],
        "evals": [
            EvalRecord(
                step=30 * index,
                epoch=index,
                split=draw(st.sampled_from(["train", "validation"])),
                loss=loss,
                loss_error=draw(numbers),
                metrics=draw(
                    st.dictionaries(st.sampled_from(["accuracy", "rmse"]), st.sampled_from(scores), max_size=2)
                ),
                samples=draw(counts),
            )
            for index, loss in enumerate(draw(st.lists(numbers, max_size=8)))
        ],
        "layers": [
            LayerStats(
                step=30 * index,
                module=draw(st.sampled_from(["1", "3"])),
                kind=draw(st.sampled_from(["ReLU", "Linear"])),
                units=8,
                samples=draw(st.sampled_from([10, 100])),
                mean=0.0,
                std=1.0,
                zero_fraction=dead,
                dead_fraction=dead,
            )
            for index, dead in enumerate(draw(st.lists(fractions, max_size=5)))
        ],
        "events": draw(st.lists(events, max_size=2)),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(parts)), min_size=1))
    return replace(base, **{name: parts[name] for name in chosen})
