"""New rows to inputs, exactly as the training data were prepared, from what a run has kept of that alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.data.encode import encode
from trainwright.data.files import locate
from trainwright.data.idx import is_idx, read_idx
from trainwright.data.imagefile import read_image
from trainwright.data.preprocessing import Preprocessing, TablePlan, TokenPlan
from trainwright.data.rows import table_of_rows
from trainwright.data.scaling import CHANNELS, ArrayPlan
from trainwright.data.tablefile import open_table
from trainwright.data.tables import aligned, read_as
from trainwright.errors import DataError
from trainwright.tensors import to_tensor


def prepare_rows(preprocessing: Mapping[str, Any], rows: Any) -> torch.Tensor:
    """Return new rows as the network wants them: float32 `(n, *input_shape)`, of texts int64 `(n, length)`.

    `preprocessing` is that of the `Dataset`, as it is or read back from JSON; nothing else is needed. `rows` are, where
    the training data were

    - a table: a mapping of columns, a data frame, or the path of a CSV or Parquet file. The target may be missing, and
      other columns are passed over;
    - images: the path of an image file or of an IDX images file, a list of paths, or an array of whole numbers from 0
      to 255 `(n, height, width)` or `(n, channels, height, width)`, channels perhaps last;
    - arrays: an array of the same shape but for n;
    - a text: a text, or a list of texts of one length, of the characters of the training text;
    - tokens: an array of whole numbers `(n, length)`.

    Raises `DataError` where the rows do not fit what the training data were, or `preprocessing` is damaged, and
    `UsageError` where it is of a kind that has no rows.
    """
    return prepared(Preprocessing.of(preprocessing), rows)


def prepared(preprocessing: Preprocessing, rows: Any) -> torch.Tensor:
    """Return new rows as `prepare_rows` does."""
    plan = preprocessing.plan
    if isinstance(plan, TablePlan):
        return _table(plan, rows)
    if isinstance(plan, ArrayPlan):
        return plan.apply(pixels_of(plan, rows) if plan.pixels else features_of(plan, rows))
    if isinstance(plan, TokenPlan):
        return _token_ids(plan, rows)
    return _given(rows) if plan is None else _tokens(plan.characters, rows)


def _table(plan: TablePlan, rows: Any) -> torch.Tensor:
    if isinstance(rows, str | os.PathLike):
        path = locate(os.fspath(rows), folder=None, data_root=None)
        table = aligned(open_table(path), plan.names, plan.has_header, needed=plan.needed)
    else:
        table = table_of_rows(rows, plan.needed)
    return encode(plan.columns, read_as(plan.columns, table), np.arange(len(table.lines)))


def pixels_of(plan: ArrayPlan, rows: Any) -> np.ndarray:
    """Return images as uint8 `(n, *plan.shape)`; raises `DataError` where they do not fit."""
    if isinstance(rows, str | os.PathLike):
        path = locate(os.fspath(rows), folder=None, data_root=None)
        if path.is_file() and is_idx(path):
            return _fitting(plan, read_idx(path, dimensions=3))
        rows = [path]
    if isinstance(rows, list | tuple) and rows and all(isinstance(row, str | os.PathLike) for row in rows):
        return np.stack([image_of(plan, Path(row)) for row in rows])
    values = _array(rows)
    whole = (values >= 0) & (values <= 255) & (values == np.floor(values))
    if not whole.all():
        place = [int(index) for index in np.argwhere(~whole)[0]]
        raise DataError(
            "pixels must be whole numbers from 0 to 255, as they are stored",
            evidence=f"{values.dtype}, at {place} {values[tuple(place)]:g}",
            remedy="pass the images as they were before any scaling",
        )
    return _fitting(plan, values.astype(np.uint8))


def image_of(plan: ArrayPlan, path: Path) -> np.ndarray:
    """Return the pixels of an image file, uint8 `plan.shape`; raises `DataError` where it does not fit."""
    pixels = read_image(path, image_size=plan.image_size).pixels
    if len(pixels) > plan.shape[0]:
        raise DataError(
            f"{path} is in colour, but all training images were grey",
            evidence=f"{len(pixels)} channels, {plan.shape[0]} in training",
            remedy="store it in grey (Pillow: image.convert('L'))",
        )
    pixels = np.repeat(pixels, 3, axis=0) if len(pixels) == 1 and plan.shape[0] == 3 else pixels
    if pixels.shape != plan.shape:
        raise _other_shape(pixels.shape, plan.shape, str(path))
    return pixels


def features_of(plan: ArrayPlan, rows: Any) -> np.ndarray:
    """Return features `(n, *plan.shape)`; raises `DataError` where they do not fit, or are not finite."""
    values = _fitting(plan, _array(rows))
    if not np.isfinite(values).all():
        place = [int(index) for index in np.argwhere(~np.isfinite(values))[0]]
        raise DataError(
            "the rows hold values that are missing or infinite",
            evidence=f"at {place}: {values[tuple(place)]}",
            remedy="fill or remove them",
        )
    return values


def _given(rows: Any) -> torch.Tensor:
    x = to_tensor(rows, "rows")
    if x.ndim < 2 or x.is_complex():
        raise DataError(
            "the rows must be real numbers, one row for each sample",
            evidence=f"{x.dtype}, shape {tuple(x.shape)}",
            remedy="pass an array of the shape (n, ...)",
        )
    return x.to(torch.float32)


def _token_ids(plan: TokenPlan, rows: Any) -> torch.Tensor:
    values = _array(rows)
    if (
        values.ndim != 2
        or values.dtype.kind not in "iu"
        or (values.size and not 0 <= values.min() <= values.max() < plan.vocabulary)
    ):
        raise DataError(
            f"the rows are no windows of tokens from 0 to {plan.vocabulary - 1:,}",
            evidence=f"{values.dtype}, shape {values.shape}",
            remedy="pass whole numbers of the shape (n, length)",
        )
    return torch.from_numpy(values.astype(np.int64))


def _tokens(characters: str, rows: Any) -> torch.Tensor:
    from trainwright.data.text import encode as encode_text

    texts = [rows] if isinstance(rows, str) else rows
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise DataError(
            "the rows are neither a text nor a list of texts",
            evidence=type(rows).__name__ if not isinstance(rows, str) else "an empty text",
            remedy="pass a text, or several of one length",
        )
    ids = [encode_text(text, characters) for text in texts]
    if len({len(row) for row in ids}) > 1:
        raise DataError(
            "the texts differ in length",
            evidence=", ".join(str(len(row)) for row in ids[:8]) + " characters",
            remedy="pass texts of one length, or one at a time",
        )
    return torch.stack(ids)


def _array(rows: Any) -> np.ndarray:
    values = rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else None
    if values is None:
        try:
            values = np.asarray(rows)
        except ValueError:  # lists of different lengths
            values = np.empty(0, dtype=object)
    if values.dtype.kind not in "biuf":
        raise DataError(
            "the rows are no array of numbers",
            evidence=f"{type(rows).__name__} of {values.dtype}",
            remedy="pass an array of the shape of the training data, or the paths of image files",
        )
    return values


def _fitting(plan: ArrayPlan, x: np.ndarray) -> np.ndarray:
    """Return samples as `(n, *plan.shape)`; channels may be last, and grey images need no axis of channels."""
    if x.ndim == len(plan.shape) and plan.shape[0] == 1 and len(plan.shape) == 3:
        x = x[:, None]
    if x.ndim == 4 and x.shape[1:] != plan.shape and x.shape[3] in CHANNELS:
        x = np.moveaxis(x, 3, 1)
    if x.shape[1:] != plan.shape or len(x) == 0:
        raise _other_shape(x.shape, plan.shape, "the array of rows")
    return x


def _other_shape(found: tuple[int, ...], wanted: tuple[int, ...], where: str) -> DataError:
    return DataError(
        f"{where} does not have the shape of the training data",
        evidence=f"shape {found}; a sample in training had {wanted}",
        remedy="bring it to that shape; an array needs an axis of samples in front, and one sample at least",
    )
