"""Changes of whole batches of images, each image by its own parameters: geometry, colour, erased rectangles.

Images are float `(N, channels, height, width)`, standardised as the network sees them, so that black is not 0: `fill`,
`(1, channels, 1, 1)` or `(1, 1, 1, 1)` of the images' kind, is what uncovered pixels are set to. Parameters are `(N,)`
on the CPU, float64, and each change moves to the images' device only what it needs there. Brightness and contrast are
not clamped, as libraries for images in [0, 1] do it: nobody knows any more where white was.
"""

from __future__ import annotations

import math

import torch

from trainwright.errors import UsageError

_ERASED_SHARE = (0.02, 0.33)  # of the image's area: Zhong et al. 2020, and 1/3 rather than 0.4 at the top
_ERASED_ASPECT = 0.3  # height over width lies between this and its inverse: Zhong et al. 2020


def require_kornia(name: str) -> None:
    """Raise `UsageError` where kornia is missing, which the change called `name` needs."""
    try:
        import kornia.geometry.transform  # noqa: F401  # half a second: only for those who use it
    except ImportError as problem:
        raise UsageError(
            f"augment.{name} needs kornia, which is not installed",
            evidence=str(problem),
            remedy='pip install "trainwright[images]", or leave it out',
        ) from None


def flip(images: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Mirror those images left to right of which `mirrored`, bool `(N,)`, says so."""
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def warp(images: torch.Tensor, degrees: torch.Tensor, zoom: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
    """Turn each image clockwise by `degrees` about its centre and magnify it by `zoom`, with bilinear interpolation."""
    from kornia.geometry.transform import get_affine_matrix2d, warp_affine

    count, _, height, width = images.shape
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(images)
    matrices = get_affine_matrix2d(
        translations=images.new_zeros(count, 2),
        center=centre.expand(count, 2),
        scale=zoom.to(images)[:, None].expand(count, 2),
        angle=degrees.to(images),
    )
    # Black is moved to 0 and back: pixels half outside then fade into black, too.
    moved = warp_affine(images - fill, matrices[:, :2], (height, width), padding_mode="zeros", align_corners=True)
    return moved + fill


def shift(images: torch.Tensor, down: torch.Tensor, right: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
    """Move each image by whole pixels, int64 `(N,)`; what leaves one side does not come back on the other."""
    _, channels, height, width = images.shape
    rows = torch.arange(height, device=images.device) - down.to(images.device)[:, None]
    columns = torch.arange(width, device=images.device) - right.to(images.device)[:, None]
    covered = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    moved = images.gather(2, rows[:, None, :, None].expand(-1, channels, -1, width))
    moved = moved.gather(3, columns[:, None, None, :].expand(-1, channels, height, -1))
    return torch.where(covered[:, None], moved, fill)


def brighten(images: torch.Tensor, factor: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
    """Multiply each image's distance from black by its `factor`."""
    return fill + (images - fill) * factor.to(images)[:, None, None, None]


def contrast(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Multiply each image's distance from its own mean, over all pixels and channels, by its `factor`."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * factor.to(images)[:, None, None, None]


def erase(images: torch.Tensor, erased: torch.Tensor, uniforms: torch.Tensor, fill: torch.Tensor) -> torch.Tensor:
    """Black out one rectangle in each image that `erased`, bool `(N,)`, names: `uniforms` `(N, 4)` choose it.

    Its area is between 2 and 33 % of the image, its height between 0.3 and 3.3 times its width, its place anywhere
    inside; a side that would be longer than the image is cut to it.
    """
    height, width = images.shape[2:]
    low, high = _ERASED_SHARE
    area = (low + (high - low) * uniforms[:, 0]) * height * width
    aspect = torch.exp((2 * uniforms[:, 1] - 1) * math.log(1 / _ERASED_ASPECT))
    tall = torch.sqrt(area * aspect).round().clamp(1, height).long()
    broad = torch.sqrt(area / aspect).round().clamp(1, width).long()
    tall, broad = tall * erased, broad * erased
    top = torch.floor(uniforms[:, 2] * (height - tall + 1)).long()
    left = torch.floor(uniforms[:, 3] * (width - broad + 1)).long()
    return torch.where(rectangles(top, top + tall, left, left + broad, images=images), fill, images)


def rectangles(
    top: torch.Tensor, bottom: torch.Tensor, left: torch.Tensor, right: torch.Tensor, *, images: torch.Tensor
) -> torch.Tensor:
    """Return bool `(N, 1, height, width)` on the images' device: true from `top` to above `bottom`, `left` to `right`.

    The bounds are int64 `(N,)`, of which `bottom` and `right` are the first pixels outside.
    """
    top, bottom, left, right = (bound.to(images.device)[:, None] for bound in (top, bottom, left, right))
    rows, columns = (torch.arange(side, device=images.device) for side in images.shape[2:])
    tall, broad = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return (tall[:, :, None] & broad[:, None, :])[:, None]
