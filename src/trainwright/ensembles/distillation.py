"""Several networks into one: it learns what they answer, softened by a temperature, and a share of the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch.nn import functional as F

from trainwright.data.batches import Batches
from trainwright.data.dataset import Split
from trainwright.data.feed import Batch, Feed
from trainwright.ensembles.answers import truth_of
from trainwright.ensembles.combine import combined
from trainwright.ensembles.network import Network, answer
from trainwright.errors import ModelError
from trainwright.parts.outputs import Form, scores_of
from trainwright.records.ensemble import Averaging

TEMPERATURE = 2.0
"""What softens both: at 1 a sure teacher says little more than the label does. Hinton et al. 2015 use 2 to 20."""
HARD = 0.1
"""Share of the labels in the loss; Hinton et al. 2015: "a considerably lower weight" than the teacher's."""

_LEAST = -1e4  # of a log-probability: minus infinity times nothing is no number

Teacher = Callable[[torch.Tensor], torch.Tensor]
"""From inputs `(N, ...)` to log-probabilities `(N, C)`."""


def teacher_of(networks: Sequence[Network], shares: torch.Tensor, form: Form, average: Averaging) -> Teacher:
    """Return what an ensemble answers. Raises `ModelError` where a sample has other than one question of classes."""
    if form.task != "classification":
        raise ModelError(
            f"what is distilled are probabilities of classes, and the task is {form.task}", remedy="leave distil out"
        )

    def teach(x: torch.Tensor) -> torch.Tensor:
        scores = torch.stack([scores_of(answer(network, x), form) for network in networks])
        if scores.shape[2] != 1:
            raise ModelError(
                "a network that answers several questions for each sample is not distilled",
                evidence=f"{scores.shape[2]} for each sample",
                remedy="leave distil out",
            )
        return combined(scores, shares, average).squeeze(1).float()

    return teach


class Distilling:
    """The loss (1 - h) T^2 KL(p_T || q_T) + h CE(q, label), a mean over samples.

    p_T and q_T are softmax(log p / T) of teacher and student; T^2 keeps the size of the gradient whatever T is. Targets
    are those of `taught`: `(N, C + 1)`, the teacher's log-probabilities and the label. Source: Hinton et al. 2015.
    """

    def __init__(self, form: Form, *, temperature: float = TEMPERATURE, hard: float = HARD) -> None:
        self.form = form
        self.temperature = temperature
        self.hard = hard

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of outputs `(N, ...)` against targets `(N, C + 1)`."""
        student = _differentiable(output, self.form)
        teacher, label = target[:, :-1], target[:, -1].long()
        t = self.temperature
        divergence = F.kl_div(
            torch.log_softmax(student / t, 1), torch.log_softmax(teacher / t, 1), reduction="batchmean", log_target=True
        )
        return (1 - self.hard) * t * t * divergence + self.hard * F.cross_entropy(student, label)


class Taught:
    """Batches of another feed with the teacher's answers beside the labels, computed for each batch as it comes."""

    def __init__(self, feed: Feed, teach: Teacher, form: Form) -> None:
        self._feed, self._teach, self._form = feed, teach, form
        self.samples, self.steps_per_epoch, self.batch_size = feed.samples, feed.steps_per_epoch, feed.batch_size

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        return (self._taught(x, y) for x, y in self._feed.epoch(epoch))

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield all samples in order."""
        return (self._taught(x, y) for x, y in self._feed.in_order(batch_size))

    def take(self, count: int) -> Batch:
        """Return some samples, the same at every call."""
        return self._taught(*self._feed.take(count))

    def _taught(self, x: torch.Tensor, y: torch.Tensor) -> Batch:
        answers = self._teach(x)
        label = truth_of(y, answers.shape[1], self._form)[:, :1].to(answers)
        return x, torch.cat([answers.clamp_min(_LEAST), label], 1)


def taught(feed: Feed, teach: Teacher, form: Form, *, once: bool) -> Feed:
    """Return batches whose targets are `(N, C + 1)`, the teacher's log-probabilities and the label.

    With `once` the teacher answers every sample once, before training: for data in memory that nothing changes or draws
    unevenly. Otherwise it answers each batch as it comes.
    """
    made = Taught(feed, teach, form)
    if not once or not isinstance(feed, Batches):
        return made
    parts = list(made.in_order())
    x, y = torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])
    split = Split(x=x, y=y, name="train", digest="")
    return Batches(split, batch_size=feed.batch_size, seed=feed.seed, device=feed.device)


def _differentiable(output: torch.Tensor, form: Form) -> torch.Tensor:
    if output.dim() > 1 and output.shape[1] > 1:
        return output.float().clamp_min(1e-30).log() if form.expects == "probabilities" else output.float()
    logit = output.float().reshape(-1, 1)
    if form.expects == "probabilities":
        return torch.cat([1 - logit, logit], 1).clamp_min(1e-30).log()
    return torch.cat([torch.zeros_like(logit), logit], 1)
