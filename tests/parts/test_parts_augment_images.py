from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform

from trainwright.parts import augment_images
from trainwright.parts.augment import Augment

BLACK = -1.25


def black(value: float = BLACK, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype).reshape(1, 1, 1, 1)


def changed(images: torch.Tensor, *, epoch: int = 0, fill: float = BLACK, **strengths: float) -> torch.Tensor:
    augment = Augment(strengths, seed=0, task="classification", outputs=10, fill=fill)
    labels = torch.zeros(len(images), dtype=torch.long)
    return augment(images, labels, epoch=epoch, indices=torch.arange(len(images)))[0]


def as_double(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def spot(count: int, row: int, column: int, *, height: int = 9, width: int = 11) -> torch.Tensor:
    """Black images with one pixel of 5 in each."""
    images = torch.full((count, 1, height, width), BLACK)
    images[:, :, row, column] = 5.0
    return images


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_mirrored_image_has_its_left_on_the_right() -> None:
    images = noise(4, 3, 5, 6)
    result = changed(images, flip=1.0)
    for column in range(6):
        assert torch.equal(result[..., column], images[..., 5 - column])


def test_as_many_images_are_mirrored_as_the_probability_says() -> None:
    result = changed(spot(4000, 2, 1), flip=0.3)
    mirrored, kept = result[:, 0, 2, 9] == 5.0, result[:, 0, 2, 1] == 5.0
    assert torch.equal(mirrored, ~kept)
    assert abs(float(mirrored.double().mean()) - 0.3) < 4 * math.sqrt(0.21 / 4000)


def test_a_pixel_lands_where_the_image_was_moved() -> None:
    down, right = torch.tensor([0, 2, -3, 8, 0]), torch.tensor([0, -1, 4, 0, -5])
    moved = augment_images.shift(spot(5, 3, 4), down, right, black(dtype=torch.float32))
    expected = torch.full((5, 1, 9, 11), BLACK)
    for image, (row, column) in enumerate([(3, 4), (5, 3), (0, 8)]):
        expected[image, 0, row, column] = 5.0
    assert torch.equal(moved, expected)  # the last two have lost their pixel below, and to the left


def test_what_is_uncovered_by_a_move_is_black_in_every_channel() -> None:
    fill = torch.tensor([-1.0, -2.0]).reshape(1, 2, 1, 1)
    moved = augment_images.shift(torch.ones(1, 2, 4, 4), torch.tensor([1]), torch.tensor([-2]), fill)
    assert (moved[0, 0, 0] == -1.0).all()
    assert (moved[0, 1, :, 2:] == -2.0).all()
    assert (moved[0, :, 1:, :2] == 1.0).all()


def test_every_move_within_reach_is_equally_likely() -> None:
    result = changed(spot(5000, 4, 5), shift=2)
    places = result[:, 0].flatten(1).argmax(1)
    rows, columns = places // 11 - 4, places % 11 - 5
    counts = torch.bincount((rows + 2) * 5 + columns + 2, minlength=25).double()
    assert int(rows.abs().max()) == int(columns.abs().max()) == 2
    # Chi-square with 24 degrees of freedom: above 51.2 with probability 0.001.
    assert float(((counts - 200) ** 2 / 200).sum()) < 51.2


def warped(images: torch.Tensor, degrees: float, zoom: float, fill: float) -> np.ndarray:
    """Return what scipy makes of the turn: it asks for each pixel where it comes from."""
    angle = math.radians(degrees)
    # Rows and columns, rows pointing down: a clockwise turn takes (1, 0), one down, to the left.
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) * zoom
    back = np.linalg.inv(turn)
    centre = (np.array(images.shape[-2:]) - 1) / 2
    start: Any = centre - back @ centre
    return np.stack(
        [
            [
                affine_transform(channel, back, start, order=1, mode="grid-constant", cval=fill)
                for channel in image.numpy()
            ]
            for image in images
        ]
    )


@settings(max_examples=20, deadline=None)
@given(
    degrees=st.lists(st.floats(-180, 180), min_size=3, max_size=3),
    zooms=st.lists(st.floats(0.5, 2), min_size=3, max_size=3),
    fill=st.floats(-3, 3),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
)
def test_a_turned_and_magnified_image_is_what_scipy_makes_of_it(
    degrees: list[float], zooms: list[float], fill: float, height: int, width: int
) -> None:
    images = noise(3, 2, height, width)
    result = augment_images.warp(images, as_double(degrees), as_double(zooms), black(fill))
    for image in range(3):
        expected = warped(images[image : image + 1], degrees[image], zooms[image], fill)
        np.testing.assert_allclose(result[image : image + 1].numpy(), expected, atol=1e-9)


def test_a_quarter_turn_is_clockwise_and_exact() -> None:
    images = noise(2, 1, 6, 6)
    ones = torch.ones(2, dtype=torch.float64)
    result = augment_images.warp(images, 90 * ones, ones, black())
    torch.testing.assert_close(result, torch.rot90(images, -1, (2, 3)), atol=1e-12, rtol=0)


def test_angles_and_zooms_stay_within_their_strength_and_reach_it() -> None:
    # A pixel 4 to the right of the centre of an image of 21 x 21: where its mass goes tells the angle and the zoom.
    images = torch.zeros(800, 1, 21, 21)
    images[:, :, 9:12, 15:18] = 1.0
    grid = torch.arange(21.0) - 10

    def polar(result: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mass = result[:, 0] / result[:, 0].sum(dim=(1, 2), keepdim=True)
        down, right = (mass.sum(2) * grid).sum(1), (mass.sum(1) * grid).sum(1)
        return torch.rad2deg(torch.atan2(down, right)), torch.hypot(down, right) / 6

    angles, zooms = polar(changed(images, rotate=30, fill=0.0))
    assert float(angles.abs().max()) < 31.0
    assert float(angles.max()) > 28.0
    assert float(angles.min()) < -28.0
    assert abs(float(angles.mean())) < 4 * 30 / math.sqrt(3 * 800)
    assert float((zooms - 1).abs().max()) < 0.02
    angles, zooms = polar(changed(images, scale=0.25, fill=0.0))
    assert float(angles.abs().max()) < 1.0
    assert 1.22 < float(zooms.max()) < 1.27
    assert 0.78 < float(zooms.min()) < 0.82


def test_brightness_multiplies_the_distance_from_black() -> None:
    images = noise(500, 1, 3, 3) + 4
    images[:, 0, 1, 1] = BLACK
    result = changed(images, brightness=0.4)
    factors = (result - BLACK) / (images - BLACK)
    factors = factors[:, 0].flatten(1)[:, [0, 1, 2, 3, 5, 6, 7, 8]]
    assert torch.equal(result[:, 0, 1, 1], images[:, 0, 1, 1])
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    assert 0.6 <= float(factors.min()) < 0.62
    assert 1.38 < float(factors.max()) <= 1.4


def test_contrast_keeps_the_mean_and_multiplies_the_deviation() -> None:
    images = noise(500, 3, 4, 4)
    result = changed(images, contrast=0.4)
    torch.testing.assert_close(result.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)))
    factors = result.flatten(1).std(1) / images.flatten(1).std(1)
    assert 0.6 <= float(factors.min()) < 0.62
    assert 1.38 < float(factors.max()) <= 1.4


def test_an_erased_rectangle_is_black_and_the_rest_is_as_it_was() -> None:
    images = noise(600, 2, 20, 30)
    result = changed(images, erase=1.0)
    gone = (result == BLACK).all(1)
    assert torch.equal(result[~gone[:, None].expand_as(result)], images[~gone[:, None].expand_as(images)])
    tall, broad = gone.any(2).sum(1), gone.any(1).sum(1)
    area = gone.sum(dim=(1, 2))
    assert torch.equal(area, tall * broad)  # a rectangle, without holes
    # Sides are rounded to whole pixels, so that small areas may miss their share by some of them.
    shares = area / 600
    assert 0.01 < float(shares.min()) < 0.04
    assert 0.3 < float(shares.max()) < 0.36
    assert abs(float(shares.mean()) - 0.175) < 0.02
    aspects = (tall / broad)[area > 100]
    assert float(aspects.min()) > 0.27
    assert float(aspects.max()) < 3.7
    middles = (gone.float() * torch.arange(30.0)).sum(dim=(1, 2)) / area
    assert abs(float(middles.mean()) - 14.5) < 4 * float(middles.std()) / math.sqrt(600)


def test_as_many_images_are_erased_as_the_probability_says_and_not_the_lesser_rectangles() -> None:
    images = noise(3000, 1, 10, 10)
    changes = changed(images, erase=0.4) != images
    erased = changes.flatten(1).any(1)
    assert abs(float(erased.double().mean()) - 0.4) < 4 * math.sqrt(0.24 / 3000)
    # The share is uniform from 0.02 to 0.33, of standard deviation 0.09; rounding to pixels adds a little.
    assert abs(float(changes[erased].double().mean()) - 0.175) < 4 * 0.09 / math.sqrt(1200) + 0.003


@pytest.mark.parametrize("height", [1, 2, 3])
def test_tiny_images_can_be_erased(height: int) -> None:
    result = changed(noise(50, 1, height, 7), erase=1.0)
    assert (result == BLACK).flatten(1).any(1).all()
