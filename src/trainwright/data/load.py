"""From the name or the path of a data set to the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainwright.data.columns import number_column
from trainwright.data.dataset import TASKS, Dataset, check_choice, content_digest
from trainwright.data.embedded import EMBEDDED, EmbeddedSpec
from trainwright.data.files import locate
from trainwright.data.images import assemble_pictures
from trainwright.data.pictures import Pictures, is_picture_source, read_source
from trainwright.data.splits import Preparation, check_fractions
from trainwright.data.tables import assemble, check_column, load_table
from trainwright.data.targets import Target
from trainwright.defaults import TEST_FRACTION, VALIDATION_FRACTION
from trainwright.errors import UsageError

NORMALISATIONS = ("standard", "none")


def load(
    source: str,
    *,
    target: str | None = None,
    task: str = "auto",
    normalise: str = "standard",
    validation: float = VALIDATION_FRACTION.value,
    test: float = TEST_FRACTION.value,
    seed: int = 0,
    data_root: str | None = None,
    folder: str | None = None,
    test_source: str | None = None,
    ignore: Sequence[str] = (),
) -> Dataset:
    """Read a data set into memory, divide it, and prepare it by statistics of its training rows alone.

    `source` is the name of an embedded data set (see `EMBEDDED`), or the path of a CSV file, of an IDX images file, or
    of a folder of IDX files as MNIST has them (whose t10k files are the test split). Files may be gzipped. A relative
    path is looked for in `folder`, then in `data_root` or else the environment variable `TRAINWRIGHT_DATA`, then in the
    current folder.

    `target` names the target column of a table; it may be left out where a name such as "label" gives it away. `task`
    is "auto", "classification" or "regression". With `normalise` "standard", numeric columns and pixels are
    standardised; with "none" they stay as they are. A regression target is standardised in any case. `validation` and
    `test` are the shares of the rows to hold out, in [0, 1); 0 gives None. `test_source` is a separate CSV file for the
    test split. `ignore` names columns to leave out.

    The division is a pure function of `seed`, the number of rows and the classes. Raises `DataError` where the data
    cannot be found, read, or learnt from, and `UsageError` for settings that make no sense.
    """
    check_choice("task", task, TASKS)
    check_choice("normalise", normalise, NORMALISATIONS)
    check_fractions(validation, test)
    if not source:
        raise UsageError("no data is given", remedy=f"set data.source to a path, or to one of: {', '.join(EMBEDDED)}")
    standardise = normalise == "standard"
    preparation = Preparation(standardise=standardise, validation=validation, test=test, seed=seed)
    if source in EMBEDDED:
        spec = EMBEDDED[source]
        _refuse(source, "an embedded data set", target=target, test_source=test_source)
        _check_task(source, spec.task, task)
        return _load_embedded(spec, preparation, ignore)
    path = locate(source, folder=folder, data_root=data_root, names=EMBEDDED)
    if is_picture_source(path):
        _refuse(source, "a set of images", target=target, test_source=test_source, ignore=", ".join(ignore))
        _check_task(source, "classification", task)
        pictures, other = read_source(path)
        name = path.name.removesuffix(".gz")
        return assemble_pictures(name=name, pictures=pictures, other=other, preparation=preparation)
    test_path = None if test_source is None else locate(test_source, folder=folder, data_root=data_root)
    return load_table(
        path, target=target, task=task, preparation=preparation, test_path=test_path, ignore=tuple(ignore)
    )


def _load_embedded(spec: EmbeddedSpec, preparation: Preparation, ignore: Sequence[str]) -> Dataset:
    arrays = spec.read()
    if len(spec.input_shape) == 3:
        _refuse(spec.name, "a set of images", ignore=", ".join(ignore))
        pictures = Pictures(images=arrays.x, labels=arrays.y)
        return assemble_pictures(
            name=spec.name,
            pictures=pictures,
            other=None,
            classes=arrays.classes,
            scale=spec.scale,
            preparation=preparation,
        )
    for name in ignore:
        check_column(name, arrays.features, Path(spec.name), "data.ignore")
    columns = [
        number_column(name, np.ascontiguousarray(arrays.x[:, place]))
        for place, name in enumerate(arrays.features)
        if name not in ignore
    ]
    target = Target(
        name=spec.target,
        task=spec.task,
        classes=arrays.classes,
        form=None,
        rows=np.arange(len(arrays.y)),
        values=arrays.y,
    )
    return assemble(
        name=spec.name,
        columns=columns,
        target=target,
        preparation=preparation,
        fingerprint=content_digest(arrays.x, arrays.y),
    )


def _refuse(source: str, kind: str, **settings: str | None) -> None:
    """Raise `UsageError` for the first setting that is given although this kind of source has no use for it."""
    for setting, value in settings.items():
        if value:
            raise UsageError(
                f"data.{setting} has no meaning for '{source}', which is {kind}",
                evidence=f"data.{setting} = {value}",
                remedy=f"remove data.{setting}, or give a CSV file as the source",
            )


def _check_task(source: str, fact: str, asked: str) -> None:
    if asked not in ("auto", fact):
        raise UsageError(
            f"'{source}' is a {fact} data set",
            evidence=f'data.task = "{asked}"',
            remedy=f'remove data.task, or set it to "{fact}"',
        )
