"""Losses of log-probabilities that are given something else. Source: the definitions of nll_loss and kl_div (torch)."""

from __future__ import annotations

from trainwright.doctor.kinds_loss import KL_DIV_INPUT_NOT_LOG, NLL_WITHOUT_LOG_SOFTMAX
from trainwright.doctor.loss_entering import calls_of, place_of_call, words
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy
from trainwright.records.loss_call import LossInput

LOG_SUM_TOLERANCE = 5e-2
"""|log sum exp| of log-probabilities: below 1e-6 in float32, 2e-2 in bfloat16 with 50 000 classes; untrained logits of
C classes give log C and more (least of 200 nets: 0.99 for two)."""


def nll_without_log_softmax(chart: Chart) -> Finding | None:
    """Exact by value, unless a logarithm was taken: exp(input) does not sum to 1 over any dimension."""
    for call in calls_of(chart, ("nll_loss",)):
        if _no_logarithm(call.input):
            probabilities = _probabilities(call.input)
            remedy = (
                "replace softmax by log_softmax in front of nll_loss"
                if probabilities
                else "pass the logits to cross_entropy, or put log_softmax(z, dim=1) in front of nll_loss"
            )
            return NLL_WITHOUT_LOG_SOFTMAX.finding(
                where=place_of_call(chart, call),
                step=0,
                evidence=_evidence(call.input),
                title="nll_loss is given probabilities, not their logarithms"
                if probabilities
                else "nll_loss is given raw outputs, not log-probabilities",
                remedies=(Remedy(text=remedy),),
            )
    return None


def kl_div_input_not_log(chart: Chart) -> Finding | None:
    """Exact by value, unless a logarithm was taken: exp(input) does not sum to 1 over any dimension."""
    for call in calls_of(chart, ("kl_div",)):
        if _no_logarithm(call.input):
            probabilities = _probabilities(call.input)
            return KL_DIV_INPUT_NOT_LOG.finding(
                where=place_of_call(chart, call),
                step=0,
                evidence=_evidence(call.input),
                title="kl_div is given probabilities, not their logarithms"
                if probabilities
                else "kl_div is given raw outputs, not log-probabilities",
                remedies=(
                    Remedy(
                        text="replace softmax by log_softmax in the first argument; the second stays probabilities"
                        if probabilities
                        else "pass log_softmax(z, dim=1) as the first argument"
                    ),
                ),
            )
    return None


def _no_logarithm(entry: LossInput) -> bool:
    return not entry.logarithm and entry.log_sum_error is not None and entry.log_sum_error > LOG_SUM_TOLERANCE


def _probabilities(entry: LossInput) -> bool:
    return entry.operation == "Softmax" or (entry.row_sum_error is not None and entry.row_sum_error < 1e-3)


def _evidence(entry: LossInput) -> tuple[Evidence, ...]:
    found = []
    if entry.operation:
        found.append(Evidence(name="the last operation before the loss", value=words(entry.operation)))
    if entry.log_sum_error is not None:
        found.append(
            Evidence(
                name="largest |log of the sum of exp(input)| over the classes, 0 for log-probabilities",
                value=entry.log_sum_error,
                threshold=LOG_SUM_TOLERANCE,
            )
        )
    if entry.maximum is not None:
        found.append(Evidence(name="the largest input; a log-probability is at most 0", value=entry.maximum))
    return tuple(found)


RULES = (
    Rule(kind=NLL_WITHOUT_LOG_SOFTMAX, needs=("output",), judge=nll_without_log_softmax),
    Rule(kind=KL_DIV_INPUT_NOT_LOG, needs=("output",), judge=kl_div_input_not_log),
)
