"""A trained network with all that belongs to it: how its data were prepared, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.data.newdata import Piece, Remarks, pieces
from trainwright.data.preprocessing import Preprocessing, TextPlan
from trainwright.data.text import decode
from trainwright.data.text import encode as encode_text
from trainwright.errors import DataError, UsageError
from trainwright.parts.networks.transformer import generate
from trainwright.randomness import isolated
from trainwright.records import Task
from trainwright.serving.answers import Reading
from trainwright.serving.scores import Loss, Scores
from trainwright.tensors import evaluating

BATCH = 512
"""Samples that go through the network at a time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What the network says of a piece of new data. `values` are as `Model.predict` gives them, of the piece alone."""

    piece: Piece
    values: torch.Tensor
    output: torch.Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A trained network, ready for new data.

    `model` is the network in evaluation mode, `classes` the names in the order of its probabilities, of labels in the
    order of theirs, and of a text its characters; () for quantities, whose columns are `targets`. `notes` say what
    there is to know before relying on it. `device` is where it computes.
    """

    model: nn.Module
    preprocessing: Preprocessing
    reading: Reading
    classes: tuple[str, ...]
    targets: tuple[str, ...] = ()
    loss: Loss | None = None
    notes: tuple[str, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def task(self) -> Task:
        """What is predicted: "classification", "multi-label" or "regression"."""
        return self.reading.task

    def predict(self, data: Any) -> torch.Tensor:
        """Return what the network says of new data.

        `data` is a file, a folder of images, a mapping of columns, a data frame, or an array (`pieces` says which of
        them). Of a classification, probabilities `(n, classes)` in the order of `classes`, float32; of several labels
        a probability of each; of a regression, values `(n, targets)` in the user's units, float64. Of a text or a list
        of texts, the probability of each character to come next, `(n, classes)`.

        Raises `DataError` where the data do not fit what the network was trained on. What can be read and is new to
        it, such as a category, is taken as in training; `answers` tells.
        """
        if isinstance(self.preprocessing.plan, TextPlan):
            return self._next(data)
        found = [answers.values for answers in self.answers(data, Remarks())]
        if not found:
            raise DataError("there are no samples to predict", remedy="give one sample at least")
        return torch.cat(found)

    def answers(self, data: Any, remarks: Remarks, *, keep: Sequence[str] = ()) -> Iterator[Answers]:
        """Yield what the network says, a piece of `data` at a time; `remarks` gains what there is to say of them."""
        for piece in pieces(self.preprocessing, data, remarks, keep=keep):
            output = self.outputs(piece.x)
            yield Answers(piece=piece, values=self.reading(output), output=output)

    def scores(self) -> Scores:
        """Return an empty count of how well predictions agree with targets."""
        return Scores(self.task, self.loss, self.reading.std)

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's own outputs for inputs `(n, *input_shape)`, on the CPU."""
        with isolated(), evaluating(self.model), torch.no_grad():
            return torch.cat([self.model(some.to(self.device)).cpu() for some in x.split(BATCH)])

    def generate(self, prompt: str, length: int = 200, *, temperature: float = 1.0, seed: int = 0) -> str:
        """Return `prompt` followed by `length` more characters, each drawn by its probability.

        With a temperature of 0 each is the likeliest one; above 1 they are more various than the training text, below
        it less. The same seed gives the same text. Raises `UsageError` where the model is none of texts, and
        `DataError` for a prompt that is empty or holds a character that the training text did not.
        """
        plan = self._text_plan()
        if not prompt:
            raise DataError("a text cannot begin with nothing", remedy="give a prompt of one character at least")
        ids = encode_text(prompt, plan.characters).to(self.device)
        generator = torch.Generator().manual_seed(seed)
        made = generate(self.model, ids, length, temperature=temperature, generator=generator, context=plan.context)
        return decode(made.cpu(), plan.characters)

    def _next(self, data: Any) -> torch.Tensor:
        plan = self._text_plan()
        texts = [data] if isinstance(data, str) else list(data)
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise DataError(
                "the data are neither a text nor a list of texts",
                evidence=type(data).__name__ if not isinstance(data, str) else "an empty text",
                remedy="pass a text, or several; to score a text file, use trainwright predict",
            )
        rows = [self.outputs(encode_text(text[-plan.context :], plan.characters)[None])[:, :, -1] for text in texts]
        return self.reading(torch.cat(rows))

    def _text_plan(self) -> TextPlan:
        plan = self.preprocessing.plan
        if not isinstance(plan, TextPlan):
            raise UsageError(
                "only a model of texts can go on with one",
                evidence=f"this one was trained on {self.preprocessing.kind}",
                remedy="predict on data of the kind that it was trained on",
            )
        return plan
