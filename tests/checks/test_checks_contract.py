from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from checks_cases import Case
from checks_controls import control, gathered
from checks_fingerprint import differences, epochs, fingerprint, world

import trainwright.checks
from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.run import run_check, run_checks
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds import find_kind
from trainwright.randomness import isolated
from trainwright.records import CheckResult, to_plain
from trainwright.stages.subject import subject_of

ARGUABLE: dict[tuple[str, str], str] = {
    ("prenet with dropout that is always on", "dropout-always-on"): (
        "its answers vary in evaluation, just as the finding says; that this is meant, only its author can know"
    ),
}
"""(control, kind) -> why a finding there is not plainly false. Everything else must be silent."""

REFUSED: dict[tuple[str, str], str] = {}
"""(control, check) -> why the check cannot run there. On all other healthy trainings none may raise."""


def _checks() -> dict[str, Check]:
    modules = (
        importlib.import_module(f"trainwright.checks.{found.name}")
        for found in pkgutil.iter_modules(trainwright.checks.__path__)
    )
    found = [module.CHECK for module in modules if isinstance(getattr(module, "CHECK", None), Check)]
    return {check.name: check for check in found}


def _cases() -> dict[str, Case]:
    files = sorted(Path(__file__).parent.glob("cases_*.py"))
    found = [case for file in files for case in importlib.import_module(file.stem).CASES]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "two cases have one name"
    return dict(zip(names, found, strict=True))


CHECKS = _checks()
CASES = _cases()
DELICATE = (
    "shuffled loader with its own generator",
    "cnn with batch norm",
    "gru over tokens",
    "causal decoder",
    "averaged teacher in a plain list",
    "frozen backbone with batch norm in evaluation",
    "discriminator of a generator without gradient",
    "few classes in each batch",
    "one cycle of torch",
    "second order optimizer",
    "contrast within the batch",
    "stochastic depth",
)
"""Controls with the most to disturb: statistics, hidden modules, samplers, wrapped optimizers, modes, randomness."""


def told(result: CheckResult) -> Any:
    """Return all that a check says but how long it took, as JSON has it."""
    return json.dumps(to_plain(dataclasses.replace(result, seconds=0.0), strict=True))


def severe(result: CheckResult) -> list[str]:
    """Return a line for each finding that asks for something to be done."""
    return [
        f"{result.check}: {finding.code} {finding.kind} ({finding.severity}) {finding.where.module or ''} "
        f"{finding.where.parameter or ''} "
        + ", ".join(f"{e.name} = {e.value} [{e.threshold}]" for e in finding.evidence)
        for finding in result.findings
        if finding.severity in ("error", "warning")
    ]


def accused(name: str, seed: int, checks: Iterable[Check]) -> list[str]:
    """Return a line for each finding that a healthy control gets, and for each check that could not run on it."""
    subject, found = control(name, seed), []
    for check in checks:
        result = run_check(subject, check)
        findings = tuple(finding for finding in result.findings if (name, finding.kind) not in ARGUABLE)
        found += severe(dataclasses.replace(result, findings=findings))
        if result.reason.startswith("it could not run") and (name, check.name) not in REFUSED:
            found.append(f"{check.name}: {result.reason}")
    return [f"seed {seed}: {line}" for line in found]


@pytest.mark.parametrize("name", gathered())
def test_a_healthy_training_is_not_accused(name: str) -> None:
    found = accused(name, 0, CHECKS.values())
    assert not found, "\n".join([f"'{name}' is healthy, and yet:", *found])


@pytest.mark.slow
@pytest.mark.parametrize("name", gathered())
def test_a_healthy_training_is_not_accused_under_twelve_seeds(name: str) -> None:
    found = [line for seed in range(12) for line in accused(name, seed, CHECKS.values())]
    assert not found, "\n".join([f"'{name}' is healthy, and yet:", *found])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """What a check said of one of a case's twins, and what it changed of it."""

    result: CheckResult
    changed: list[str]


@functools.cache
def trial(name: str, twin: str) -> Trial:
    """Run a case's check on one of its twins, once for all tests that ask for it."""
    subject: Subject = getattr(CASES[name], twin)()
    before = fingerprint(subject)
    result = run_check(subject, CHECKS[CASES[name].check])
    return Trial(result=result, changed=differences(before, fingerprint(subject)))


def each_case(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for each case, those of a case in one process, which remembers its trials."""
    cases = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CASES]
    return pytest.mark.parametrize("name", cases)(test)


@each_case
def test_a_planted_fault_is_named(name: str) -> None:
    result = trial(name, "sick").result
    kinds = [finding.kind for finding in result.findings]
    assert CASES[name].kind in kinds, (result.status, result.reason, result.measured)


@each_case
def test_the_twin_without_the_fault_is_not_accused(name: str) -> None:
    result = trial(name, "fixed").result
    assert not severe(result)
    assert result.status != "skipped", result.reason


@pytest.mark.slow
@each_case
def test_a_check_says_the_same_of_the_same_wherever_the_random_state_stands(name: str) -> None:
    first = trial(name, "sick").result
    subject = CASES[name].sick()
    torch.rand(3)
    assert told(run_check(subject, CHECKS[CASES[name].check])) == told(first)


@pytest.mark.parametrize("twin", ["sick", "fixed"])
@each_case
def test_a_check_of_a_case_leaves_no_footprint(name: str, twin: str) -> None:
    assert trial(name, twin).changed == []


def used(subject: Subject) -> Subject:
    """Return a subject with what a training in progress holds: gradients, and the optimizer's state."""

    def closure() -> Any:
        subject.model.zero_grad()
        value = subject.value()
        value.backward()
        return value

    if subject.optimizer is not None:
        with isolated(3):
            subject.optimizer.step(closure)
    return subject


@pytest.mark.parametrize("name", DELICATE)
def test_no_check_leaves_a_footprint(name: str) -> None:
    subject = used(control(name, 0))
    found = []
    for check in CHECKS.values():
        before = fingerprint(subject)
        run_check(subject, check)
        changed = differences(before, fingerprint(subject))
        found += [f"{check.name} changed {', '.join(changed)}"] if changed else []
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [name for name in DELICATE if "loader" in name or "batch" in name])
def test_the_next_epochs_are_the_same_after_all_checks(name: str) -> None:
    subject = control(name, 0)
    list(run_checks(subject, CHECKS.values()))
    assert epochs(subject) == epochs(control(name, 0))


@pytest.mark.parametrize("name", CHECKS)
def test_results_are_well_formed(name: str) -> None:
    check = CHECKS[name]
    known = {kind.kind: kind for kind in check.kinds}
    cases = [case.name for case in CASES.values() if case.check == name]
    assert cases or not check.kinds, "no case plants what this check looks for"
    results = [trial(cases[0], twin).result for twin in ("sick", "fixed")] if cases else []
    for result in [*results, run_check(control("plain mlp", 0), check)]:
        assert result.check == name
        assert result.reason == "" or result.status == "skipped"
        assert result.value or result.status == "skipped"
        json.dumps(to_plain(result, strict=True), allow_nan=False)
        for finding in result.findings:
            assert finding.kind in known
            assert finding.code == known[finding.kind].code
            assert finding.evidence
            assert finding.because
            assert finding.remedies
            assert 0 < finding.confidence <= 1


@pytest.mark.parametrize("name", CHECKS)
def test_every_kind_that_a_check_can_find_has_a_planted_case(name: str) -> None:
    planted = {case.kind for case in CASES.values() if case.check == name}
    assert {kind.kind for kind in CHECKS[name].kinds} - planted == set()


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_check_cannot_judge_is_skipped_with_a_reason(name: str) -> None:
    subject = control("plain mlp", 0)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("this loss is broken")

    hollow = dataclasses.replace(
        subject, loss=broken, spec=None, optimizer=None, train=None, validation=None, loader=None, schedule=None
    )
    before = fingerprint(hollow)
    result = run_check(hollow, CHECKS[name])
    assert not severe(result)
    assert (result.status == "skipped") == bool(result.reason)
    assert differences(before, fingerprint(hollow)) == []


def _made(examine: Callable[[Subject], Any], name: str = "made") -> Check:
    return Check(name=name, question="?", kinds=(), examine=examine, quick=True, seconds=1.0)


def _vandalise(subject: Subject) -> None:
    with torch.no_grad():
        for weight in subject.model.parameters():
            weight.add_(1.0)
    subject.model.eval()
    torch.rand(3)


def test_a_check_that_raises_is_skipped_with_what_it_raised_and_leaves_nothing() -> None:
    subject = control("plain mlp", 0)
    before = fingerprint(subject)

    def examine(subject: Subject) -> Answer:
        _vandalise(subject)
        raise KeyError("no such layer")

    result = run_check(subject, _made(examine))
    assert result.status == "skipped"
    assert "KeyError" in result.reason
    assert "no such layer" in result.reason
    assert differences(before, fingerprint(subject)) == []


@pytest.mark.parametrize("words", ["", " ", "there is no optimizer"])
def test_a_skip_never_passes_even_without_words(words: str) -> None:
    def examine(subject: Subject) -> Answer:
        raise Skip(words)

    result = run_check(control("plain mlp", 0), _made(examine))
    assert result.status == "skipped"
    assert words.strip() in result.reason
    assert result.reason


@pytest.mark.parametrize("error", [RuntimeError(), RuntimeError("\n"), ValueError("first\nsecond")])
def test_an_error_without_words_is_a_skip_too(error: Exception) -> None:
    def examine(subject: Subject) -> Answer:
        raise error

    result = run_check(control("plain mlp", 0), _made(examine))
    assert result.status == "skipped"
    assert type(error).__name__ in result.reason
    assert "second" not in result.reason


def test_a_check_without_an_answer_does_not_pass() -> None:
    result = run_check(control("plain mlp", 0), _made(lambda subject: None))
    assert result.status == "skipped"
    assert result.reason


def test_what_interrupts_a_check_goes_on_and_leaves_nothing() -> None:
    subject = control("plain mlp", 0)
    before = fingerprint(subject)

    def examine(subject: Subject) -> Answer:
        _vandalise(subject)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_check(subject, _made(examine))
    assert differences(before, fingerprint(subject)) == []


def test_checks_beyond_the_budget_are_skipped_without_being_run() -> None:
    ran: list[str] = []

    def examine(subject: Subject) -> Answer:
        ran.append("one")
        return Answer()

    results = list(run_checks(control("plain mlp", 0), [_made(examine, "first"), _made(examine)], budget_seconds=0.0))
    assert [result.status for result in results] == ["skipped", "skipped"]
    assert all("used up" in result.reason for result in results)
    assert not ran


def test_building_a_subject_leaves_the_world_alone() -> None:
    before = world()
    control("shuffled loader with its own generator", 0)
    control("cnn with batch norm", 0)
    assert differences(before, world()) == []


def test_no_two_checks_share_a_name_and_all_kinds_are_known() -> None:
    modules = [found.name for found in pkgutil.iter_modules(trainwright.checks.__path__)]
    named = [
        module.CHECK.name
        for module in (importlib.import_module(f"trainwright.checks.{name}") for name in modules)
        if isinstance(getattr(module, "CHECK", None), Check)
    ]
    assert sorted(named) == sorted(set(named))
    assert {case.check for case in CASES.values()} <= set(named)


@pytest.mark.parametrize("name", DELICATE)
def test_building_a_subject_leaves_no_footprint(name: str) -> None:
    subject = used(control(name, 0))
    data = (subject.x, subject.y) if subject.loader is None else subject.loader
    before = fingerprint(subject)
    subject_of(subject.model, subject.loss, data, optimizer=subject.optimizer)
    assert differences(before, fingerprint(subject)) == []


@pytest.mark.parametrize("name", CHECKS)
def test_every_kind_of_a_check_is_one_that_the_doctor_explains(name: str) -> None:
    for kind in CHECKS[name].kinds:
        assert find_kind(kind.kind) is kind
        assert find_kind(kind.code) is kind
