"""The books of a run: every step accounted for, every rate held against the schedule."""

from __future__ import annotations

from trainwright.parts.schedules import deviation
from trainwright.records import Ledger
from trainwright.training.loop import Training


def ledger_of(training: Training, *, complete: bool) -> Ledger:
    """Return the ledger of a run that has ended; `complete` says that it went to its planned end."""
    steps = training.history.steps
    repair = training.repair
    skipped = sum(record.skipped for record in steps)
    whole_epochs = training.planned_steps == training.epochs * training.steps_per_epoch
    return Ledger(
        planned=training.planned_steps,
        attempted=len(steps),
        performed=training.step.rates.performed,
        skipped=skipped,
        refused=len(training.refused),
        clipped=sum(record.clipped for record in steps),
        samples=sum(record.samples for record in steps),
        planned_samples=training.epochs * training.batches.samples if whole_epochs else None,
        rate_deviation=_rate_deviation(training),
        complete=complete,
        bad_batches=0 if repair is None else repair.bad_batches,
        repairs=0 if repair is None else repair.made,
        undone=0 if repair is None else repair.undone,
    )


def _rate_deviation(training: Training) -> float | None:
    """Return the largest relative deviation of a recorded rate from the closed form, None where events moved it.

    The factors by which repairs lowered the rate are part of the form. Steps that a shorter plan made, before a resumed
    run went on under a longer one, are not held against it.
    """
    rates = training.step.rates
    if rates.plateau is not None:
        return None
    steps = training.history.steps
    return deviation(
        rates.schedule,
        [(record.step, record.rate / rates.factor(record.step)) for record in steps if record.step >= rates.since],
        rates.planned_steps,
        rates.base_rate,
        skipped=[*(record.step for record in steps if record.skipped), *training.refused],
    )
