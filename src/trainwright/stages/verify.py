"""The verb verify: a minute of checks before a long run, without a footprint, and one verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.check import Check
from trainwright.checks.run import run_checks
from trainwright.checks.subject import Loss, Subject
from trainwright.doctor.diagnose import settled
from trainwright.doctor.silence import silence_of
from trainwright.errors import UsageError, did_you_mean
from trainwright.parts import losses
from trainwright.parts.catalogue import find
from trainwright.records import CheckResult, Finding, to_plain
from trainwright.report.checks_text import render_verification
from trainwright.report.notebook import bundle
from trainwright.stages.assemble import penalty_of
from trainwright.stages.rehearsal import rehearse
from trainwright.stages.setup import Setup
from trainwright.stages.subject import SAMPLES, subject_of
from trainwright.training.rates import Rates

Extent = Literal["quick", "full"]
Watcher = Callable[[CheckResult], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the checks found. `findings` are worst first, causes without their symptoms; `results` are all checks."""

    results: tuple[CheckResult, ...]
    findings: list[Finding]

    @property
    def judged(self) -> bool:
        """Whether any check could judge."""
        return any(result.status != "skipped" for result in self.results)

    @property
    def ok(self) -> bool:
        """Whether some check could judge, and none found an error."""
        return any(result.status == "passed" for result in self.results) and not any(
            finding.severity == "error" for finding in self.findings
        )

    def __getitem__(self, check: str) -> CheckResult:
        """Return the result of one check by its name; raises `UsageError` for one that was not run."""
        for result in self.results:
            if result.check == check:
                return result
        raise UsageError(
            f"no check '{check}' was run", remedy=did_you_mean(check, [result.check for result in self.results])
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` writes: plain values that every JSON parser can read back."""
        document = {"schema": 1, "findings": self.findings, "ok": self.ok, "checks": self.results}
        return to_plain(document, strict=True)

    def text(self, *, color: bool = False, width: int = 100) -> str:
        """Return the table of the checks, the findings in full, and the verdict."""
        return render_verification(self.results, self.findings, color=color, width=width)

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(self.text(color=True))


def verify(
    model: nn.Module,
    loss: Loss | str,
    data: Any,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Any = None,
    checks: Iterable[str] | None = None,
    validation: Any = None,
    planned_steps: int | None = None,
    penalty: Callable[[], torch.Tensor] | None = None,
    budget_seconds: float | None = None,
    seed: int = 0,
) -> Report:
    """Check a training before it starts, and leave everything as it is: weights, modes, optimizer, data order, seeds.

    `data` is a batch `(x, y)` of tensors or arrays with the samples along the first axis, or an iterable of such, best
    the loader that training will use. `optimizer`, `schedule`
    (torch's, or a function from the step to a multiple of the rate), `validation`, `planned_steps` and `penalty` (a
    function that gives what the weights themselves add to the loss) let more be checked. `checks` names those to run;
    by default all. A check that cannot judge is skipped with its reason.

    Raises `UsageError` for a check, a loss or an optimizer that is none, `DataError` for data that cannot be read, and
    `ModelError` where the model cannot take the data or the loss cannot be computed.
    """
    chosen = choose_checks(only=[checks] if isinstance(checks, str) else checks)
    if budget_seconds is not None and not budget_seconds >= 0:
        raise UsageError("budget_seconds must be a number from 0", evidence=f"it is {budget_seconds!r}")
    subject = subject_of(
        model,
        loss,
        data,
        optimizer=optimizer,
        schedule=schedule,
        validation=validation,
        planned_steps=planned_steps,
        penalty=penalty,
        seed=seed,
    )
    return verify_subject(subject, chosen, budget_seconds=budget_seconds)


def verify_setup(
    setup: Setup, checks: Sequence[Check], *, budget_seconds: float | None = None, watch: Watcher | None = None
) -> Report:
    """Check what a recipe describes."""
    return verify_subject(subject_from(setup), checks, budget_seconds=budget_seconds, watch=watch)


def verify_subject(
    subject: Subject, checks: Sequence[Check], *, budget_seconds: float | None = None, watch: Watcher | None = None
) -> Report:
    """Run `checks` on a subject, without what its recipe ignores; `watch` sees each result when it is there."""
    silence = silence_of(subject.info)
    results: list[CheckResult] = []
    found: list[Finding] = []
    for result in run_checks(subject, checks, budget_seconds=budget_seconds):
        found += result.findings
        results.append(silence.heard_of_check(result))
        if watch is not None:
            watch(results[-1])
    heard = silence.heard(settled(found))  # what is ignored may yet explain what is not
    if not any(finding.severity == "error" for finding in heard):
        rehearse(subject, results)  # without a loss or a step, what was skipped cannot be judged
    return Report(results=tuple(results), findings=heard)


def choose_checks(
    *, only: Iterable[str] | None = None, skip: Iterable[str] = (), extent: Extent = "full"
) -> tuple[Check, ...]:
    """Return the checks of an extent, or those named in `only`, without those in `skip`, in the catalogue's order.

    Raises `UsageError`, with the nearest name, for one that does not exist, and where none is left.
    """
    wanted = None if only is None else list(only)
    for name in [*(wanted or ()), *skip]:
        find(CATALOGUE, name, "check")
    chosen = tuple(
        check
        for check in CATALOGUE.values()
        if (check.name in wanted if wanted is not None else check.quick or extent == "full") and check.name not in skip
    )
    if not chosen and (only is not None or skip):
        raise UsageError("no check is left to run", remedy=f"the checks are: {', '.join(CATALOGUE)}")
    return chosen


_WINDOWS = 16  # of a text, each token of which is a sample of its own


def subject_from(setup: Setup) -> Subject:
    """Return the subject that the checks see of what a recipe, or `fit`, has set up."""
    train, settings = setup.splits["train"], setup.recipe.train
    tokens = not setup.reference.is_floating_point() and setup.reference.dim() == 2
    x, y = train.take(_WINDOWS if tokens else min(SAMPLES, len(setup.reference)))
    rates = Rates(setup.optimizer, setup.schedule, planned_steps=setup.info.planned_steps or 1)
    return Subject(
        model=setup.model,
        loss=setup.loss,
        x=x,
        y=y,
        info=setup.info,
        spec=losses.CATALOGUE.get(setup.info.loss),
        loss_options=setup.recipe.loss.options,
        penalty=penalty_of(setup),
        optimizer=setup.optimizer,
        schedule=lambda step: rates.planned_multiple(step, step),
        train=train,
        validation=setup.splits.get("validation"),
        clip_norm=settings.clip_norm or None,
        accumulate=settings.accumulate,
        precision=settings.precision,
        frozen=setup.freezing.always,
        pretrained=None if setup.loaded is None else True,
        seed=settings.seed,
    )
