"""Texts by the character: each character is predicted from those before it.

The vocabulary is every character of the whole file, the held-out parts included. What that gives away is the number of
outputs and nothing else: no count, no order and no place of a held-out character. A vocabulary of the training part
alone would need a token for the unknown, and would then call a wrong guess among unseen characters right.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from trainwright.data.augmented import Batch
from trainwright.data.dataset import Dataset, Split, content_digest
from trainwright.data.files import read_all
from trainwright.data.preprocessing import Preprocessing, TextPlan
from trainwright.data.splits import check_fractions
from trainwright.errors import DataError, UsageError
from trainwright.randomness import derive, generator, permutation
from trainwright.records import DataShape

MOST_BYTES = 2**30
"""Largest text, decompressed: its tokens take eight times as much memory."""
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a]")  # no text holds these; a terminal's log has the escape character
_RESIDENT_BYTES = 4 * 2**30  # tokens up to this size are moved to an accelerator as a whole
_EVALUATION_TOKENS = 16_384  # in one evaluation batch, since a network keeps thousands of numbers for each
_NO_CHARACTER = np.uint32(0xFFFFFFFF)  # beyond Unicode
_SHOWN = 20  # characters that a note lists


def load_text(path: Path, *, context: int, validation: float, test: float, seed: int) -> Dataset:
    """Read a text file (UTF-8, gzipped or not) into windows of `context` characters.

    The text is divided where it stands: the first part trains, the next validates, the last tests, by the shares
    `validation` and `test` in [0, 1), 0 for none. Windows drawn at random would share sentences with those held out.
    The division is therefore no function of `seed`, which is taken because every loader takes one.

    `x` is int64 `(n, context)`, windows that follow one another, and `y` of the same shape the character after each;
    both are views of the part's tokens. What fills no window at the end of a part, fewer than `context` characters,
    stays out. Line ends \\r\\n and \\r become \\n, and a byte order mark is dropped. `preprocessing` holds the
    characters, for `encode` and `decode`.

    Raises `DataError` for a file that is empty, above 1 GiB, binary, not UTF-8, of one distinct character, or so short
    that a part holds less than one window, and `UsageError` where the settings make no sense.
    """
    check_fractions(validation, test)
    if context < 1:
        raise UsageError("a window holds at least one character", evidence=f"data.context = {context}")
    text, notes = _decoded(read_all(path, MOST_BYTES), path)
    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    present = np.zeros(sys.maxunicode + 1, dtype=bool)
    present[points] = True
    characters = "".join(map(chr, np.flatnonzero(present).tolist()))
    if len(characters) < 2:
        raise DataError(
            f"there is nothing to predict in {path}",
            evidence=f"all of its {len(text):,} characters are {text[0]!r}" if text else "no characters",
            remedy="give a text with at least two different characters",
        )
    tokens = torch.from_numpy((np.cumsum(present, dtype=np.int64) - 1)[points])
    ends = [math.floor(len(tokens) * share + 1e-6) for share in (1 - validation - test, 1 - test)]
    parts = {"train": tokens[: ends[0]]}
    if validation > 0:
        parts["validation"] = tokens[ends[0] : ends[1]]
    if test > 0:
        parts["test"] = tokens[ends[1] :]
    splits = {name: _split(name, part, context, path) for name, part in parts.items()}
    return Dataset(
        name=Path(path.name.removesuffix(".gz")).stem,
        shape=DataShape(
            input_shape=(context,), outputs=len(characters), task="classification", vocabulary=len(characters)
        ),
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits.get("test"),
        classes=tuple(characters),
        features=(),
        fingerprint=content_digest(points),
        preprocessing=Preprocessing(kind="text", plan=TextPlan(characters=characters, context=context)).plain(),
        notes=(*notes, *_unseen(parts, characters)),
    )


def encode(text: str, characters: str) -> torch.Tensor:
    """Return the ids of the characters of `text`: int64 `(len(text),)`, places in `characters`, which is in order.

    Raises `DataError` for a character that is not among them.
    """
    known, wanted = _points(characters), _points(text)
    places = np.searchsorted(known, wanted)
    strange = np.flatnonzero(np.append(known, _NO_CHARACTER)[places] != wanted)
    if len(strange):
        raise DataError(
            f"the character {text[strange[0]]!r} is not in the vocabulary",
            evidence=f"character {strange[0] + 1:,} of {len(text):,}; the vocabulary: {characters!r}",
            remedy="leave it out, or train on a text that has it",
        )
    return torch.from_numpy(places.astype(np.int64, copy=False))


def decode(ids: torch.Tensor | Sequence[int], characters: str) -> str:
    """Return the text of token ids `(length,)`, each from 0 to `len(characters)` - 1."""
    return "".join(characters[place] for place in (ids.tolist() if isinstance(ids, torch.Tensor) else ids))


class TextBatches:
    """The windows of a text's split in mini-batches, with the face of `Batches`: build it from the split itself.

    `samples` counts the windows, `steps_per_epoch` the batches, of which the last may be short. Each epoch cuts the
    text at other places: its windows begin at an offset below a window's length, a function of (seed, epoch), and end
    with the last window of the text, so that their number is the same in every epoch. Every batch is a copy.

    Raises `DataError` where the split does not hold the windows of one text as `load_text` cuts them.
    """

    def __init__(self, split: Split, *, batch_size: int, seed: int, device: torch.device | str = "cpu") -> None:
        if batch_size < 1:
            raise UsageError(
                "a batch must hold at least one sample",
                evidence=f"batch_size = {batch_size}",
                remedy="set train.batch_size to 1 or more",
            )
        tokens = _tokens(split)
        self.samples, self.context = split.x.shape
        self.batch_size = batch_size
        self.steps_per_epoch = -(-self.samples // batch_size)
        self.seed = seed
        self.device = torch.device(device)
        self._tokens = tokens.to(self.device) if tokens.nbytes <= _RESIDENT_BYTES else tokens
        self._last = len(tokens) - 1 - self.context  # where the last window begins

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch: its windows once each, in an order that is a function of (seed, epoch)."""
        offset = derive(self.seed, "offset", epoch) % self.context
        starts = (torch.arange(self.samples) * self.context + offset).clamp_(max=self._last)
        yield from map(self._cut, starts[permutation(self.seed, epoch, self.samples)].split(self.batch_size))

    def in_order(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Yield the windows of the split as they follow one another, for evaluation, by default in larger batches."""
        size = batch_size or max(self.batch_size, _EVALUATION_TOKENS // self.context)
        yield from map(self._cut, (torch.arange(self.samples) * self.context).split(size))

    def take(self, count: int) -> Batch:
        """Return `count` windows of the split (all where there are fewer): the same ones whenever it is called."""
        order = torch.randperm(self.samples, generator=generator(self.seed, "reference"))[:count]
        return self._cut(order * self.context)

    def _cut(self, starts: torch.Tensor) -> Batch:
        places = starts[:, None] + torch.arange(self.context + 1)
        window = self._tokens[places.to(self._tokens.device)].to(self.device)
        # Not .contiguous(), which of a single window makes no copy: x and y would share their memory.
        x, y = (part.clone(memory_format=torch.contiguous_format) for part in (window[:, :-1], window[:, 1:]))
        return x, y


def _tokens(split: Split) -> torch.Tensor:
    """Return the tokens that the windows of a split were cut from: `(n * context + 1,)`, a view where they are one."""
    x, y = split.x, split.y
    whole = x.ndim == 2 and x.shape == y.shape and x.numel() > 0 and x.dtype == y.dtype == torch.int64
    if not whole or not bool((x[:, 1:] == y[:, :-1]).all()) or not bool((x[1:, 0] == y[:-1, -1]).all()):
        raise DataError(
            f"the split '{split.name}' does not hold the windows of one text",
            evidence=f"x has the shape {tuple(x.shape)} and the type {x.dtype}, y {tuple(y.shape)} and {y.dtype}",
            remedy="pass a split of load_text, or the windows as (x, y)",
        )
    samples, context = x.shape
    if x.stride() == (context, 1) and y.data_ptr() == x.data_ptr() + x.element_size():
        return x.as_strided((samples * context + 1,), (1,))
    return torch.cat([x.reshape(-1), y[-1, -1:]])


def _split(name: str, part: torch.Tensor, context: int, path: Path) -> Split:
    if len(part) <= context:
        fits = len(part) - 1
        raise DataError(
            f"{path} is too short: its {name} part does not fill one window",
            evidence=f"{len(part):,} characters; a window of data.context = {context} takes {context + 1:,}",
            remedy=(f"data.context = {fits} at most, or " if fits > 0 else "")
            + ("a longer text" if name == "train" else f"another share for data.{name} (0 for none)"),
        )
    return Split(
        x=part[:-1].unfold(0, context, context),
        y=part[1:].unfold(0, context, context),
        name=name,
        digest=content_digest(part.numpy()),
    )


def _decoded(content: bytes, path: Path) -> tuple[str, list[str]]:
    binary = _CONTROL.search(content)
    if binary is not None:
        raise DataError(
            f"{path} is no text file",
            evidence=f"byte 0x{binary.group()[0]:02x} at offset {binary.start():,}",
            remedy="save it as plain text in UTF-8 (a file in UTF-16 must be converted too)",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line, byte = content.count(b"\n", 0, problem.start) + 1, content[problem.start]
        raise DataError(
            f"{path} is not in UTF-8",
            evidence=f"line {line} holds the byte 0x{byte:02x}",
            remedy=f"convert it, such as: iconv -f WINDOWS-1252 -t UTF-8 {path.name}",
        ) from None
    if "\r" not in text:
        return text, []
    return text.replace("\r\n", "\n").replace("\r", "\n"), [f"{path.name}: the line ends \\r\\n were read as \\n"]


def _unseen(parts: dict[str, torch.Tensor], characters: str) -> Iterator[str]:
    """Yield a note for each held-out part with characters that training never shows."""
    counts = {name: np.bincount(part.numpy(), minlength=len(characters)) for name, part in parts.items()}
    for name, own in counts.items():
        strange = np.flatnonzero((own > 0) & (counts["train"] == 0))
        if len(strange):
            shown = "".join(characters[place] for place in strange[:_SHOWN])
            yield (
                f"{len(strange)} characters of the {name} part never occur in the training part, "
                f"{int(own[strange].sum()):,} times in all: {shown!r}"
            )


def _points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
