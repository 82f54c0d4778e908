"""A folder of image files, a folder for each class: photographs to arrays of one size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainwright.data.imagefile import ENDINGS
from trainwright.data.imagereader import ImageReader
from trainwright.data.samples import Samples, SampleSource
from trainwright.errors import DataError

SPLITS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}
"""Names of the subfolders that are splits."""
_NAMED = 5  # files or folders that a note lists
_LAYOUT = "give a folder that holds a folder of images for each class, or train/, validation/ and test/ of that form"


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """The images of a folder by class, in order of name, and what else lies there."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)  # folders without an image
    nested: list[str] = field(default_factory=list)  # folders within those of classes
    strays: list[str] = field(default_factory=list)  # files that are no images, or outside the folders of classes
    linked: list[str] = field(default_factory=list)  # images and folders of classes that are links to elsewhere


def read_image_folder(folder: Path, *, image_size: int = 0) -> SampleSource | None:
    """Read `folder/class name/image` into memory as bytes; the names of the folders are the classes, sorted.

    Returns None where the folder holds no such images.

    Where there is a subfolder train (or training), the classes lie in there, and in validation (val, valid) and test
    (testing) where these exist. Hidden files and folders are passed over. The images are grey where all of them are,
    else in colour; all must have one size, or are scaled and cropped to squares of `image_size`. Raises `DataError`
    for folders within those of classes, damaged files, sizes that differ, and classes that training lacks.
    """
    listed = _listed(folder)
    if listed is None:
        return None
    places, found, notes = listed
    classes = tuple(found["train"].files)
    reader = ImageReader(image_size)
    images = {}
    for name, folders in found.items():
        _check_classes(folders, classes, places[name])
        if folders.files:
            paths = [path for some in folders.files.values() for path in some]
            images[name] = reader.read(name, paths)
    labels = {
        name: np.repeat(
            [classes.index(label) for label in found[name].files], [len(some) for some in found[name].files.values()]
        )
        for name in images
    }
    return SampleSource(
        name=folder.resolve().name,
        parts={name: Samples(x=reader.in_colour(x), y=labels[name]) for name, x in images.items()},
        pixels=True,
        image_size=image_size,
        target="the folders' names",
        classes=classes,
        fingerprint=reader.sha.hexdigest(),
        notes=(*notes, *reader.notes()),
    )


def found_images(folder: Path) -> tuple[tuple[str, ...], dict[str, dict[str, list[Path]]], list[str]] | None:
    """Return the classes, the image files of each split by class, and what there is to say; None without images.

    Reads no image. Raises `DataError` as `read_image_folder` does.
    """
    listed = _listed(folder)
    if listed is None:
        return None
    places, found, notes = listed
    classes = tuple(found["train"].files)
    for name, folders in found.items():
        _check_classes(folders, classes, places[name])
    return classes, {name: some.files for name, some in found.items() if some.files}, notes


def _listed(folder: Path) -> tuple[dict[str, Path], dict[str, ClassFolders], list[str]] | None:
    places, found = _find(folder)
    notes: list[str] = []
    if places["train"] != folder:
        taken = {place.name for place in places.values()}
        _note(notes, "left out, as they lie beside the splits", [name for name in _names(folder) if name not in taken])
    for name, place in places.items():
        _check_layout(place, found[name], notes)
        if not found[name].files and name != "train":
            notes.append(f"{place.name}/ holds no folders of images and was left out")
    if not found["train"].files:
        return None
    return places, found, notes


def _find(folder: Path) -> tuple[dict[str, Path], dict[str, ClassFolders]]:
    """Return the folder of each split, and what lies in it; "train" is the folder itself where it has no splits."""
    names = {name.lower(): name for name in _names(folder)}
    places = {
        split: folder / names[spelling]
        for split, spellings in SPLITS.items()
        for spelling in reversed(spellings)
        if spelling in names and (folder / names[spelling]).is_dir()
    }
    found = {name: _scan(place) for name, place in places.items()}
    # Without training images in folders of their own, "train" is the name of a class (of vehicles, say).
    if "train" in found and found["train"].files:
        return places, found
    return {"train": folder}, {"train": _scan(folder)}


def _scan(folder: Path) -> ClassFolders:
    found = ClassFolders()
    inside = folder.resolve()
    for name, is_folder in _entries(folder):
        if not is_folder:
            found.strays.append(name)
            continue
        if _leads_out(folder / name, inside):
            found.linked.append(name)
        images = []
        for inner, is_inner_folder in _entries(folder / name):
            if is_inner_folder:
                found.nested.append(f"{name}/{inner}")
            elif inner.lower().endswith(ENDINGS):
                images.append(folder / name / inner)
                if _leads_out(folder / name / inner, inside):
                    found.linked.append(f"{name}/{inner}")
            else:
                found.strays.append(f"{name}/{inner}")
        if images:
            found.files[name] = images
        else:
            found.empty.append(name)
    return found


def _leads_out(path: Path, folder: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(folder)


def _check_layout(folder: Path, found: ClassFolders, notes: list[str]) -> None:
    """Raise `DataError` where folders are nested more deeply than class/image; note what is passed over."""
    deeper = [
        name
        for name in found.nested
        if any(not is_folder and file.lower().endswith(ENDINGS) for file, is_folder in _entries(folder / name))
    ]
    if deeper:
        raise DataError(
            f"{folder / deeper[0]} holds images within the folder of a class",
            evidence=f"images must lie directly in the folder that names their class; also: {', '.join(deeper[1:4])}"
            if deeper[1:]
            else "images must lie directly in the folder that names their class",
            remedy=_LAYOUT,
        )
    _note(notes, f"folders in {folder.name}/ without an image were left out", found.empty)
    _note(notes, f"folders within those of classes in {folder.name}/ were left out", found.nested)
    _note(notes, f"what lies outside {folder.name}/ was read, as links within it lead there", found.linked)
    _note(notes, f"files in {folder.name}/ that are no images, or in no folder of a class, were left out", found.strays)


def _check_classes(found: ClassFolders, classes: Sequence[str], folder: Path) -> None:
    unknown = [name for name in found.files if name not in classes]
    if unknown:
        raise DataError(
            f"{folder} has a class that the training images do not have: '{unknown[0]}'",
            evidence=f"classes in training: {', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}",
            remedy="rename the folder, or add training images of that class",
        )


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Return the visible names in a folder, sorted, and whether each is a folder itself."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries]
    except OSError as problem:
        raise DataError(
            f"the folder {folder} cannot be read",
            evidence=problem.strerror or str(problem),
            remedy="check its permissions",
        ) from None
    hidden = (".", "__MACOSX", "Thumbs.db", "desktop.ini")
    return sorted(entry for entry in found if not entry[0].startswith(hidden))


def _names(folder: Path) -> list[str]:
    return [name for name, _ in _entries(folder)]


def _note(notes: list[str], what: str, names: Sequence[str]) -> None:
    if names:
        notes.append(f"{what}: {', '.join(names[:_NAMED])}{f' and {len(names) - _NAMED} more' * (len(names) > _NAMED)}")
