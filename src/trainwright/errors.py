"""What can go wrong by the user's hand: every error says what happened, the evidence, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

EXIT_FAILED = 1
"""Exit status: it could not be done."""
EXIT_LOST = 76
"""Exit status of one of several processes that has nothing to say but that another one is gone."""
EXIT_USAGE = 2
"""Exit status: wrong usage, or a malformed recipe."""
EXIT_UNHEALTHY = 3
"""Exit status: done, and at least one finding of severity error."""


_TOLD = 60  # problems of one recipe that are written out


class TrainwrightError(Exception):
    """The root of all errors that trainwright raises on purpose.

    `what` is one sentence on what happened, `evidence` the facts that prove it (file, line, value), `remedy` what to
    do next. `str(error)` holds all three, one on each line.
    """

    exit_status = EXIT_FAILED

    def __init__(self, what: str, *, evidence: str = "", remedy: str = "") -> None:
        self.what = what
        self.evidence = evidence
        self.remedy = remedy
        lines = [what]
        if evidence:
            lines.append(f"  evidence: {evidence}")
        if remedy:
            lines.append(f"  remedy:   {remedy}")
        super().__init__("\n".join(lines))


class UsageError(TrainwrightError):
    """A command or function was called with something it does not know."""

    exit_status = EXIT_USAGE


class RecipeError(TrainwrightError):
    """A recipe is malformed. Holds all its problems, not the first alone."""

    exit_status = EXIT_USAGE

    def __init__(self, problems: Sequence[str], *, source: str = "the recipe") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{source} has {'a problem' if count == 1 else f'{count} problems'}"
        lines = [f"  {problem}" for problem in self.problems[:_TOLD]]
        if count > _TOLD:
            lines.append(f"  ... and {count - _TOLD:,} more")
        super().__init__("\n".join([f"{head}:", *lines]))


class DataError(TrainwrightError):
    """The data cannot be read, or cannot be trained on."""


class RunError(TrainwrightError):
    """A run folder cannot be written or read."""


class ModelError(TrainwrightError):
    """The model cannot be built, or does not fit the data."""


class SaidElsewhere(TrainwrightError):
    """This process ends because another one of the same training does, which says why: one message is enough."""


class PeerLost(SaidElsewhere):
    """Another process of the same training is gone, without a word."""

    exit_status = EXIT_LOST


_OTHER_NAMES = {
    "learning_rate": "lr",
    "wd": "weight_decay",
    "decay": "weight_decay",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "criterion": "loss",
    "loss_fn": "loss",
    "optim": "optimizer",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "n_epochs": "epochs",
    "early_stopping": "patience",
    "grad_clip": "clip_norm",
    "max_grad_norm": "clip_norm",
    "random_state": "seed",
    "hidden": "width",
    "hidden_size": "width",
    "layers": "depth",
    "num_layers": "depth",
    "normalize": "normalise",
}
"""What others call it -> what it is called here: no spelling comes near."""


def other_name(name: str) -> str | None:
    """Return what is called here what others call `name`, None where nothing is known of it."""
    return _OTHER_NAMES.get(name.lower().replace("-", "_"))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the entry of `known` that `name` was most likely meant to be, or None where nothing is close."""
    known = list(known)
    other = other_name(name)
    if other in known:
        return other
    candidates = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower().replace("-", "_"), candidates, n=1, cutoff=0.6)
    return candidates[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence that helps someone who misspelt `name`: the nearest spelling, or all of them."""
    known = list(known)
    guess = nearest(name, known)
    if guess is not None:
        return f"did you mean '{guess}'?"
    return f"known: {', '.join(known)}"


def first_line(problem: BaseException) -> str:
    """Return the first line of what an exception says, at most 200 characters; its class where it says nothing."""
    lines = str(problem).strip().splitlines()
    return lines[0][:200] if lines else type(problem).__name__
