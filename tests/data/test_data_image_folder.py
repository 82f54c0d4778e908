from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainwright.data.imagefile import read_image
from trainwright.data.inspect import inspect
from trainwright.data.load import load
from trainwright.data.source import open_source
from trainwright.data.splits import split_rows
from trainwright.errors import DataError, UsageError


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def pets(root: Path, *, count: int = 10, shape: tuple[int, ...] = (6, 4, 3), ending: str = "png") -> Path:
    for label, name in enumerate(("cat", "dog", "Emu")):
        for place in range(count):
            save(root / name / f"{place:02}.{ending}", noise(shape, 100 * label + place))
    return root


def test_a_folder_for_each_class_is_a_data_set(tmp_path: Path) -> None:
    data = load(str(pets(tmp_path / "pets")))
    assert (data.name, data.shape.input_shape, data.classes) == ("pets", (3, 6, 4), ("Emu", "cat", "dog"))
    assert data.shape.task == "classification"
    assert data.validation is not None
    assert data.test is not None
    assert len(data.train) + len(data.validation) + len(data.test) == 30
    images = np.stack([noise((6, 4, 3), 100 * label + place) for label in (2, 0, 1) for place in range(10)])
    labels = np.repeat([0, 1, 2], 10)
    parts = split_rows(30, labels=labels, validation=0.15, test=0.15)
    train = images[parts.train] / 255
    mean, std = train.mean((0, 1, 2)), train.std((0, 1, 2))
    expected = ((images[parts.test] / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(data.test.x, expected, atol=1e-5)
    assert data.test.y.tolist() == labels[parts.test].tolist()
    assert data.notes == ()
    summary = inspect(str(tmp_path / "pets"))
    assert summary.classes == (("Emu", 10), ("cat", 10), ("dog", 10))
    assert (summary.input_shape, summary.rows, summary.target) == ((3, 6, 4), 30, None)


@pytest.mark.parametrize(
    "spelling", [("train", "validation", "test"), ("training", "val", "testing"), ("Train", "valid", "TEST")]
)
def test_subfolders_may_be_the_splits(tmp_path: Path, spelling: tuple[str, str, str]) -> None:
    for count, name in zip((5, 2, 3), spelling, strict=True):
        pets(tmp_path / name, count=count)
    data = load(str(tmp_path))
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (15, 6, 9)
    assert data.test.y.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert abs(float(data.train.x.mean())) < 1e-5


def test_a_split_that_is_missing_is_taken_from_training(tmp_path: Path) -> None:
    pets(tmp_path / "train")
    pets(tmp_path / "test", count=2)
    data = load(str(tmp_path), validation=0.2)
    assert data.validation is not None
    assert data.test is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 6, 6)


def test_memory_holds_bytes_while_images_are_read(tmp_path: Path) -> None:
    source = open_source(str(pets(tmp_path)))
    assert source.samples is not None
    assert source.samples.parts["train"].x.dtype == np.uint8


def test_grey_images_have_one_channel_and_are_lifted_beside_colour(tmp_path: Path) -> None:
    pets(tmp_path / "grey", shape=(6, 4))
    assert load(str(tmp_path / "grey")).shape.input_shape == (1, 6, 4)
    pets(tmp_path / "mixed" / "train", shape=(6, 4))
    save(tmp_path / "mixed" / "test" / "cat" / "a.png", noise((6, 4, 3), 7))
    data = load(str(tmp_path / "mixed"), normalise="none")
    assert data.test is not None
    assert data.train.x.shape[1:] == data.test.x.shape[1:] == (3, 6, 4)
    assert torch.equal(data.train.x[:, 0], data.train.x[:, 2])
    assert torch.equal(data.test.x[0].permute(1, 2, 0), torch.from_numpy(noise((6, 4, 3), 7)).float())
    assert "30 grey images were read as colour, like the 1 others" in data.notes
    save(tmp_path / "grey" / "cat" / "99.png", noise((6, 4, 3), 7))
    assert load(str(tmp_path / "grey")).shape.input_shape == (3, 6, 4)


def test_images_of_several_sizes_need_an_image_size(tmp_path: Path) -> None:
    pets(tmp_path)
    save(tmp_path / "dog" / "long.png", noise((6, 40, 3), 1))
    with pytest.raises(
        DataError, match=r"differ in size(.|\n)*00\.png has 4 x 6(.|\n)*long\.png 40 x 6(.|\n)*image_size"
    ):
        load(str(tmp_path))
    data = load(str(tmp_path), image_size=8)
    assert data.shape.input_shape == (3, 8, 8)
    assert (
        "images of 2 sizes, from 4 x 6 to 40 x 6, pixels were scaled, and cropped in the middle, to 8 x 8" in data.notes
    )
    assert data.preprocessing["image_size"] == 8
    assert inspect(str(tmp_path), image_size=8).input_shape == (3, 8, 8)
    assert load(str(pets(tmp_path / "square", shape=(8, 8))), image_size=8).notes == ()


def test_the_middle_is_kept_when_an_image_is_cropped(tmp_path: Path) -> None:
    wide = np.zeros((8, 24), dtype=np.uint8)
    wide[:, 8:16] = 200
    assert (read_image(save(tmp_path / "w.png", wide), image_size=8).pixels == 200).all()
    halved = read_image(
        save(tmp_path / "h.png", np.kron([[0, 90], [180, 255]], np.ones((8, 8))).astype(np.uint8)), image_size=4
    )
    assert halved.pixels[0][[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == pytest.approx([0, 90, 180, 255], abs=2)


@pytest.mark.parametrize("size", [-1, 5000, 2.5, True])
def test_a_senseless_image_size_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match=r"data\.image_size must be a whole number"):
        load(str(pets(tmp_path)), image_size=size)


def test_an_image_size_belongs_to_folders_of_images(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.image_size has no meaning for 'digits'"):
        load("digits", image_size=8)
    source = open_source(str(pets(tmp_path)), image_size=8)
    assert load(source).shape.input_shape == (3, 8, 8)
    with pytest.raises(UsageError, match="read already"):
        load(source, image_size=8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_their_orientation_says(tmp_path: Path, orientation: int) -> None:
    upright = noise((6, 4, 3), 3)
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    picture = read_image(save(tmp_path / "a.png", np.ascontiguousarray(turned), exif=exif))
    assert np.array_equal(picture.pixels.transpose(1, 2, 0), upright)
    assert picture.size == (4, 6)


def test_deep_grey_keeps_its_upper_bits_and_opacity_is_dropped(tmp_path: Path) -> None:
    deep = np.array([[0, 256, 65535], [32768, 255, 1000]], dtype=np.uint16)
    picture = read_image(save(tmp_path / "a.png", deep))
    assert picture.pixels.tolist() == [[[0, 1, 255], [128, 0, 3]]]
    assert picture.deep
    clear = noise((6, 4, 4), 5)
    picture = read_image(save(tmp_path / "b.png", clear))
    assert np.array_equal(picture.pixels.transpose(1, 2, 0), clear[..., :3])
    assert picture.opacity
    pets(tmp_path / "pets", shape=(6, 4, 4))
    assert "30 images have an opacity, which was dropped" in load(str(tmp_path / "pets")).notes
    pets_16 = tmp_path / "deep"
    for name in ("a", "b"):
        for place in range(4):
            save(pets_16 / name / f"{place}.png", deep + np.uint16(place * 300))
    assert "8 images have 16 bits a pixel, of which the upper 8 were kept" in load(str(pets_16)).notes


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "LA"])
def test_other_kinds_of_pixels_become_grey_or_colour(tmp_path: Path, mode: str) -> None:
    ending = "tif" if mode == "CMYK" else "png"
    Image.fromarray(np.kron([[0, 255], [255, 0]], np.ones((4, 4))).astype(np.uint8)).convert("RGB").convert(mode).save(
        tmp_path / f"a.{ending}"
    )
    pixels = read_image(tmp_path / f"a.{ending}").pixels
    assert len(pixels) == (1 if mode in ("1", "LA") else 3)
    assert pixels[:, 0, 0].tolist() == [0] * len(pixels)
    assert pixels[:, 0, 7].tolist() == [255] * len(pixels)


def test_jpeg_and_png_may_be_mixed(tmp_path: Path) -> None:
    pets(tmp_path)
    pets(tmp_path, count=3, ending="JPG")
    assert inspect(str(tmp_path)).rows == 39


def test_what_is_passed_over_is_named(tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "cat" / "notes").mkdir()
    (tmp_path / "cat" / "readme.txt").write_text("x")
    (tmp_path / "list.csv").write_text("x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "dog" / ".DS_Store").write_text("x")
    notes = "\n".join(load(str(tmp_path)).notes)
    assert "without an image were left out: empty" in notes
    assert "within those of classes in" in notes
    assert "cat/notes" in notes
    assert "left out: cat/readme.txt, list.csv" in notes
    assert "DS_Store" not in notes
    assert "cache" not in notes


def test_what_lies_beside_the_splits_is_named(tmp_path: Path) -> None:
    pets(tmp_path / "train")
    (tmp_path / "test").mkdir()
    save(tmp_path / "test" / "unlabelled.png", noise((6, 4, 3), 0))
    (tmp_path / "old").mkdir()
    data = load(str(tmp_path))
    notes = "\n".join(data.notes)
    assert "left out, as they lie beside the splits: old" in notes
    assert "left out: unlabelled.png" in notes
    assert "test/ holds no folders of images" in notes
    assert data.test is not None  # taken from training


def test_a_class_may_be_called_like_a_split(tmp_path: Path) -> None:
    for name in ("bus", "train"):
        for place in range(6):
            save(tmp_path / name / f"{place}.png", noise((6, 4, 3), place + len(name)))
    assert load(str(tmp_path)).classes == ("bus", "train")


def test_images_in_deeper_folders_are_refused(tmp_path: Path) -> None:
    pets(tmp_path / "fold1")
    pets(tmp_path / "fold2")
    with pytest.raises(
        DataError, match=r"fold1/Emu holds images within the folder of a class(.|\n)*train/, validation/"
    ):
        load(str(tmp_path))


def test_a_class_that_training_lacks_is_refused(tmp_path: Path) -> None:
    pets(tmp_path / "train")
    save(tmp_path / "test" / "fox" / "a.png", noise((6, 4, 3), 0))
    with pytest.raises(DataError, match="test has a class that the training images do not have: 'fox'"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("07.png", b""),
        ("07.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40),
        ("07.jpg", b"\xff\xd8\xff\xe0 not a photograph"),
        ("07.png", b"<html>404</html>"),
        ("07.webp", b"RIFF\0\0\0\0WEBPVP8 "),
    ],
)
def test_a_damaged_image_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    pets(tmp_path)
    (tmp_path / "dog" / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"dog/{name} is (a damaged image|empty)") as caught:
        load(str(tmp_path))
    assert caught.value.remedy


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tiff", "webp"])
def test_a_truncated_image_is_named(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a.{ending}", noise((40, 40, 3), 0))
    content = path.read_bytes()
    for share in (0.02, 0.3, 0.8):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError, match=rf"a\.{ending} is a damaged image"):
            read_image(path)


def test_an_image_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.zeros((100, 100), dtype=np.uint8))
    content = bytearray(path.read_bytes())
    content[16:24] = (20_000).to_bytes(4, "big") * 2  # width and height of a 400 megapixel image
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged image"):
        read_image(path)


def test_one_class_and_blank_images_are_refused(tmp_path: Path) -> None:
    for place in range(5):
        save(tmp_path / "only" / f"{place}.png", noise((6, 4), place))
    with pytest.raises(DataError, match=r"one class only(.|\n)*5 samples of the class 'only'"):
        load(str(tmp_path))
    for name in ("a", "b"):
        for place in range(5):
            save(tmp_path / "blank" / name / f"{place}.png", np.full((6, 4), 7, dtype=np.uint8))
    with pytest.raises(DataError, match=r"all pixels of all training images are the same(.|\n)*value 7"):
        load(str(tmp_path / "blank"))


def test_settings_of_tables_are_refused(tmp_path: Path) -> None:
    pets(tmp_path)
    with pytest.raises(UsageError, match=r"data\.target has no meaning"):
        load(str(tmp_path), target="cat")
    with pytest.raises(UsageError, match="is a classification data set"):
        load(str(tmp_path), task="multi-label")


def test_the_fingerprint_follows_names_and_contents_not_the_place(tmp_path: Path) -> None:
    first = load(str(pets(tmp_path / "here"))).fingerprint
    assert load(str(pets(tmp_path / "there"))).fingerprint == first
    (tmp_path / "there" / "cat" / "00.png").rename(tmp_path / "there" / "dog" / "zz.png")
    assert load(str(tmp_path / "there")).fingerprint != first
    save(tmp_path / "here" / "cat" / "00.png", noise((6, 4, 3), 999))
    assert load(str(tmp_path / "here")).fingerprint != first


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"need Pillow(.|\n)*pip install trainwright\[images\]"):
        load(str(tmp_path))
