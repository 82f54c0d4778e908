"""Image files to arrays of one size, one file after the other, with an account of what was done to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainwright.data.files import MOST_BYTES
from trainwright.data.imagefile import Picture, read_image
from trainwright.errors import DataError


class ImageReader:
    """Decodes files one after the other into arrays of one size, and keeps account of what was done to them."""

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size
        self.sha = hashlib.sha256()
        self.first: tuple[Path, Picture] | None = None
        self.sizes: set[tuple[int, int]] = set()
        self.grey = self.colour = self.opacity = self.deep = 0

    def read(self, split: str, paths: Sequence[Path]) -> np.ndarray:
        """Return the images of a split, one at least: uint8 `(n, channels, height, width)`.

        Raises `DataError` where a file is damaged, or of another size than the first of all.
        """
        x: np.ndarray | None = None
        for place, path in enumerate(paths):
            self.sha.update(f"{split}/{path.parent.name}/{path.name}|".encode())
            pixels = self._pixels(path)
            if x is None:
                x = _room(len(paths), pixels.shape)
            if len(pixels) > x.shape[1]:  # the first one in colour
                x = np.repeat(x, 3, axis=1)
            x[place] = pixels
        assert x is not None  # one at least
        return x

    def in_colour(self, x: np.ndarray) -> np.ndarray:
        """Return grey images as colour where other images have it."""
        return np.repeat(x, 3, axis=1) if self.colour and x.shape[1] == 1 else x

    def notes(self) -> list[str]:
        """Return what was done to the images, in sentences."""
        said = []
        sizes = sorted(self.sizes)
        if self.image_size and sizes != [(self.image_size, self.image_size)]:
            several = f"{len(sizes)} sizes, from {_by(sizes[0])} to {_by(sizes[-1])}," if len(sizes) > 1 else ""
            said.append(
                f"images of {several or _by(sizes[0])} pixels were scaled, and cropped in the middle, to "
                f"{self.image_size} x {self.image_size}"
            )
        if self.grey and self.colour:
            said.append(f"{self.grey:,} grey images were read as colour, like the {self.colour:,} others")
        if self.opacity:
            said.append(f"{self.opacity:,} images have an opacity, which was dropped")
        if self.deep:
            said.append(f"{self.deep:,} images have 16 bits a pixel, of which the upper 8 were kept")
        return said

    def _pixels(self, path: Path) -> np.ndarray:
        picture = read_image(path, image_size=self.image_size)
        self.first = self.first or (path, picture)
        if picture.pixels.shape[1:] != self.first[1].pixels.shape[1:]:
            raise DataError(
                "the images differ in size",
                evidence=f"{self.first[0]} has {_by(self.first[1].size)} pixels, {path} {_by(picture.size)}",
                remedy="set data.image_size, such as 64: images are then scaled and cropped to 64 x 64 pixels",
            )
        self.sha.update(picture.content)
        self.sizes.add(picture.size)
        self.grey += len(picture.pixels) == 1
        self.colour += len(picture.pixels) == 3
        self.opacity += picture.opacity
        self.deep += picture.deep
        return picture.pixels


def _room(count: int, shape: tuple[int, ...]) -> np.ndarray:
    size = count * 3 * shape[1] * shape[2]
    if size > MOST_BYTES:
        raise DataError(
            "the images are too large to be held in memory",
            evidence=f"{count:,} images of {shape[2]} x {shape[1]} pixels are {size:,} bytes",
            remedy="set data.image_size to a smaller size, or pass a DataLoader from Python",
        )
    return np.zeros((count, *shape), dtype=np.uint8)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
