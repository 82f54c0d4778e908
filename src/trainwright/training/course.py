"""A whole run: the loop plus evaluation, the doctor's visits, early stopping, and keeping the best."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.data.feed import Feed
from trainwright.doctor.diagnose import diagnose, examine, settled
from trainwright.doctor.repairs import marked
from trainwright.doctor.silence import silence_of
from trainwright.interruption import EXIT_TERMINATED, Interrupted
from trainwright.records import EvalRecord, Event, Finding, Outcome, RunInfo, Status, to_plain
from trainwright.tensors import copy_state, digest, gathered
from trainwright.training import state
from trainwright.training.evaluate import MOST_TRAINING_TARGETS, Evaluator
from trainwright.training.ledger import ledger_of
from trainwright.training.loop import Training
from trainwright.training.saver import Saver
from trainwright.training.stopping import Best

if TYPE_CHECKING:
    from trainwright.training.sharded_saver import ShardedSaver

State = Mapping[str, torch.Tensor]
Keeper = Callable[[str, State, int, Mapping[str, Any]], None]
"""`keep("best" | "last", state, step, facts)`: where weights go that must outlive the process."""
_MOST_NAMED = 6  # of what was frozen and has moved


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """How a run ended, and what was found. `digest` is that of the weights after the last step."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    digest: str


class Course:
    """Carries out one training and leaves its model with the best weights.

    `splits` holds the batches of "train" and, where there are such, "validation" and "test"; the best is chosen on
    validation, else on train. `test` is looked at once, at the end, and never chosen by. `whole` is the model that is
    kept, where the one that trains is a part of it: its head alone, on features.
    """

    def __init__(
        self,
        training: Training,
        evaluator: Evaluator,
        splits: Mapping[str, Feed],
        *,
        info: RunInfo,
        evaluate_every_steps: int,
        patience: int | None = None,
        keep: Keeper | None = None,
        checked: Sequence[Finding] = (),
        whole: nn.Module | None = None,
        saver: Saver | ShardedSaver | None = None,
    ) -> None:
        self.training = training
        self.whole = training.model if whole is None else whole
        self.evaluator = evaluator
        self.splits = splits
        self.info = info
        self.evaluate_every_steps = evaluate_every_steps
        self.patience = patience
        self.keep = keep
        self.checked = checked  # what was found before training
        self.saver = saver
        self.silence = silence_of(info)
        self.judged_by = "validation" if "validation" in splits else "train"
        self.best = Best(direction="min")
        self.best_state: State = {}
        self.best_values: Mapping[str, float] | None = None  # of `best_state` on the split that it was chosen by
        self.announced: set[str] = set()
        self.left_out: set[str] = set()  # splits of which samples were left out of an evaluation
        self.next_visit = 0
        self.looked = -1  # the steps after which the run was last evaluated, where due, and visited
        self.seconds = 0.0  # that went by before this process took it up

    def run(self, kept: Mapping[str, Any] | None = None) -> Conclusion:
        """Train to the end, an early stop, a divergence or an interrupt; then measure the best model once more.

        With `kept`, the state of a checkpoint, the run goes on from there.
        """
        self._started = time.perf_counter()
        history, model, still = self.training.history, self.whole, self.training.stillness
        status: Status = "finished"
        reason = ""
        cut: Interrupted | None = None
        moved = False
        if kept is None:
            self.best_state = copy_state(model)  # what is left where not even the first evaluation comes to its end
            self._announce(self.checked, 0)
            if still is not None:
                still.before(0)
                said = {"text": "what is frozen is held still", "held": still.held, "frees": list(still.freezing.times)}
                history.append(Event(step=0, name="frozen", detail=said))
        else:
            state.put_back(self, kept)
        try:
            enough = self._look()  # at the untrained model, where the curve starts; or what an interrupt left out
            for record in () if enough else self.training.steps():
                moved = record.step == 0 and self._moved(0)
                if moved:
                    status, reason = "stopped", "what is frozen has moved"
                    break
                enough = self._look()
                if enough:
                    break
                if self.saver is not None:
                    self.saver.after_step(self)
                self.training.step.team.poll()
            if enough:
                status = "stopped"
                reason = f"no better {self.judged_by} loss for {self.best.evaluations_since} evaluations"
        except KeyboardInterrupt as asked:
            status, reason = "interrupted", str(asked) or "interrupted from the keyboard"
            cut = asked if isinstance(asked, Interrupted) else None
        except Exception:
            alone = not self.training.step.team.sharded  # where each holds a part, nobody can write what is left
            if self.saver is not None and alone and self.training.diverged is None and self.training.undo():
                with suppress(Exception):  # the first error is the one to tell
                    self.saver.now(self)
            raise
        if self.saver is not None and self.training.diverged is None and (cut or status != "interrupted"):
            self.saver.now(self)  # between two steps, as everywhere that an interrupt is polled
        hurried = cut is not None and cut.exit_status == EXIT_TERMINATED  # who sends that sends a kill soon after
        repair, steps = self.training.repair, len(history.steps)
        if steps > 0 and not moved and not hurried:
            self._moved(steps - 1)
        if self.training.diverged is not None:
            steps -= steps - 1 in self.training.refused
            status, reason = "diverged", _diverged(self.training.diverged, history.steps[-1].step)
        elif repair is not None:
            repair.end(self.training)
            reason = "; ".join(filter(None, (reason, repair.summary())))

        last = copy_state(model)
        self._keep("last", last, steps)
        for layer in self.training.monitor.layers(steps):
            history.append(layer)
        model.load_state_dict(self.best_state)
        best: dict[str, dict[str, float]] = {}
        try:
            for split in self.splits:
                if not hurried or split == self.judged_by:
                    best[split] = self._measure(split, self.best.step or 0)
        except KeyboardInterrupt as asked:  # all is saved; what is left to measure, a resumed run measures
            status, reason = "interrupted", str(asked) or "interrupted from the keyboard"
        examination = examine(history.chart(self.info))
        self._announce(examination.findings, steps)
        for kind in sorted(self.announced & set(examination.healthy)):
            history.append(Event(step=steps, name="resolved", detail={"kind": kind}))
        # A rule that saw the run itself knows better than the check before it, whether it found something or nothing.
        judged = {*examination.healthy, *(finding.kind for finding in examination.findings)}
        lasting = [finding for finding in self.checked if finding.kind not in judged]
        found = settled([*lasting, *examination.findings])
        ledger = ledger_of(self.training, complete=status == "finished")
        outcome = Outcome(
            status=status,
            reason=reason,
            best=best,
            best_step=self.best.step,
            steps=steps,
            ledger=ledger,
            seconds=self.elapsed,
        )
        if self.saver is not None:
            self.saver.close(self)
        return Conclusion(
            outcome=outcome,
            findings=tuple(marked(self.silence.heard(found), history.events)),
            digest=digest(last),
        )

    def _moved(self, step: int) -> bool:
        """Say whether anything that is to be frozen has moved by the end of `step`, and put it on record."""
        still = self.training.stillness
        moved = [] if still is None else still.moved()
        if moved:
            detail = {"names": moved[:_MOST_NAMED], "count": len(moved)}
            self.training.history.append(Event(step=step, name="frozen-moved", detail=detail))
        return bool(moved)

    @property
    def elapsed(self) -> float:
        """The seconds that the run has taken, those before it was resumed included."""
        return self.seconds + time.perf_counter() - self._started

    def _look(self) -> bool:
        """Evaluate where that is due, and let the doctor visit; say whether the run is to stop for want of patience."""
        done = self.training.place.step
        due = done % self.evaluate_every_steps == 0 or done == self.training.planned_steps
        if due and done != self.looked:
            self._evaluate(done, done / self.training.steps_per_epoch)
        enough = due and done > 0 and self.best.exhausted(self.patience)
        if 0 < done != self.looked and not enough:
            self._visit(done - 1)
        self.looked = done
        return enough

    def _evaluate(self, step: int, epoch: float) -> None:
        """Measure the model as it is now, or its average where one is kept; keep the weights if they are the best."""
        with self.training.average.shown():
            record = self.evaluator(self.splits[self.judged_by], split=self.judged_by, step=step, epoch=epoch)
            better = copy_state(self.whole) if self.best.improves(record.loss) else None
        self.training.history.append(record)
        self._note_left_out(record)
        self.best = self.best.update(record.loss, step)
        if better is not None:
            self.best_state, self.best_values = better, _values(record)
            if step > 0:
                self._keep("best", better, step, **_values(record))
        self.training.step.rates.evaluated(record.loss)  # after validation: a plateau schedule needs the fresh score

    def _measure(self, split: str, step: int) -> dict[str, float]:
        """Return the returned model's loss and metric on a split; of much to train on, a part has to do."""
        if split == self.judged_by and self.best_values is not None:
            return dict(self.best_values)  # measured when it was chosen
        epoch = step / self.training.steps_per_epoch
        most = MOST_TRAINING_TARGETS if split != self.judged_by and split == "train" else None
        record = self.evaluator(self.splits[split], split=split, step=step, epoch=epoch, most_targets=most)
        if most is None:
            self._note_left_out(record)
        return _values(record)

    def _note_left_out(self, record: EvalRecord) -> None:
        """Put on record, once for each split, that not all of its samples were measured."""
        missing = self.splits[record.split].samples - record.samples
        if not self.evaluator.finite_only or missing == 0 or record.split in self.left_out:
            return
        self.left_out.add(record.split)
        said = f"left {missing:,} of the {record.split} split's samples, which are not finite, out of its evaluation"
        detail = {"text": said, "applied": True, "action": "leave out", "split": record.split, "samples": missing}
        self.training.history.append(Event(step=record.step, name="repair", detail=detail))

    def _keep(self, name: str, state: State, step: int, **facts: Any) -> None:
        if self.training.step.team.sharded:
            state = gathered(state)
        if self.keep is not None:
            self.keep(name, state, step, facts)
            self.training.history.append(Event(step=step, name="checkpoint", detail={"name": name}))

    def _visit(self, step: int) -> None:
        """Let the doctor look at the run so far: ever more rarely, so that all visits together cost O(steps)."""
        newest = self.training.history.events[-1:]
        repaired = any(
            event.name == "repair" and event.step == step and not event.detail.get("again") for event in newest
        )
        if (step < self.next_visit and not repaired) or self.training.monitor.level == "off":
            return
        self.next_visit = max(step + 10, int(step * 1.15))
        self._announce(diagnose(self.training.history.chart(self.info)), step)

    def _announce(self, findings: Sequence[Finding], step: int) -> None:
        """Put each finding that is to be heard on record when it is first certain."""
        for finding in self.silence.heard(findings):
            if finding.kind not in self.announced:
                self.announced.add(finding.kind)
                self.training.history.append(Event(step=step, name="finding", detail=to_plain(finding)))


def _diverged(why: str, step: int) -> str:
    """Return why a run diverged, with the step put where it belongs: behind what happened there."""
    what, mark, rest = why.partition(";")
    return f"{what} at step {step}{mark}{rest}"


def _values(record: EvalRecord) -> dict[str, float]:
    return {"loss": record.loss, **record.metrics}
