"""One image file to bytes: upright, in grey or in colour, through Pillow."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from trainwright.data.files import read_all
from trainwright.errors import DataError, UsageError

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""Endings of image files, in lower case."""
LARGEST_SIDE = 4096
"""Pixels that an image may be scaled to, at most."""
# Looked for by content, whatever a file is called. Others could start programs, as PostScript starts Ghostscript.
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM")
_ADDRESS = re.compile(r" <[\w.]+ object at 0x[0-9a-f]+>")  # Pillow names what it read, which was never a file's name
_GREY = ("1", "L", "LA", "La")
_MOST_BYTES = 2**28  # of one file: as many as the largest image that Pillow decodes has, uncompressed


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded image: uint8 `(channels, height, width)`, one channel for grey and three for colour.

    `content` is the file's, `size` (width, height) before any scaling. `opacity` says that there was an opacity, which
    was dropped, and `deep` that there were more than eight bits a channel, which were reduced to the upper eight.
    """

    pixels: np.ndarray
    content: bytes
    size: tuple[int, int]
    opacity: bool = False
    deep: bool = False


def check_image_size(size: int) -> None:
    """Raise `UsageError` unless `size` is 0, for no scaling, or a number of pixels."""
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= LARGEST_SIDE:
        raise UsageError(
            f"data.image_size must be a whole number of pixels, at most {LARGEST_SIDE}",
            evidence=f"data.image_size = {size!r}",
            remedy="set it to a size such as 64, or to 0 for images that have one size",
        )


def pillow() -> ModuleType:
    """Return Pillow's `PIL.Image`. Raises `UsageError` where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise UsageError(
            "image files need Pillow, which is not installed", remedy="pip install trainwright[images]"
        ) from None
    return Image


def read_image(path: Path, *, image_size: int = 0) -> Picture:
    """Read an image upright, as its EXIF orientation says; of an animation, its first frame.

    With `image_size`, the image is scaled until its shorter side has so many pixels, and the middle square is kept.
    Raises `DataError`, naming the file, where it is damaged or no image, and `UsageError` where Pillow is missing.
    """
    module = pillow()
    content = read_all(path, _MOST_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; the pixels are what counts
            warnings.simplefilter("error", module.DecompressionBombWarning)
            with module.open(io.BytesIO(content), formats=_FORMATS) as image:
                return _decode(image, content, image_size)
    except Exception as problem:  # a damaged file can make a decoder fail in any way
        words = str(problem).strip().splitlines()
        raise DataError(
            f"{path} is a damaged image, or of an unknown kind",
            evidence=f"{type(problem).__name__}: {_ADDRESS.sub('', words[0][:200]) if words else ''}",
            remedy="copy or download it again, or remove it",
        ) from None


def _decode(image: Image.Image, content: bytes, image_size: int) -> Picture:
    from PIL import ImageOps

    image.load()
    opacity = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    deep = image.mode.startswith("I") or image.mode == "F"
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range nobody knows")
    if deep:  # Pillow's own conversion would clip at 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its pixels have more than 16 bits")
        image = _with_orientation(image, (values >> 8).astype(np.uint8))
    image = ImageOps.exif_transpose(image)
    size = image.size
    grey = deep or image.mode in _GREY
    image = image.convert("L" if grey else "RGB")
    if image_size:
        image = ImageOps.fit(image, (image_size, image_size))
    pixels = np.asarray(image)
    pixels = pixels[None] if grey else np.moveaxis(pixels, 2, 0)
    return Picture(pixels=pixels, content=content, size=size, opacity=opacity, deep=deep)


def _with_orientation(image: Image.Image, pixels: np.ndarray) -> Image.Image:
    """Return other pixels as an image with the orientation of the first."""
    from PIL import Image

    orientation, other = image.getexif().get(274), Image.fromarray(pixels)
    if orientation is not None:
        other.getexif()[274] = orientation
    return other
