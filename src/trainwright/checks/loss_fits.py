"""Do the model's output, the loss and the targets fit together? The doctor judges, by what was measured of them."""

from __future__ import annotations

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.subject import Subject
from trainwright.doctor import (
    labels,
    labels_shift,
    labels_values,
    loss,
    loss_classes,
    loss_logs,
    loss_reach,
    loss_shape,
    loss_sign,
)
from trainwright.doctor.diagnose import settled
from trainwright.doctor.kinds_loss import LOSS_MAXIMISED
from trainwright.doctor.loss_entering import entering, words, written
from trainwright.records import Chart

_RULES = (
    *loss.RULES,
    *loss_logs.RULES,
    *loss_shape.RULES,
    *loss_reach.RULES,
    *loss_classes.RULES,
    *loss_sign.RULES,
    *labels.RULES,
    *labels_values.RULES,
    *labels_shift.RULES,
)


def examine(subject: Subject) -> Answer:
    """Run the doctor's rules about loss and targets on the head of the run. Nothing is measured again."""
    chart = Chart(info=subject.info)
    output = subject.info.output
    if output is None:
        raise Skip("what enters the loss was not looked at: inputs and targets must each be a single tensor")
    calls = [call for call in entering(chart) if call.function]
    found = [finding for rule in _RULES if rule.missing(chart) is None for finding in [rule.judge(chart)] if finding]
    if _maximises(subject):  # twice the wrong way round is the right way
        found = [finding for finding in found if finding.kind != LOSS_MAXIMISED.kind]
    if output.loss_error and not found:
        raise Skip(f"the loss cannot be computed: {output.loss_error}")
    if not calls and not found:
        raise Skip("what the loss needs is not known: it calls none of torch's own losses")
    first = calls[0] if calls else None
    operation = first.input.operation if first is not None else output.operation
    seen = f"{words(operation) or 'output'} {written(first.input.shape if first is not None else output.shape)}"
    return Answer(
        findings=tuple(settled(found)),
        measured={
            "operation": operation,
            "losses": [call.function for call in calls],
            "shape": list(first.input.shape if first is not None else output.shape),
            "target_shape": list(first.target.shape) if first is not None and first.target is not None else [],
        },
        value=f"{seen} into {first.function if first is not None else 'a loss of its own'}",
        expected=_EXPECTED.get(first.function, "") if first is not None else "",
    )


def _maximises(subject: Subject) -> bool:
    return subject.optimizer is not None and any(group.get("maximize") for group in subject.optimizer.param_groups)


_EXPECTED = {
    "cross_entropy": "logits, class ids",
    "log_softmax": "logits",
    "logsigmoid": "logits",
    "nll_loss": "log-probabilities, class ids",
    "kl_div": "log-probabilities, probabilities",
    "binary_cross_entropy_with_logits": "logits, targets from 0 to 1",
    "binary_cross_entropy": "probabilities, targets from 0 to 1",
    "mse_loss": "values of the targets' shape and range",
    "l1_loss": "values of the targets' shape and range",
    "smooth_l1_loss": "values of the targets' shape and range",
    "huber_loss": "values of the targets' shape and range",
    "poisson_nll_loss": "log rates, counts",
}
"""Function -> what it must be given."""

CHECK = Check(
    name="loss-fits",
    question="do output, loss and targets fit together?",
    kinds=tuple(rule.kind for rule in _RULES),
    examine=examine,
    quick=True,
    seconds=0.01,
)
