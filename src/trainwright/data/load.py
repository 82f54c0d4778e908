"""From the name or the path of a data set to the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trainwright.data.columns import number_column
from trainwright.data.dataset import TASKS, Dataset, check_choice, content_digest
from trainwright.data.embedded import EMBEDDED, EmbeddedArrays, EmbeddedSpec
from trainwright.data.files import locate
from trainwright.data.goals import Target
from trainwright.data.samples import assemble_samples
from trainwright.data.source import Source, open_source
from trainwright.data.splits import Preparation, check_fractions
from trainwright.data.streaming import Streaming, stream
from trainwright.data.tablefile import check_column, open_table
from trainwright.data.tables import assemble, load_table
from trainwright.defaults import CONTEXT, TEST_FRACTION, VALIDATION_FRACTION
from trainwright.errors import UsageError

__all__ = ["EMBEDDED", "NORMALISATIONS", "load"]

NORMALISATIONS = ("standard", "none")


def load(
    source: str | Source,
    *,
    target: str | Sequence[str] | None = None,
    task: str = "auto",
    normalise: str = "standard",
    validation: float = VALIDATION_FRACTION.value,
    test: float = TEST_FRACTION.value,
    seed: int = 0,
    data_root: str | None = None,
    folder: str | None = None,
    test_source: str | None = None,
    ignore: Sequence[str] = (),
    image_size: int | None = None,
    context: int = int(CONTEXT.value),
    streaming: Streaming | None = None,
) -> Dataset:
    """Read a data set, divide it, and prepare it by statistics of its training rows alone.

    `source` is one of:

    - the name of an embedded data set (see `EMBEDDED`);
    - a table: a CSV or a Parquet file;
    - images: an IDX images file, a folder of IDX files as MNIST has them (whose t10k files are the test split), or a
      folder that holds a folder of image files for each class, perhaps within train/, validation/ and test/;
    - arrays: an .npz file with x and y, or x_train, y_train, x_validation, ... (see `read_npz`);
    - a text: a .txt file, of which each character is predicted from those before it;
    - what `open_source` has read;
    - and what stays on disk: a folder with x.npy and y.npy (or x_train.npy, ...), memory-mapped; tokens in a .bin file
      of two bytes each, or an .npy file of whole numbers, or a folder of train.bin and val.bin; a folder of Parquet
      files; or a URL of such files ("s3://bucket/train-*.parquet").

    CSV, IDX and text files may be gzipped. A relative path is looked for in `folder`, then in `data_root` or else the
    environment variable `TRAINWRIGHT_DATA`, then in the current folder.

    `target` names the target column of a table, or several; it may be left out where a name such as "label" gives it
    away. `task` is "auto", "classification", "multi-label" or "regression"; of several columns, "auto" takes those
    that hold 0 and 1 alone for labels, others for quantities. With `normalise` "standard", numeric columns, features
    and the channels of images are standardised; with "none" they stay as they are. The targets of a regression are
    standardised in any case, each column on its own. `validation` and `test` are the shares of the rows to hold out,
    in [0, 1); 0 gives None; where the source brings such a split, that is taken instead. `test_source` is a separate
    table for the test split. `ignore` names columns to leave out. `image_size` is the number of pixels that images of
    a folder are scaled and cropped to, both ways; None or 0 takes images of one size as they are. `context` is the
    number of characters of a text that a sample holds.

    The division is a pure function of `seed`, the number of rows and the classes. Raises `DataError` where the data
    cannot be found, read, or learnt from, and `UsageError` for settings that make no sense.
    """
    check_choice("task", task, TASKS)
    check_choice("normalise", normalise, NORMALISATIONS)
    check_fractions(validation, test)
    columns = target_columns(target)
    preparation = Preparation(standardise=normalise == "standard", validation=validation, test=test, seed=seed)
    if test_source and streaming is not None and streaming.asked is True:
        raise UsageError(
            "data.test_source is a table that is read into memory, and the data are to stay on disk",
            evidence="data.streaming = true",
            remedy="leave data.test_source out; data.test is the share of the rows that test",
        )
    if isinstance(source, str) and source and not test_source:
        made = stream(
            source,
            streaming or Streaming(),
            target=columns,
            task=task,
            preparation=preparation,
            ignore=ignore,
            image_size=image_size or 0,
            context=context,
            data_root=data_root,
            folder=folder,
        )
        if made is not None:
            return made
    if isinstance(source, str):
        source = open_source(source, data_root=data_root, folder=folder, image_size=image_size)
    elif image_size:
        raise UsageError("the images have been read already", remedy="pass image_size to open_source instead")
    named = {"target": ", ".join(columns), "test_source": test_source}
    if source.table is not None:
        test_path = None if test_source is None else locate(test_source, folder=folder, data_root=data_root)
        return load_table(
            source.table,
            target=columns,
            task=task,
            preparation=preparation,
            test_table=None if test_path is None else open_table(test_path),
            ignore=tuple(ignore),
        )
    if source.embedded is not None:
        _refuse(source, named)
        return _load_embedded(*source.embedded, task, preparation, ignore)
    _refuse(source, {**named, "ignore": ", ".join(ignore)})
    if source.samples is not None:
        if source.kind != "a file of arrays":
            _check_task(source.given, "classification", task)
        return assemble_samples(source.samples, task=task, preparation=preparation)
    _check_task(source.given, "classification", task)
    from trainwright.data.text import load_text  # imported here: only a text has a use for it

    return load_text(Path(source.place), context=context, validation=validation, test=test, seed=seed)


def target_columns(target: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the target columns that were asked for, () for none. Raises `UsageError` for one that is named twice."""
    columns = () if not target else (target,) if isinstance(target, str) else tuple(target)
    twice = [name for place, name in enumerate(columns) if name in columns[:place]]
    if twice:
        raise UsageError(f"the target '{twice[0]}' is named twice", remedy="name it once in data.target")
    return columns


def _load_embedded(
    spec: EmbeddedSpec, arrays: EmbeddedArrays, task: str, preparation: Preparation, ignore: Sequence[str]
) -> Dataset:
    _check_task(spec.name, spec.task, task)
    for name in ignore:
        check_column(name, arrays.features, spec.name, "data.ignore")
    columns = [
        number_column(name, np.ascontiguousarray(arrays.x[:, place]))
        for place, name in enumerate(arrays.features)
        if name not in ignore
    ]
    return assemble(
        name=spec.name,
        columns=columns,
        target=embedded_target(spec, arrays),
        preparation=preparation,
        fingerprint=content_digest(arrays.x, arrays.y),
        names=arrays.features,
    )


def embedded_target(spec: EmbeddedSpec, arrays: EmbeddedArrays) -> Target:
    """Return what an embedded table is to learn."""
    values = arrays.y if spec.task == "classification" else arrays.y.reshape(len(arrays.y), -1)
    return Target(
        names=(spec.target,), task=spec.task, classes=arrays.classes, rows=np.arange(len(values)), values=values
    )


def _refuse(source: Source, settings: dict[str, str | None]) -> None:
    """Raise `UsageError` for the first setting that is given although this kind of source has no use for it."""
    for setting, value in settings.items():
        if value:
            raise UsageError(
                f"data.{setting} has no meaning for '{source.given}', which is {source.kind}",
                evidence=f"data.{setting} = {value}",
                remedy=f"remove data.{setting}, or give a table as the source: a CSV file, not called .txt, or Parquet",
            )


def _check_task(source: str, fact: str, asked: str) -> None:
    if asked not in ("auto", fact):
        raise UsageError(
            f"'{source}' is a {fact} data set",
            evidence=f'data.task = "{asked}"',
            remedy=f'remove data.task, or set it to "{fact}"',
        )
