"""Are all targets numbers: one that is NaN makes the loss of its batch NaN."""

from __future__ import annotations

import torch

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.inputs import tensors
from trainwright.checks.searching import BrokenPart, broken_parts, first_place, searched
from trainwright.checks.subject import Subject
from trainwright.doctor.kinds_targets import NON_FINITE_TARGETS
from trainwright.doctor.targets import REMEDY
from trainwright.records import Evidence, Finding
from trainwright.tensors import evaluating


def examine(subject: Subject) -> Answer:
    """Search the targets of training and validation; where no pass can be read, those of the batch."""
    targets = tensors(subject.y)
    if not targets:
        raise Skip("the targets are no tensors")
    found = broken_parts(subject, "y")
    if not found:
        bad = next((y for y in targets if not torch.isfinite(y).all()), None)
        found = [] if bad is None else [BrokenPart(before=0, values=bad, part="training")]
    if found and _masked(subject, found[0]):
        raise Skip("some targets are not finite, and the loss of the batch that holds them is: it leaves them out")
    samples, words = searched(subject)
    whole = all(not y.is_floating_point() and not y.is_complex() for y in targets)
    return Answer(
        findings=tuple(_finding(broken, first_place(subject, broken.part)) for broken in found),
        measured={"searched": samples, "whole_numbers": whole},
        value="not finite" if found else f"whole numbers; {words}" if whole else f"finite; {words}",
        expected="finite",
    )


def _masked(subject: Subject, broken: BrokenPart) -> bool:
    """Say whether the loss is finite on samples of the batch whose targets are not: then it masks them."""
    x, y = subject.x, subject.y
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
        return False
    bad = ~torch.isfinite(broken.values.reshape(len(broken.values), -1)).all(1)
    rows = torch.cat([broken.values[bad][: max(1, len(x) // 2)], broken.values])[: len(x)]
    if rows.shape[1:] != y.shape[1:]:
        return False
    try:
        with evaluating(subject.model), torch.no_grad():
            return bool(torch.isfinite(subject.value(x[: len(rows)], rows.to(y.device))).all())
    except Exception:  # a loss that cannot be computed is another check's finding
        return False


def _finding(broken: BrokenPart, place: str) -> Finding:
    values = broken.values
    wrong = ~torch.isfinite(values)
    first = int(wrong.reshape(len(values), -1).any(1).to(torch.uint8).argmax())
    name = f"targets that are not finite in a batch of {len(values)} samples of the {broken.part} data"
    return NON_FINITE_TARGETS.finding(
        evidence=(
            Evidence(name=name, value=int(wrong.sum()), threshold=0),
            Evidence(name=place, value=broken.before + first),
        ),
        remedies=(REMEDY,),
    )


CHECK = Check(
    name="targets-finite",
    question="are all targets numbers?",
    kinds=(NON_FINITE_TARGETS,),
    examine=examine,
    quick=True,
    seconds=0.5,
)
