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
    what="The schedule is over long before the planned run, or is still warming up when it ends. Or a "
    "schedule that waits for a plateau is given the same number every time.",
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

INVALID_LEARNING_RATE = Kind(
    code="TW609",
    kind="invalid-learning-rate",
    severity="error",
    title="the schedule gives a rate that is none",
    because="a negative rate climbs the loss, and one step at a rate that is not finite makes every weight NaN",
    what="At some step of the run the schedule gives a negative, infinite or undefined rate, or raises.",
    hurts="The run is lost at that step, however well it went before.",
    fix="Keep the rate at zero or above for every step: max(0.0, ...), and a divisor that is never zero.",
    wrong_when="A loss that is meant to be climbed by a negative rate.",
    causes=("non-finite-loss", "learning-rate-too-high", "loss-maximised"),
)

SCHEDULER_OF_ANOTHER_OPTIMIZER = Kind(
    code="TW610",
    kind="scheduler-of-another-optimizer",
    severity="error",
    title="the scheduler belongs to another optimizer",
    because="a scheduler sets the rate of the optimizer that it was made with, and of no other",
    what="The scheduler holds an optimizer that shares no group of parameters with the one that trains.",
    hurts="The rate of the run never changes: no warmup, no decay, and nothing says so.",
    fix="Make the scheduler after the optimizer that trains, and with it; again after an optimizer is made anew.",
    wrong_when="Optimizers that wrap another one in an attribute of a name of their own.",
    causes=("plateau", "learning-rate-too-low", "warmup-missing", "scheduler-wrong-frequency"),
)
