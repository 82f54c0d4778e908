"""What a network puts out, read as answers: a probability for each class or label, or values in the user's units."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainwright.errors import ModelError
from trainwright.parts.outputs import Form, scores_of
from trainwright.records import Task


def answers_of(output: torch.Tensor, form: Form) -> torch.Tensor:
    """Return answers of outputs `(n, ...)`, on the CPU.

    Of a classification float32 `(n, classes)`, of tokens `(n, classes, length)`, rows summing to 1 over the classes; a
    single unit is the logit of the second of two. Of several labels `(n, labels)`, each a probability of its own. Of a
    regression float64 `(n, columns)`, in the user's units. Raises `ModelError` for what is no such output.
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
    if form.std and form.task == "regression" and output.reshape(len(output), -1).shape[1] != len(form.std):
        raise ModelError(
            "the network has other outputs than the training data had targets",
            evidence=f"{output.reshape(len(output), -1).shape[1]} outputs, {len(form.std)} target columns",
        )
    scores = scores_of(output, form)
    if form.task == "regression":
        return scores.squeeze(1)
    likely = scores.softmax(-1)
    if form.task == "multi-label":
        return likely[..., 1]
    if output.dim() > 2:  # a question for each place
        return likely.movedim(-1, 1).reshape(len(output), -1, *output.shape[2:])
    return likely.squeeze(1)


def chosen(answers: torch.Tensor, task: Task, classes: Sequence[str], threshold: float | None = None) -> list[str]:
    """Return the name of the likeliest class of each row of `(n, classes)`; of labels, all above a half, with "|".

    With a threshold, of two classes, it is the second one from that probability of it on.
    """
    if task == "multi-label":
        likely: list[list[bool]] = (answers > 0.5).tolist()
        return ["|".join(name for name, yes in zip(classes, row, strict=True) if yes) for row in likely]
    if threshold is not None and answers.shape[1] == 2:
        return [classes[int(yes >= threshold)] for yes in answers[:, 1].tolist()]
    places: list[int] = answers.argmax(1).tolist()
    return [classes[place] for place in places]
