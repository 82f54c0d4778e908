"""A trained network with all that belongs to it: how its data were prepared, and what its outputs mean."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from trainwright.data.newdata import Piece, Remarks, pieces
from trainwright.data.newtext import text_of
from trainwright.data.preprocessing import Preprocessing, TextPlan
from trainwright.data.text import decode
from trainwright.data.text import encode as encode_text
from trainwright.errors import DataError, UsageError
from trainwright.parts.networks.transformer import generate
from trainwright.parts.outputs import Form
from trainwright.randomness import isolated
from trainwright.records import Task
from trainwright.serving.answers import answers_of
from trainwright.serving.scores import Loss, Scores
from trainwright.tensors import evaluating

BATCH = 512
"""Samples that go through the network at a time."""
MOST_CHARACTERS = 1_000_000
"""Characters that a text is made to go on by, at most: a book has as many, and a network takes hours for it."""


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
    there is to know before relying on it. With a `threshold`, of two classes, the second is predicted from that
    probability of it on, else the likelier one. `device` is where it computes.
    """

    model: nn.Module
    preprocessing: Preprocessing
    form: Form
    classes: tuple[str, ...]
    targets: tuple[str, ...] = ()
    loss: Loss | None = None
    notes: tuple[str, ...] = ()
    threshold: float | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def task(self) -> Task:
        """What is predicted: "classification", "multi-label" or "regression"."""
        return self.form.task

    def predict(self, data: Any) -> torch.Tensor:
        """Return what the network says of new data.

        `data` is a file, a folder of images, a mapping of columns, a data frame, or an array (`pieces` says which of
        them). Of a classification, probabilities `(n, classes)` in the order of `classes`, float32; of several labels
        a probability of each; of a regression, values `(n, targets)` in the user's units, float64. Of a text or a list
        of texts, the probability of each character to come next, `(n, classes)`: a `Path`, and a string that names a
        file that is there, stand for what is in the file; any other string is the text itself.

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
            yield Answers(piece=piece, values=answers_of(output, self.form), output=output)

    def scores(self) -> Scores:
        """Return an empty count of how well predictions agree with targets."""
        return Scores(self.task, self.loss, self.form.std)

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
        if not 0 <= temperature < math.inf:
            raise UsageError(
                "a temperature is a finite number from 0 on",
                evidence=f"it is {temperature}",
                remedy="0 takes the likeliest character; 0.5 to 1.5 draws ever more various ones",
            )
        if not 0 <= length <= MOST_CHARACTERS:
            raise UsageError(
                f"a text goes on by 0 to {MOST_CHARACTERS:,} characters",
                evidence=f"the length is {length}",
                remedy="ask for fewer, and go on from what came",
            )
        if not 0 <= seed < 2**63:
            raise UsageError(
                "a seed is a whole number from 0 to 2**63 - 1", evidence=f"it is {seed}", remedy="choose a smaller one"
            )
        if not prompt:
            raise DataError("a text cannot begin with nothing", remedy="give a prompt of one character at least")
        ids = encode_text(prompt, plan.characters).to(self.device)
        generator = torch.Generator().manual_seed(seed)
        made = generate(self.model, ids, length, temperature=temperature, generator=generator, context=plan.context)
        return decode(made.cpu(), plan.characters)

    def _next(self, data: Any) -> torch.Tensor:
        plan = self._text_plan()
        several = isinstance(data, Iterable) and not isinstance(data, str | os.PathLike)
        texts = [text_of(one) for one in data] if several else [text_of(data)]
        if not texts or not all(texts):
            raise DataError(
                "the data hold no text to go on from",
                evidence="an empty text" if texts else "an empty list",
                remedy="pass a text of one character at least, the path of one, or several",
            )
        rows = [self.outputs(encode_text(text[-plan.context :], plan.characters)[None])[:, :, -1] for text in texts]
        return answers_of(torch.cat(rows), self.form)

    def _text_plan(self) -> TextPlan:
        plan = self.preprocessing.plan
        if not isinstance(plan, TextPlan):
            raise UsageError(
                "only a model of texts can go on with one",
                evidence=f"this one was trained on {self.preprocessing.kind}",
                remedy="predict on data of the kind that it was trained on",
            )
        return plan
