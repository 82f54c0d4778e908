"""Arrays to the numbers that a network reads: by channel or by feature, learnt from the training samples alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from trainwright.errors import DataError

CHANNELS = (1, 2, 3, 4)
"""Numbers of channels that an axis is taken for: grey, grey and opacity, colour, colour and opacity."""
_CHUNK_BYTES = 64 * 2**20  # of 64-bit numbers made at a time


@dataclass(frozen=True, kw_only=True)
class ArrayPlan:
    """How arrays become inputs: (value / scale - mean) / std, with everything learnt from the training samples.

    `shape` is that of one sample, channels first. `mean` and `std` hold one number for each place along `axis` of a
    sample. `pixels` says that the samples are images in bytes; then `image_size` is what they are scaled and cropped
    to, 0 for no change.
    """

    shape: tuple[int, ...]
    axis: int = 0
    scale: float = 1.0
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pixels: bool = False
    image_size: int = 0

    def apply(self, x: np.ndarray) -> torch.Tensor:
        """Return samples `(n, *shape)` as float32. A plan that changes nothing (mean 0, deviation 1) keeps them."""
        spread = [1] * (len(self.shape) + 1)
        spread[self.axis + 1] = -1
        mean, std = np.reshape(self.mean, spread), np.reshape(self.std, spread)
        if self.pixels:
            pixels = torch.from_numpy(np.ascontiguousarray(x)).to(torch.float32)
            low, unit = (torch.from_numpy((values * self.scale).astype(np.float32)) for values in (mean, std))
            return pixels.sub_(low).div_(unit)
        result = np.empty(x.shape, dtype=np.float32)
        for rows in _chunks(x):  # in float64, since a mean may be large beside the deviation
            result[rows] = (x[rows].astype(np.float64) / self.scale - mean) / std
        return torch.from_numpy(result)


def fit_pixels(images: np.ndarray, rows: np.ndarray, *, scale: float, image_size: int) -> tuple[ArrayPlan, list[str]]:
    """Learn mean and deviation of value / `scale` of every channel, over all pixels of `rows`, exactly.

    `images` are uint8 `(n, channels, height, width)`. Raises `DataError` where all pixels are the same; a channel in
    which they are is left at deviation 1, with a note.
    """
    counts = np.zeros((images.shape[1], 256))
    step = max(1, _CHUNK_BYTES // (8 * images.shape[2] * images.shape[3]))  # numpy makes eight bytes of each pixel
    for start in range(0, len(rows), step):
        some = images[rows[start : start + step]]
        for channel in range(len(counts)):
            counts[channel] += np.bincount(some[:, channel].reshape(-1), minlength=256)
    values = np.arange(256) / scale
    pixels = counts.sum(1)
    mean = counts @ values / pixels
    # Computed from the values that occur: equal pixels must give exactly 0.
    std = np.sqrt((counts * (values - mean[:, None]) ** 2).sum(1) / pixels)
    std[(counts > 0).sum(1) == 1] = 0.0
    if (std == 0).all():
        raise DataError(
            "all pixels of all training images are the same",
            evidence=f"value {', '.join(str(int(place)) for place in counts.argmax(1))}",
            remedy="check the images",
        )
    plan = ArrayPlan(
        shape=images.shape[1:],
        scale=scale,
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
        pixels=True,
        image_size=image_size,
    )
    flat = ", ".join(str(place) for place in np.flatnonzero(std == 0))
    return plan, [f"channel {flat} is the same in all training images"] if flat else []


def fit_features(x: np.ndarray, rows: np.ndarray, *, axis: int) -> tuple[ArrayPlan, list[str]]:
    """Learn mean and deviation at every place along `axis` of a sample, over `rows` and all other axes.

    A feature that does not vary keeps deviation 1, with a note: it becomes 0. Raises `DataError` where none varies.
    """
    others = tuple(place for place in range(x.ndim) if place != axis + 1)
    train = x[rows]
    low, high = train.min(axis=others).astype(np.float64), train.max(axis=others).astype(np.float64)
    count = train.size // len(low)
    spread = [1] * x.ndim
    spread[axis + 1] = -1
    sums = [part.sum(axis=others) for part in _each(train, low.reshape(spread))]
    mean = low + np.sum(sums, axis=0) / count  # from the smallest value up: exact where nothing varies
    width = np.where(high > low, high - low, 1.0)  # squares of shares of the range neither overflow nor vanish
    squares = [((part / width.reshape(spread)) ** 2).sum(axis=others) for part in _each(train, mean.reshape(spread))]
    std = np.where(high > low, width * np.sqrt(np.sum(squares, axis=0) / count), 0.0)
    if (std == 0).all():
        raise DataError(
            "all features are the same in every training sample",
            evidence=f"{len(rows)} samples of shape {x.shape[1:]}",
            remedy="check the array of inputs",
        )
    flat = int((std == 0).sum())
    plan = ArrayPlan(
        shape=x.shape[1:],
        axis=axis,
        mean=tuple(mean.tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
    )
    return plan, [f"{flat} of {len(std)} features are the same in every training sample"] if flat else []


def as_they_are(shape: tuple[int, ...], *, axis: int, pixels: bool, image_size: int = 0) -> ArrayPlan:
    """Return the plan that changes no number."""
    count = shape[axis]
    return ArrayPlan(
        shape=shape, axis=axis, mean=(0.0,) * count, std=(1.0,) * count, pixels=pixels, image_size=image_size
    )


def channels_first(x: np.ndarray) -> np.ndarray:
    """Return images `(n, height, width)`, `(n, channels, height, width)` or channels last as channels first.

    The first axis that can be channels (1 to 4 of them) is taken for them; where none can, x stays as it is.
    """
    if x.ndim == 3:
        return x[:, None]
    return np.moveaxis(x, 3, 1) if x.ndim == 4 and x.shape[1] not in CHANNELS and x.shape[3] in CHANNELS else x


def _chunks(x: np.ndarray) -> Iterator[slice]:
    step = max(1, _CHUNK_BYTES // max(1, 8 * (x.size // max(1, len(x)))))
    return (slice(start, start + step) for start in range(0, len(x), step))


def _each(x: np.ndarray, offset: np.ndarray) -> Iterator[np.ndarray]:
    """Yield x - offset in float64, some rows at a time."""
    return (x[rows].astype(np.float64) - offset for rows in _chunks(x))
