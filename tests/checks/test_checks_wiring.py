"""Wiring: what is planted is found and named, and what is healthy, however unusual, is left in peace."""

from __future__ import annotations

import cases_wiring as nets
import pytest
import torch
from cases_wiring import CASES, adam, made
from checks_cases import Case
from wiring_nets import CHECKS, HEALTHY, kinds, one, results


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_planted_fault_is_the_only_one_found_and_its_fixed_twin_is_silent(case: Case) -> None:
    sick, fixed = results(case.sick()), results(case.fixed())
    assert [finding.kind for result in sick.values() for finding in result.findings] == [case.kind]
    assert [finding.kind for finding in sick[case.check].findings] == [case.kind]
    assert [finding for result in fixed.values() for finding in result.findings] == []
    assert fixed[case.check].status == "passed"


def test_all_checks_together_are_quick_and_say_what_they_measured() -> None:
    for result in results(made(nets.mlp, optimizer=adam)()).values():
        assert result.status in ("passed", "skipped")
        assert result.status == "skipped" or (result.value and result.expected and result.measured)
    assert all(check.quick for check in CHECKS.values())


@pytest.mark.parametrize("name", HEALTHY)
def test_what_is_healthy_is_left_in_peace(name: str) -> None:
    for check, result in results(HEALTHY[name]()).items():
        assert (check, kinds(result)) == (check, [])
        assert "could not run" not in result.reason


def test_what_is_frozen_unused_or_stopped_is_listed_without_complaint() -> None:
    frozen = one(HEALTHY["a frozen encoder"](), "parameters-updated")
    assert frozen.measured["frozen"] == "encoder"
    assert "encoder" in frozen.value
    unused = one(HEALTHY["a head that is not used"](), "parameters-reached")
    assert unused.measured["unused"] == "spare"
    assert "spare" in unused.value
    assert (
        one(HEALTHY["an encoder without gradients"](), "parameters-reached").measured["stopped_on_purpose"] == "encoder"
    )
    assert (
        one(HEALTHY["experts that are never chosen"](), "parameters-reached").measured["unused"]
        == "experts.2, experts.3"
    )


def test_the_same_subject_gets_the_same_answer_and_nothing_of_it_changes() -> None:
    subject = made(lambda: nets.Language(lambda model: model.training), data=nets.tokens, loss=nets.next_token)()
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    first, second = results(subject), results(subject)
    for name, result in first.items():
        assert (result.findings, result.measured) == (second[name].findings, second[name].measured)
    assert all(torch.equal(value, subject.model.state_dict()[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in subject.model.parameters())
    assert subject.model.training
