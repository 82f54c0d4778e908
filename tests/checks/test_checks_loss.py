from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases_loss import (
    CASES,
    IDS,
    LABELS,
    LOGITS,
    NUMBER,
    ONE_HOT,
    SAMPLES,
    SEVERAL,
    SOFT,
    UNIT,
    VALUES,
    YES,
    D,
    Finished,
    Maps,
    Setup,
    Tokens,
    X,
    net,
    subject,
)
from cases_loss_more import CASES as MORE_CASES
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.loss_fits import CHECK
from trainwright.checks.run import run_check
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of


def result(setup: Setup) -> CheckResult:
    return run_check(subject(setup), CHECK)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_a_planted_misfit_is_named_alone_and_its_fixed_twin_is_left_alone(case: Case) -> None:
    sick, fixed = run_check(case.sick(), CHECK), run_check(case.fixed(), CHECK)
    assert [finding.kind for finding in sick.findings] == [case.kind]
    assert (fixed.status, fixed.findings) == ("passed", ())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_every_finding_holds_a_number_or_a_shape_a_reason_and_a_remedy(case: Case) -> None:
    (finding,) = run_check(case.sick(), CHECK).findings
    assert any(isinstance(item.value, int | float) or str(item.value)[:1] in "(01a" for item in finding.evidence)
    assert finding.because
    assert finding.remedies


def test_all_kinds_of_the_check_are_planted_somewhere() -> None:
    planted = [case for case in (*CASES, *MORE_CASES) if case.check == CHECK.name]
    assert {kind.kind for kind in CHECK.kinds} == {case.kind for case in planted}


class Deployed(nn.Module):
    """Logits in training, probabilities in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.body(x)
        return logits if self.training else logits.softmax(1)


class ScaledHead(nn.Module):
    """Answers in the units of its targets from the start."""

    def __init__(self) -> None:
        super().__init__()
        self.body = net(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1e4 + 3e4 * self.body(x)


def focal(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    log_p = F.log_softmax(output, 1)
    return F.nll_loss((1 - log_p.exp()) ** 2 * log_p, y)


def log_in_the_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(torch.log(output + 1e-8), y)


def contrast(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    similar = output @ output.t()
    return -(F.log_softmax(similar, 0).diag() + F.log_softmax(similar, 1).diag()).mean()


def distilled(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    teacher = SOFT[: len(y)]
    return F.cross_entropy(output, y) + F.kl_div(F.log_softmax(output / 2, 1), teacher, reduction="batchmean")


def masked(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (F.cross_entropy(output, y, reduction="none") * (y > 0)).mean()


def all_distances(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.l1_loss(output, y, reduction="none").amin(1).mean()


def untouched_targets(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(output, torch.full_like(output, 0.3))


COUNTS = (X[:, :1].exp() * 2).floor()
PART_IGNORED = torch.where(D["following"] < 3, -100, D["following"])
CONTROLS: dict[str, Setup] = {
    "log_softmax into cross_entropy": (lambda: net(4, nn.LogSoftmax(1)), nn.CrossEntropyLoss(), X, IDS),
    "softmax, the logarithm in the loss": (lambda: net(4, nn.Softmax(1)), log_in_the_loss, X, IDS),
    "log-probabilities by hand": (
        lambda: Finished(4, lambda z: z - z.logsumexp(1, keepdim=True)),
        nn.NLLLoss(),
        X,
        IDS,
    ),
    "nll under soft labels": (lambda: net(4, nn.LogSoftmax(1)), "nll", X, SOFT),
    "smoothing": (net, nn.CrossEntropyLoss(label_smoothing=0.1), X, IDS),
    "soft labels": (net, nn.CrossEntropyLoss(), X, SOFT),
    "class weights and -100": (
        Tokens,
        nn.CrossEntropyLoss(weight=torch.ones(9)),
        D["tokens"],
        PART_IGNORED,
    ),
    "a focal loss by hand": (net, focal, X, IDS),
    "the catalogue's focal loss": (net, "focal", X, IDS),
    "distillation": (net, distilled, X, IDS),
    "softmax in evaluation alone": (Deployed, nn.CrossEntropyLoss(), X, IDS),
    "counts from a relu": (lambda: net(1, nn.ReLU()), nn.MSELoss(), X, COUNTS),
    "counts": (lambda: net(1), nn.MSELoss(), X, COUNTS),
    "an autoencoder of values in [0, 1]": (lambda: net(5, nn.Sigmoid()), nn.MSELoss(), UNIT, UNIT),
    "bce on soft targets": (lambda: net(5), nn.BCEWithLogitsLoss(), UNIT, UNIT),
    "the squared error of a softmax against one-hot rows": (
        lambda: net(4, nn.Softmax(1)),
        nn.MSELoss(),
        X,
        ONE_HOT.float(),
    ),
    "tanh within its reach": (lambda: net(5, nn.Tanh()), nn.MSELoss(), X, X.tanh()),
    "logits clamped far out": (lambda: Finished(4, lambda z: z.clamp(-10, 10)), nn.CrossEntropyLoss(), X, IDS),
    "tanh, scaled": (lambda: Finished(4, lambda z: 10 * z.tanh()), nn.CrossEntropyLoss(), X, IDS),
    "a head of zeros": (lambda: Finished(1, lambda z: z * 0), "bce_with_logits", X, YES),
    "tokens, classes second": (Tokens, nn.CrossEntropyLoss(), D["tokens"], D["following"]),
    "padding that a mask leaves out": (lambda: Tokens(padding=0), masked, D["padded"], D["padded_following"]),
    "a class for each pixel": (Maps, nn.CrossEntropyLoss(), D["pictures"], D["masks"]),
    "pixels of 255 ignored": (
        Maps,
        nn.CrossEntropyLoss(ignore_index=255),
        D["pictures"],
        torch.where(D["masks"] == 3, 255, D["masks"]),
    ),
    "two classes": (lambda: net(2), nn.CrossEntropyLoss(), X, YES),
    "rare answers": (lambda: net(1), "bce_with_logits", X, (torch.arange(SAMPLES) % 50 == 0).long()),
    "no answer of yes among two hundred": (lambda: net(1), "bce_with_logits", X, torch.zeros(SAMPLES)),
    "grades from 1 to 4": (lambda: net(1), "mse", X, IDS + 1),
    "yes or no by least squares": (lambda: net(1), "mse", X, YES.float()),
    "a scaled head under large targets": (ScaledHead, "mse", X, 1e4 + 1e4 * VALUES),
    "every distance on purpose": (lambda: net(1), all_distances, X, VALUES[None, :].expand(SAMPLES, -1)),
    "targets that the loss does not use": (lambda: net(5), untouched_targets, X, torch.zeros(SAMPLES)),
    "in-batch contrast": (net, contrast, X, IDS),
}


@pytest.mark.parametrize("setup", CONTROLS.values(), ids=CONTROLS)
def test_a_healthy_control_is_left_alone(setup: Setup) -> None:
    found = result(setup)
    assert (found.status, found.findings) == ("passed", ())


def outer(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((output - y) ** 2).mean()


def density(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (output[:, 1] + ((output[:, 0] - y) / output[:, 1].exp()) ** 2 / 2).mean()


def energy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -output.mean()


@pytest.mark.parametrize("loss", [outer, density, energy])
def test_a_loss_without_a_loss_of_torch_s_own_is_not_judged_and_does_not_pass(loss: Callable[..., Any]) -> None:
    found = result((lambda: net(2), loss, X, VALUES[:, None] if loss is outer else VALUES))
    assert (found.status, found.findings) == ("skipped", ())
    assert "none of torch's own losses" in found.reason


def test_a_loss_that_fails_is_not_judged_and_says_why() -> None:
    def broken(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such thing\nand more")

    found = result((net, broken, X, IDS))
    assert found.status == "skipped"
    assert found.reason == "the loss cannot be computed: RuntimeError: no such thing"


def test_several_inputs_are_not_judged() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.body(a + b)

    found = run_check(subject_of(Both(), nn.CrossEntropyLoss(), ((X, X), IDS)), CHECK)
    assert found.status == "skipped"


def test_an_output_in_a_dict_is_judged_by_what_the_loss_takes_from_it() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net(4, nn.Softmax(1))

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.body(x)}

    def loss(output: dict[str, torch.Tensor], y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output["logits"], y)

    (finding,) = result((Named, loss, X, IDS)).findings
    assert finding.kind == "softmax-before-cross-entropy"


def test_a_model_without_a_graph_is_judged_by_its_values() -> None:
    class Frozen(nn.Module):
        def __init__(self, *tail: nn.Module) -> None:
            super().__init__()
            self.body = net(4, *tail)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return self.body(x)

    (finding,) = result((lambda: Frozen(nn.Softmax(1)), nn.CrossEntropyLoss(), X, IDS)).findings
    assert (finding.kind, finding.severity) == ("softmax-before-cross-entropy", "error")
    (finding,) = result((lambda: Frozen(nn.Sigmoid()), nn.BCEWithLogitsLoss(), X, SEVERAL)).findings
    assert (finding.kind, finding.severity) == ("sigmoid-before-bce-with-logits", "warning")
    assert not result((Frozen, nn.CrossEntropyLoss(), X, IDS)).findings


def test_the_table_shows_what_enters_the_loss_beside_what_is_due() -> None:
    found = result((lambda: net(4, nn.Softmax(1)), nn.CrossEntropyLoss(), X, IDS))
    assert found.value == "softmax (N, 4) into cross_entropy"
    assert found.expected == "logits, class ids"
    assert found.measured["losses"] == ["cross_entropy"]
    assert [result(setup).status for setup in (LOGITS, LABELS, NUMBER)] == ["passed"] * 3


def test_the_floor_of_double_sigmoids_and_softmaxes_is_in_the_evidence() -> None:
    (finding,) = result((lambda: net(4, nn.Softmax(1)), nn.CrossEntropyLoss(), X, IDS)).findings
    assert math.log(1 + 3 / math.e) == pytest.approx([item.value for item in finding.evidence][-1], abs=1e-4)
    (finding,) = result((lambda: net(1, nn.Sigmoid()), "bce_with_logits", X, YES)).findings
    assert [item.value for item in finding.evidence][-2:] == [0.693, 0.313]
