"""Planted misfits of output, loss and targets, each with its fixed twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from checks_cases import Case
from torch import nn
from torch.nn import functional as F

from trainwright.checks.subject import Subject
from trainwright.randomness import isolated
from trainwright.stages.subject import subject_of

SAMPLES = 200
CLASSES = 4
CrossEntropy = nn.CrossEntropyLoss


class Finished(nn.Module):
    """A small net, and what `finish` makes of its output in the forward."""

    def __init__(self, outputs: int, finish: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.body = net(outputs)
        self.finish = finish

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(self.body(x))


class Maps(nn.Module):
    """A class for each pixel: `(N, 3, H, W)` to `(N, C, H, W)`."""

    def __init__(self, finish: Callable[[torch.Tensor], torch.Tensor] = lambda z: z, outputs: int = CLASSES) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, outputs, 3, padding=1)
        self.finish = finish

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(self.body(x))


class Tokens(nn.Module):
    """A tied language model: ids `(N, L)` to `(N, L, V)`, and what `finish` makes of that."""

    def __init__(
        self, finish: Callable[[torch.Tensor], torch.Tensor] = lambda z: z.transpose(1, 2), padding: int | None = None
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 8, padding_idx=padding)
        self.head = nn.Linear(8, 9, bias=False)
        self.head.weight = self.table.weight
        self.finish = finish

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.finish(self.head(self.table(x)))


def net(outputs: int = CLASSES, *tail: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, outputs), *tail)


def drawn() -> Mapping[str, torch.Tensor]:
    """Return inputs and targets of every form, always the same."""
    with isolated(7):
        classes = torch.randint(0, CLASSES, (SAMPLES,))
        tokens = torch.randint(1, 9, (SAMPLES, 7))
        padded = tokens.clone()
        padded[:, 5:] = 0
        return {
            "x": torch.randn(SAMPLES, 5),
            "unit": torch.rand(SAMPLES, 5),
            "classes": classes,
            "one_hot": F.one_hot(classes, CLASSES),
            "soft": torch.randn(SAMPLES, CLASSES).softmax(1),
            "several": (torch.rand(SAMPLES, CLASSES) < 0.5).float(),
            "yes": torch.randint(0, 2, (SAMPLES,)),
            "values": torch.randn(SAMPLES),
            "pictures": torch.randn(SAMPLES, 3, 6, 6),
            "masks": torch.randint(0, CLASSES, (SAMPLES, 6, 6)),
            "tokens": tokens,
            "following": tokens.roll(-1, 1),
            "padded": padded,
            "padded_following": torch.where(padded == 0, 0, tokens.roll(-1, 1)),
        }


D = drawn()
X, UNIT, IDS, SOFT, SEVERAL = D["x"], D["unit"], D["classes"], D["soft"], D["several"]
YES, VALUES, ONE_HOT = D["yes"], D["values"], D["one_hot"]

Setup = tuple[Callable[[], nn.Module], Any, torch.Tensor, torch.Tensor]
"""Model, loss, inputs, targets."""


def subject(setup: Setup) -> Subject:
    model, loss, x, y = setup
    with isolated(1):
        return subject_of(model(), loss, (x.clone(), y.clone()))


def case(name: str, kind: str, sick: Setup, fixed: Setup) -> Case:
    return Case(name=name, check="loss-fits", kind=kind, sick=lambda: subject(sick), fixed=lambda: subject(fixed))


def softmax_in_the_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.softmax(1), y)


def logits_in_the_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, y)


def by_hand(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -(F.log_softmax(output, 1) * F.one_hot(y, CLASSES)).sum(1).mean()


def flat(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output.flatten(0, 1), y.flatten())


def along_samples(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(F.log_softmax(output, 0), y)


def along_classes(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(F.log_softmax(output, 1), y)


def absolute(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.l1_loss(output, y)


def squared_of_column(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(output.squeeze(1), y)


def yes_of_column(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy(output[:, 0], y.float())


def sigmoid_again(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy(output.sigmoid(), y)


def probabilities(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy(output, y)


LOGITS: Setup = (net, CrossEntropy(), X, IDS)
SINGLE: Setup = (lambda: net(1), "bce_with_logits", X, YES)
NUMBER: Setup = (lambda: net(1), "mse", X, VALUES)
LABELS: Setup = (net, nn.BCEWithLogitsLoss(), X, SEVERAL)
SOFT_TARGETS: Setup = (lambda: net(4, nn.LogSoftmax(1)), "kl_div", X, SOFT)

SOFTMAX = "softmax-before-cross-entropy"
SIGMOID = "sigmoid-before-bce-with-logits"
NLL = "nll-without-log-softmax"
KL = "kl-div-input-not-log"
PAIRS = "loss-shape-broadcast"
DIMENSION = "softmax-wrong-dimension"
ONE_UNIT = "softmax-over-one-unit"
REACH = "relu-on-output"
DISTANCE = "regression-loss-for-classes"
SEVERAL_LABELS = "multi-label-with-softmax"
ENCODING = "labels-out-of-range"

CASES: list[Case] = [
    case("softmax module", SOFTMAX, (lambda: net(4, nn.Softmax(1)), CrossEntropy(), X, IDS), LOGITS),
    case("softmax in the user's loss", SOFTMAX, (net, softmax_in_the_loss, X, IDS), (net, logits_in_the_loss, X, IDS)),
    case("softmax, loss by hand", SOFTMAX, (lambda: net(4, nn.Softmax(1)), by_hand, X, IDS), (net, by_hand, X, IDS)),
    case(
        "softmax, soft labels of the catalogue's loss",
        SOFTMAX,
        (lambda: net(4, nn.Softmax(1)), "cross_entropy", X, SOFT),
        (net, "cross_entropy", X, SOFT),
    ),
    case(
        "probabilities by hand",
        SOFTMAX,
        (lambda: Finished(4, lambda z: z.exp() / z.exp().sum(1, keepdim=True)), CrossEntropy(), X, IDS),
        (lambda: Finished(4, lambda z: z.exp().log()), CrossEntropy(), X, IDS),
    ),
    case(
        "softmax of tokens, flattened",
        SOFTMAX,
        (lambda: Tokens(lambda z: z.softmax(-1)), flat, D["tokens"], D["following"]),
        (lambda: Tokens(lambda z: z), flat, D["tokens"], D["following"]),
    ),
    case("sigmoid module", SIGMOID, (lambda: net(1, nn.Sigmoid()), "bce_with_logits", X, YES), SINGLE),
    case(
        "sigmoid, several labels", SIGMOID, (lambda: net(4, nn.Sigmoid()), nn.BCEWithLogitsLoss(), X, SEVERAL), LABELS
    ),
    case(
        "sigmoid twice",
        SIGMOID,
        (lambda: net(4, nn.Sigmoid()), sigmoid_again, X, SEVERAL),
        (net, sigmoid_again, X, SEVERAL),
    ),
    case("nll of logits", NLL, (net, nn.NLLLoss(), X, IDS), (lambda: net(4, nn.LogSoftmax(1)), nn.NLLLoss(), X, IDS)),
    case(
        "nll of probabilities",
        NLL,
        (lambda: net(4, nn.Softmax(1)), "nll", X, IDS),
        (lambda: net(4, nn.LogSoftmax(1)), "nll", X, IDS),
    ),
    case("kl_div of logits", KL, (net, "kl_div", X, SOFT), SOFT_TARGETS),
    case(
        "kl_div of probabilities",
        KL,
        (lambda: net(4, nn.Softmax(1)), nn.KLDivLoss(reduction="batchmean"), X, SOFT),
        (lambda: net(4, nn.LogSoftmax(1)), nn.KLDivLoss(reduction="batchmean"), X, SOFT),
    ),
    case(
        "(N, 1) against (N,)",
        PAIRS,
        (lambda: net(1), nn.MSELoss(), X, VALUES),
        (lambda: net(1), nn.MSELoss(), X, VALUES[:, None]),
    ),
    case(
        "(N, 1) against (N,) in the user's loss",
        PAIRS,
        (lambda: net(1), absolute, X, VALUES),
        (lambda: net(1), absolute, X, VALUES[:, None]),
    ),
    case(
        "log_softmax over the samples",
        DIMENSION,
        (lambda: Finished(4, lambda z: F.log_softmax(z, 0)), nn.NLLLoss(), X, IDS),
        (lambda: Finished(4, lambda z: F.log_softmax(z, 1)), nn.NLLLoss(), X, IDS),
    ),
    case("over the samples, in the user's loss", DIMENSION, (net, along_samples, X, IDS), (net, along_classes, X, IDS)),
    case(
        "over the rows of a picture",
        DIMENSION,
        (lambda: Maps(lambda z: F.log_softmax(z, 2)), nn.NLLLoss(), D["pictures"], D["masks"]),
        (lambda: Maps(lambda z: F.log_softmax(z, 1)), nn.NLLLoss(), D["pictures"], D["masks"]),
    ),
    case(
        "softmax over one unit",
        ONE_UNIT,
        (lambda: net(1, nn.Softmax(1)), yes_of_column, X, YES),
        (lambda: net(1, nn.Sigmoid()), yes_of_column, X, YES),
    ),
    case("regression through softmax", ONE_UNIT, (lambda: net(1, nn.Softmax(1)), "mse", X, VALUES), NUMBER),
    case("relu under signed targets", REACH, (lambda: net(1, nn.ReLU()), "mse", X, VALUES), NUMBER),
    case(
        "sigmoid under large targets",
        REACH,
        (lambda: net(1, nn.Sigmoid()), squared_of_column, X, 100 * UNIT[:, 0]),
        (lambda: net(1, nn.Sigmoid()), squared_of_column, X, UNIT[:, 0]),
    ),
    case("relu into cross_entropy", REACH, (lambda: net(4, nn.ReLU()), CrossEntropy(), X, IDS), LOGITS),
    case("tanh into cross_entropy", REACH, (lambda: net(4, nn.Tanh()), CrossEntropy(), X, IDS), LOGITS),
    case("relu into bce_with_logits", REACH, (lambda: net(1, nn.ReLU()), "bce_with_logits", X, YES), SINGLE),
    case("squared error of class ids", DISTANCE, (lambda: net(1), "mse", X, IDS), (net, "cross_entropy", X, IDS)),
    case(
        "softmax against a column of ids",
        DISTANCE,
        (lambda: net(4, nn.Softmax(1)), nn.MSELoss(), X, IDS[:, None].float()),
        (lambda: net(4, nn.Softmax(1)), nn.MSELoss(), X, ONE_HOT.float()),
    ),
    case("several labels under cross_entropy", SEVERAL_LABELS, (net, "cross_entropy", X, SEVERAL), LABELS),
    case(
        "several labels under softmax",
        SEVERAL_LABELS,
        (lambda: net(4, nn.Softmax(1)), probabilities, X, SEVERAL),
        (lambda: net(4, nn.Sigmoid()), probabilities, X, SEVERAL),
    ),
    case("ids from 1", ENCODING, (net, CrossEntropy(), X, IDS + 1), LOGITS),
    case("ids over 255", ENCODING, (net, CrossEntropy(), X, IDS / 255), LOGITS),
    case("ids as floats", ENCODING, (net, "cross_entropy", X, IDS.float()), LOGITS),
    case("ids in a column", ENCODING, (net, CrossEntropy(), X, IDS[:, None]), LOGITS),
    case(
        "one-hot rows of whole numbers",
        ENCODING,
        (net, CrossEntropy(), X, ONE_HOT),
        (net, CrossEntropy(), X, ONE_HOT.float()),
    ),
    case("answers of -1 and 1", ENCODING, (lambda: net(1), "bce_with_logits", X, 2 * YES - 1), SINGLE),
    case("a mask over 255", ENCODING, (lambda: net(1), "bce_with_logits", X, YES / 255), SINGLE),
    case("one class alone", "constant-targets", (net, CrossEntropy(), X, IDS * 0 + 2), LOGITS),
    case("one value alone", "constant-targets", (lambda: net(1), "mse", X, VALUES * 0 + 0.7), NUMBER),
    case("nothing but -100", "no-valid-targets", (net, CrossEntropy(), X, IDS * 0 - 100), LOGITS),
    case(
        "padding that counts",
        "padding-counted-in-loss",
        (lambda: Tokens(padding=0), CrossEntropy(), D["padded"], D["padded_following"]),
        (lambda: Tokens(padding=0), CrossEntropy(ignore_index=0), D["padded"], D["padded_following"]),
    ),
    case("targets in the hundred thousands", "targets-not-scaled", (lambda: net(1), "mse", X, 1e5 * VALUES), NUMBER),
]
