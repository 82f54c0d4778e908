"""Putting a run right that would end in numbers that are none, or saying what would have put it right.

A setting of the run (`doctor.repair`), and no watcher: a repaired run is a function of recipe and seed. Weights go
back, time does not: after a repair comes the next batch, at the next step of the schedule, so that no run makes more
steps than planned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trainwright.records import Event, StepRecord
from trainwright.training.bad_samples import MOST_NAMED, holds_bad, name_samples, samples_phrase
from trainwright.training.health import Health
from trainwright.training.result import Batch, Refused
from trainwright.training.snapshot import Snapshot

if TYPE_CHECKING:
    from trainwright.training.loop import Training

RATE_FACTOR = 0.1
"""What a rate is multiplied by once it has made a run diverge: the doctor's own remedy."""
MOST_REPAIRS = 4
"""Together they lower a rate ten-thousandfold: what is still not right then is no matter of the rate."""
MOST_BAD_BATCHES = 0.5
"""Share of all steps, and ..."""
FEWEST_BAD_BATCHES = 10
"""... number of them, above which leaving batches out is no way to train on such data."""
MOST_STEPS_BETWEEN, FEWEST_STEPS_BETWEEN, SNAPSHOTS = 100, 10, 20
"""A copy of the weights twenty times in a run, but every hundred steps at least, and every ten at most."""
_MOST_TOLD = 10  # steps left out that are told one by one; the rest are on record all the same


@dataclass(frozen=True, kw_only=True, eq=False)
class _Point:
    """A place to go back to: before `step`, after so many updates. Nothing is copied where none would be used."""

    step: int
    performed: int
    copied: Snapshot | None

    def tree(self) -> dict[str, Any]:
        """Return the place as plain values and tensors."""
        copied = None if self.copied is None else self.copied.tree()
        return {"step": self.step, "performed": self.performed, "copied": copied}

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> _Point:
        """Return the place that gave `tree`."""
        copied = tree["copied"]
        return cls(
            step=tree["step"], performed=tree["performed"], copied=None if copied is None else Snapshot.of(copied)
        )


class Repair:
    """What is done about a step that was refused, and about a loss that has grown.

    With `apply` false nothing is done, and what would have been is put on record. `constant_loss` is the loss of the
    best constant guess, where it is known. Where it applies, it keeps two copies of the run's state: a healthy one to
    go back to, and a newer one, which is healthy if the steps after it are.
    """

    def __init__(self, *, apply: bool, constant_loss: float | None = None) -> None:
        self.apply = apply
        self.constant_loss = constant_loss
        self.made = 0  # repairs that went back
        self.bad_batches = 0  # steps left out for a sample
        self.undone = 0  # updates made and taken back
        self._known_bad: set[tuple[tuple[str, Any], ...]] = set()

    def begin(self, training: Training) -> None:
        """See a run before its first step: that is where it can go back to at first."""
        self.health = Health(training.planned_steps, self.constant_loss)
        self._goal, self._newer = self._point(training, 0), None
        self._anchor = 0  # updates that had been made when the weights were last those of the goal

    def before(self, training: Training, step: int) -> None:
        """See step `step` coming: every so many steps, keep the state where the run is well."""
        if step == 0 or not self.looks(training, step) or self.health.on_trial(step):
            return
        recent = training.history.steps[max(self.health.since, step - self._every(training)) :]
        well, newer = self.health.well(recent), self._newer
        self._newer = None
        if well and newer is not None:
            self._goal, self._anchor = newer, newer.performed
            self.health.confirm(recent)
        if well:
            self._newer = self._point(training, step)

    def looks(self, training: Training, step: int) -> bool:
        """Say whether `step` is one before which it looks at how the run is."""
        return step % self._every(training) == 0

    def after(self, training: Training, record: StepRecord, batches: Sequence[Batch], refused: Refused) -> str | None:
        """See what a step did; put right what can be. Returns why the run must end, None where it goes on."""
        self.health.see(record)
        if refused is not None:
            why = f"the {refused} was not finite"
            if holds_bad(batches):
                return self._leave_out(training, record, batches, why)
            return self._go_back(training, record.step, why)
        if not self.apply:
            return None
        steps = training.history.steps
        wrong = self.health.grown(steps) or self.health.no_better(steps)
        return None if wrong is None else self._go_back(training, record.step, wrong)

    def end(self, training: Training) -> None:
        """Say at the end of a run what would have been done about a loss that has grown and not come down again."""
        steps = training.history.steps
        grown = self.health.grown(steps) if steps and not self.apply else None
        if grown is not None:
            self._go_back(training, steps[-1].step, grown)

    def kept(self) -> dict[str, Any]:
        """Return what a checkpoint needs to go on from here, as plain values and tensors."""
        points = {"goal": self._goal, "newer": self._newer}
        return {
            "made": self.made,
            "bad_batches": self.bad_batches,
            "undone": self.undone,
            "known_bad": [[list(pair) for pair in sample] for sample in sorted(self._known_bad, key=str)],
            "anchor": self._anchor,
            "health": dict(vars(self.health)),
            **{name: None if point is None else point.tree() for name, point in points.items()},
        }

    def put_back(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` returned, in place of `begin`."""
        self.made, self.bad_batches, self.undone = kept["made"], kept["bad_batches"], kept["undone"]
        self._known_bad = {tuple((name, value) for name, value in sample) for sample in kept["known_bad"]}
        self._anchor = kept["anchor"]
        self.health = Health(0, None)
        vars(self.health).update(kept["health"])
        self._goal, self._newer = _Point.of(kept["goal"]), None if kept["newer"] is None else _Point.of(kept["newer"])

    def summary(self) -> str:
        """Return in a line what was done, "" where nothing was."""
        said = []
        if self.made:
            said.append(f"went back {self.made} time{'s' * (self.made > 1)} to healthy weights, with a lower rate")
        if self.bad_batches:
            batches = f"{self.bad_batches} batch{'es' * (self.bad_batches > 1)}"
            said.append(f"left out {batches} with a sample that is not finite")
        return "; ".join(said)

    def _leave_out(self, training: Training, record: StepRecord, batches: Sequence[Batch], why: str) -> str | None:
        """Leave a batch out that holds a sample which is no number, and name the sample."""
        first = record.step % training.steps_per_epoch * training.accumulate
        named = name_samples(batches, training.batches, epoch=record.epoch, first=first)
        phrase = samples_phrase(named)
        detail = {"action": "skip", "cause": why, "samples": list(named[:MOST_NAMED])}
        if not self.apply:
            self._note(training, record.step, f"skipped this step: {phrase}", detail, {"doctor.repair": "apply"})
            return why
        if training.steps_per_epoch == 1:
            return f"{why}; {phrase}, and a step takes all of the data, so that no batch can be left out"
        if self.bad_batches >= max(FEWEST_BAD_BATCHES, MOST_BAD_BATCHES * len(training.history.steps)):
            return f"{why}; {phrase}, and so many batches hold such a sample that they cannot all be left out"
        self.bad_batches += 1
        assert self._goal.copied is not None  # as always where repairs are made
        mended = self._goal.copied.mend_buffers(training.model)
        new = {tuple(sorted(sample.items())) for sample in named} - self._known_bad
        self._known_bad |= new
        again = not new or self.bad_batches > _MOST_TOLD
        text = f"skipped the step: {phrase}" + (f"; put back {', '.join(mended)}" if mended else "")
        self._note(training, record.step, text, detail | {"again": again, "mended": mended})
        return None

    def _go_back(self, training: Training, step: int, why: str) -> str | None:
        """Go back to the healthy state with a lower rate, and clipping where the gradient had jumped."""
        rates, goal, history = training.step.rates, self._goal, training.history.steps
        undone = rates.performed - self._anchor
        if undone == 0:
            return f"{why}; the weights are those that a repair would go back to" if self.apply else why
        if self.made == MOST_REPAIRS:
            return f"{why}; {MOST_REPAIRS} repairs did not help"
        old = rates.base_rate * rates.factor(step)
        new = float(f"{old * RATE_FACTOR:.6g}")
        limit = None
        if not training.step.closure:  # a line search must see the true gradient
            limit = self.health.limit(history[max(self.health.since, goal.step) :], training.step.clip.norm)
        detail = {
            "action": "go back",
            "cause": why,
            "grown": step not in training.refused,
            "to_step": goal.step,
            "undone": undone,
            "rate": old,
            "new_rate": new,
            "clip_norm": limit,
        }
        change = {"optimizer.lr": new} | ({} if limit is None else {"train.clip_norm": limit})
        said = f"learning rate {old:.4g} -> {new:.4g}" + ("" if limit is None else f", clip_norm {limit:g}")
        place = f"the weights before step {goal.step}"
        if goal.copied is None:
            self._note(training, step, f"gone back to {place}, with {said}: {why}", detail, change)
            return why
        goal.copied.restore(training)
        rates.lowered.append((step + 1, RATE_FACTOR))
        if limit is not None:
            training.step.clip = replace(training.step.clip, norm=limit)
        self.made += 1
        self.undone += undone
        self.health.since, self._anchor, self._newer = step + 1, rates.performed, None
        text = f"{why}: went back to {place}, {said} (repair {self.made} of at most {MOST_REPAIRS})"
        self._note(training, step, text, detail, change)
        return None

    def _every(self, training: Training) -> int:
        return max(FEWEST_STEPS_BETWEEN, min(MOST_STEPS_BETWEEN, training.planned_steps // SNAPSHOTS))

    def _point(self, training: Training, step: int) -> _Point:
        copied = Snapshot.take(training, step) if self.apply else None
        return _Point(step=step, performed=training.step.rates.performed, copied=copied)

    def _note(
        self,
        training: Training,
        step: int,
        text: str,
        detail: Mapping[str, Any],
        change: Mapping[str, Any] | None = None,
    ) -> None:
        """Put on record what was done, or would have been."""
        said = text if self.apply else f"doctor.repair = 'apply' would have {text}"
        whole = {"text": said, "applied": self.apply, **detail, "change": dict(change or {})}
        training.history.append(Event(step=step, name="repair", detail=whole))
