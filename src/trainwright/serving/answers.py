"""What a network puts out, read as answers: a probability for each class or label, or values in the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainwright.errors import ModelError
from trainwright.records import Task
from trainwright.records.specs import Expects


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How outputs are read. `expects` is what the loss took them for.

    `mean` and `std` are those that each target column of a regression was standardised by, () where it was not.
    """

    task: Task
    expects: Expects
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return answers of outputs `(n, ...)`, on the CPU.

        Of a classification float32 `(n, classes)`, of tokens `(n, classes, length)`, rows summing to 1 over the
        classes; a single unit is the logit of the second of two. Of several labels `(n, labels)`, each a probability
        of its own. Of a regression float64 `(n, columns)`, in the user's units.
        """
        if not isinstance(output, torch.Tensor) or output.dim() == 0 or not output.is_floating_point():
            raise ModelError(
                "the network's output cannot be read",
                evidence=f"it is {tuple(output.shape)} of {output.dtype}"
                if isinstance(output, torch.Tensor)
                else f"it is a {type(output).__name__}",
                remedy="let it return one tensor of floating-point numbers, a row for each sample",
            )
        output = output.detach().cpu()
        if self.task == "regression":
            return self._values(output.reshape(len(output), -1).double())
        output = output.float()
        if self.task == "multi-label":
            return output.sigmoid()
        if output.dim() == 1 or output.shape[1] == 1:
            yes = output.reshape(-1).sigmoid()
            return torch.stack([1 - yes, yes], 1)
        if self.expects == "logits":
            return output.softmax(1)
        return output.exp() if self.expects == "log-probabilities" else output

    def _values(self, output: torch.Tensor) -> torch.Tensor:
        if not self.std:
            return output
        if output.shape[1] != len(self.std):
            raise ModelError(
                "the network has other outputs than the training data had targets",
                evidence=f"{output.shape[1]} outputs, {len(self.std)} target columns",
            )
        return output * torch.tensor(self.std, dtype=torch.float64) + torch.tensor(self.mean, dtype=torch.float64)


def chosen(answers: torch.Tensor, task: Task, classes: Sequence[str]) -> list[str]:
    """Return the name of the likeliest class of each row of `(n, classes)`; of labels, all above a half, with "|"."""
    if task == "multi-label":
        likely: list[list[bool]] = (answers > 0.5).tolist()
        return ["|".join(name for name, yes in zip(classes, row, strict=True) if yes) for row in likely]
    places: list[int] = answers.argmax(1).tolist()
    return [classes[place] for place in places]
