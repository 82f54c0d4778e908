"""What holds for every kind of the catalogue: its code, its words, and what it explains."""

from __future__ import annotations

import re

import pytest

from trainwright.doctor import kinds
from trainwright.doctor.diagnose import RULES
from trainwright.doctor.kind import Kind
from trainwright.doctor.kinds import CATALOGUE, explain, find_kind
from trainwright.errors import UsageError
from trainwright.records.findings import SEVERITIES

PROMISED = {
    "TW101": ("non-finite-input", "error"),
    "TW102": ("inputs-not-normalised", "warning"),
    "TW201": ("labels-out-of-range", "error"),
    "TW202": ("constant-targets", "error"),
    "TW205": ("padding-counted-in-loss", "warning"),
    "TW206": ("targets-not-scaled", "note"),
    "TW207": ("next-token-not-shifted", "error"),
    "TW208": ("no-valid-targets", "error"),
    "TW209": ("non-finite-targets", "error"),
    "TW301": ("softmax-before-cross-entropy", "error"),
    "TW302": ("sigmoid-before-bce-with-logits", "error"),
    "TW303": ("nll-without-log-softmax", "error"),
    "TW304": ("kl-div-input-not-log", "error"),
    "TW305": ("loss-shape-broadcast", "error"),
    "TW306": ("softmax-wrong-dimension", "error"),
    "TW307": ("softmax-over-one-unit", "error"),
    "TW308": ("relu-on-output", "warning"),
    "TW309": ("regression-loss-for-classes", "warning"),
    "TW310": ("multi-label-with-softmax", "error"),
    "TW311": ("loss-detached", "error"),
    "TW315": ("loss-maximised", "error"),
    "TW402": ("dead-relu", "warning"),
    "TW601": ("learning-rate-too-high", "warning"),
    "TW602": ("learning-rate-too-low", "warning"),
    "TW607": ("plateau", "note"),
    "TW803": ("non-finite-loss", "error"),
    "TW901": ("overfitting", "warning"),
    "TW902": ("underfitting", "warning"),
}
"""What codes, kinds and severities others rely on; new ones may be added, none may change."""

KINDS = pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.kind)


@pytest.mark.parametrize("code", PROMISED)
def test_a_promised_code_keeps_its_kind_and_severity(code: str) -> None:
    kind = CATALOGUE[code]
    assert (kind.code, kind.kind, kind.severity) == (code, *PROMISED[code])


def test_the_catalogue_is_in_order_of_code_and_names_each_kind_once() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE)
    assert len({kind.kind for kind in CATALOGUE.values()}) == len(CATALOGUE)
    every = {id(value) for family in kinds._FAMILIES for value in vars(family).values() if isinstance(value, Kind)}
    assert len(every) == len(CATALOGUE)  # a code that is given twice would silently hide one of them


def test_every_rule_judges_a_kind_of_the_catalogue_and_no_other_does_by_the_same_facts() -> None:
    asked = [(rule.kind.code, rule.needs) for rule in RULES]
    assert len(set(asked)) == len(asked)
    assert all(CATALOGUE[rule.kind.code] is rule.kind for rule in RULES)


@KINDS
def test_a_kind_is_well_formed(kind: Kind) -> None:
    assert re.fullmatch(r"TW[1-9]\d\d", kind.code)
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", kind.kind)
    assert kind.severity in SEVERITIES
    assert kind.title[0].islower()
    assert not kind.title.endswith(".")
    assert all(text.endswith(".") for text in (kind.what, kind.hurts, kind.fix, kind.wrong_when))


@KINDS
def test_what_a_kind_explains_exists_and_is_not_itself(kind: Kind) -> None:
    known = {other.kind for other in CATALOGUE.values()}
    assert {*kind.causes, *kind.causes_as_error} <= known - {kind.kind}


@KINDS
def test_an_explanation_has_all_its_paragraphs(kind: Kind) -> None:
    for name in (kind.code, kind.kind, kind.code.lower(), kind.kind.upper()):
        paragraphs = explain(name).split("\n\n")
        assert paragraphs[0] == f"{kind.code}  {kind.kind}  ({kind.severity})\n{kind.title}"
        assert paragraphs[1] == kind.what
        assert paragraphs[2:-1] == [
            f"Why it hurts\n{kind.hurts}",
            f"How to fix it\n{kind.fix}",
            f"When the doctor is wrong\n{kind.wrong_when}",
        ]
        assert paragraphs[-1].startswith("How to silence it\n")


def test_a_diagnosis_that_does_not_exist_brings_up_the_nearest() -> None:
    with pytest.raises(UsageError, match="overfitting"):
        find_kind("overfiting")
