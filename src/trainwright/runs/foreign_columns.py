"""Which column of a log is what: by the words in its name, as most people name them, and what else it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trainwright.errors import UsageError, did_you_mean
from trainwright.runs.foreign_table import split_of

ROLES: Mapping[str, str] = {
    "step": "the step",
    "epoch": "the epoch",
    "train_loss": "the training loss",
    "val_loss": "the validation loss",
    "lr": "the learning rate",
    "grad_norm": "the norm of the gradient",
    "train_accuracy": "the training accuracy",
    "val_accuracy": "the validation accuracy",
}
"""Role -> what it is called in a sentence."""
_OTHER_NAMES = {
    "loss": "train_loss",
    "training_loss": "train_loss",
    "validation_loss": "val_loss",
    "eval_loss": "val_loss",
    "test_loss": "val_loss",
    "rate": "lr",
    "learning_rate": "lr",
    "gradient_norm": "grad_norm",
    "iter": "step",
    "iteration": "step",
    "accuracy": "val_accuracy",
    "validation_accuracy": "val_accuracy",
    "val_acc": "val_accuracy",
    "train_acc": "train_accuracy",
}

_STEPS = (
    *("global step", "optimizer step", "trainer step", "step", "steps", "iteration", "iterations", "iter", "iters"),
    *("it", "itr", "n iter", "update", "updates", "num updates", "batch", "batches", "batch idx", "index", "round"),
)
"""From what counts all steps to what may begin again in each epoch."""
_EPOCHS = ("epoch", "epochs", "current epoch", "epoch num", "ep")
_LOSS = frozenset({"loss", "losses", "cost", "objective", "criterion"})
_LOSS_LIKE = frozenset({"nll", "bce", "ce", "crossentropy", "mse", "elbo"})
"""Losses as well as metrics: taken where nothing is called a loss."""
_NOISE = frozenset(
    {"epoch", "step", "avg", "average", "mean", "total", "running", "batch", "iter"}
    | {"per", "metrics", "metric", "overall", "log", "value"}
)
"""Words that do not make it another quantity."""
_PAIRS = frozenset({"generator", "discriminator", "critic", "actor", "policy", "disc", "gen", "adv", "adversarial"})
_REINFORCED = frozenset({"reward", "rewards", "return", "returns", "episode", "rew"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Role -> column, the remarks that say so, and why the loss is no single objective that should fall ("")."""

    roles: Mapping[str, str]
    remarks: tuple[str, ...]
    moving: str = ""


@dataclass(frozen=True, kw_only=True)
class _Column:
    name: str
    count: int
    words: tuple[str, ...]
    split: str | None
    extras: frozenset[str] = field(default_factory=frozenset)


def read_choice(given: Iterable[str]) -> dict[str, str]:
    """Return roles and columns of `role=column,role=column`; `role=` says that no column plays the role.

    Raises `UsageError` for a role that is not known.
    """
    chosen = {}
    for text in given:
        for part in re.split(r",(?=\s*\w+=)", text):
            role, equals, column = part.strip().partition("=")
            role = role.strip()
            role = role if role in ROLES else _OTHER_NAMES.get(role, role)
            if not equals or role not in ROLES:
                what = f"'{part.strip()}' says of no column what it is"
                remedy = did_you_mean(role, ROLES) if equals else "write for example --columns train_loss=loss,step=it"
                raise UsageError(what, remedy=remedy)
            chosen[role] = column.strip()
    return chosen


def recognised(counts: Mapping[str, int], chosen: Mapping[str, str]) -> Columns:
    """Say which of the columns (name -> filled cells) plays which role; `chosen` goes before.

    Raises `UsageError` where `chosen` names a column that is not there.
    """
    for column in filter(None, chosen.values()):
        if column not in counts:
            raise UsageError(f"the log has no column '{column}'", remedy=did_you_mean(column, counts))
    columns = [_described(name, count) for name, count in counts.items() if name not in chosen.values()]
    remarks: list[str] = []
    roles: dict[str, str] = {}

    def settle(role: str, ranked: Sequence[_Column]) -> None:
        if role in chosen:
            roles[role] = chosen[role]
        elif ranked:
            roles[role] = ranked[0].name
            others = [f"'{other.name}'" for other in ranked[1:] if other.extras != ranked[0].extras]
            more = f"; {', '.join(others[:3])} would do too: --columns {role}=..." if others else ""
            remarks.append(f"took '{ranked[0].name}' for {ROLES[role]}{more}")

    settle("step", _axis(columns, _STEPS))
    settle("epoch", _axis(columns, _EPOCHS))
    losses = _losses(columns)
    train = _ranked([column for column in losses if column.split in (None, "train")])
    settle("train_loss", train or _unnamed(columns, roles, losses))
    lead = next((column for column in train if column.name == roles.get("train_loss")), None)
    held = [column for column in losses if column.split == "validation"]
    held = held or [column for column in losses if column.split == "test"]
    settle("val_loss", _ranked(held, lead.extras if lead else frozenset()))
    settle("lr", _ranked([column for column in columns if _is_rate(column.words)]))
    settle("grad_norm", _ranked([column for column in columns if _is_norm(column.words)]))
    right = [column for column in columns if {"acc", "accuracy", "top1"} & set(column.words)]
    settle("train_accuracy", _ranked([column for column in right if column.split in (None, "train")]))
    held = [column for column in right if column.split == "validation"]
    settle("val_accuracy", _ranked(held or [column for column in right if column.split == "test"]))
    kept = {role: column for role, column in roles.items() if column}
    return Columns(
        roles=kept, remarks=tuple(remarks), moving="" if "train_loss" in chosen else _moving(columns, losses)
    )


def _described(name: str, count: int) -> _Column:
    words: list[str] = []
    for word in (found.lower() for found in _WORD.findall(name)):
        known = next((each for each in (*_LOSS, "acc", "accuracy") if word.endswith(each) and word != each), None)
        start = word.removesuffix(known) if known else ""
        words += [start, known] if known and split_of(start) else [word]  # trainloss, valacc
    split = next((found for word in words if (found := split_of(word))), None)
    extras = {word for word in words if not split_of(word)} - _LOSS - _NOISE - {"acc", "accuracy", "lr"}
    return _Column(name=name, count=count, words=tuple(words), split=split, extras=frozenset(extras))


def _ranked(columns: Sequence[_Column], like: frozenset[str] = frozenset()) -> list[_Column]:
    """Return what is closest to `like` (the plain name, or the words of the training loss) first, then the fullest."""
    return sorted(columns, key=lambda column: (len(column.extras ^ like), -column.count, column.split is None))


def _axis(columns: Sequence[_Column], names: Sequence[str]) -> list[_Column]:
    def rank(column: _Column) -> int:
        words = " ".join(word for word in column.words if not split_of(word))
        return names.index(words) if words in names else len(names)

    ranked = sorted((column for column in columns if rank(column) < len(names)), key=rank)
    return ranked[:1]


def _losses(columns: Sequence[_Column]) -> list[_Column]:
    named = [column for column in columns if _LOSS & set(column.words) and not _is_norm(column.words)]
    return named or [column for column in columns if _LOSS_LIKE & set(column.words)]


def _unnamed(columns: Sequence[_Column], roles: Mapping[str, str], losses: Sequence[_Column]) -> list[_Column]:
    """Return the one column that no name tells about, where nothing is called a loss: it must be what was logged."""
    taken = set(roles.values())
    rest = [column for column in columns if column.name not in taken and not {"time", "wall"} & set(column.words)]
    plain = all(column.words[:1] in (("column",), ("value",)) for column in rest)
    return rest if len(rest) == 1 and plain and not losses else []


def _is_rate(words: Sequence[str]) -> bool:
    return "lr" in words or {"learning", "rate"} <= set(words) or "learningrate" in words


def _is_norm(words: Sequence[str]) -> bool:
    return "gradnorm" in words or ("norm" in words and bool({"grad", "grads", "gradient", "gradients"} & set(words)))


def _moving(columns: Sequence[_Column], losses: Sequence[_Column]) -> str:
    """Say why the loss is not one that should fall, "" where nothing tells so."""
    in_losses = {word for column in losses for word in column.words}
    if in_losses & _PAIRS or {"d", "g"} <= in_losses:
        return "the losses are those of a pair that works against each other: they are meant to rise and fall"
    if any(_REINFORCED & set(column.words) for column in columns):
        return "the log counts rewards: the loss of reinforcement learning is no measure of progress"
    return ""
