"""Diagnoses of the schedule against the run that is planned."""

from __future__ import annotations

from trainwright.doctor.kind import Kind

SCHEDULER_WRONG_FREQUENCY = Kind(
    code="TW603",
    kind="scheduler-wrong-frequency",
    severity="warning",
    title="the schedule's length does not fit the run",
    because="a schedule counts its own calls: made for epochs and stepped every batch, it ends before the first epoch "
    "does",
    what="The schedule is over long before the planned run, or is still warming up when it ends.",
    hurts="Most of the run trains at a rate near zero, or the rate bounces, or the full rate is never reached.",
    fix="Give the schedule the number of times that it will be stepped: epochs times batches where it is stepped "
    "every batch.",
    wrong_when="Restarts and cycles that are meant; they are not judged.",
    causes=("plateau", "learning-rate-too-low", "underfitting"),
)

WARMUP_MISSING = Kind(
    code="TW606",
    kind="warmup-missing",
    severity="warning",
    title="a network with attention starts at Adam's full rate without warmup",
    because="Adam's first steps have full length in every weight, whatever the gradient, and attention that has once "
    "become one-sided stays so",
    what="The model has attention, the optimizer is of Adam's family, its rate is high for the model's width, and the "
    "schedule does not rise at the start.",
    hurts="The first steps can throw the weights to where the loss is flat and high.",
    fix="Let the rate rise linearly over the first 5 % of the run, or take a lower one.",
    wrong_when="Small rates, fine-tuning, and RAdam, which has a warmup of its own.",
    causes=("learning-rate-too-high",),
)
