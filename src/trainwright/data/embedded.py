"""The data sets that come with scikit-learn: what a fresh machine can train on without a download."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from trainwright.records import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedArrays:
    """A data set as it is stored: float64 inputs `(n, columns)` or uint8 images `(n, h, w)`, and raw targets `(n,)`."""

    x: np.ndarray
    y: np.ndarray
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EmbeddedSpec:
    """One embedded data set. `outputs` counts its classes, or target columns; `scale` is the value of a white pixel."""

    name: str
    summary: str
    task: Task
    rows: int
    input_shape: tuple[int, ...]
    outputs: int
    target: str
    reference: str
    read: Callable[[], EmbeddedArrays]
    scale: float = 1.0


def _bunch(name: str, **options: Any) -> Any:
    from sklearn import datasets  # takes most of a second, and only these data sets need it

    return getattr(datasets, f"load_{name}")(**options)


def _digits() -> EmbeddedArrays:
    bunch = _bunch("digits")
    return EmbeddedArrays(
        x=bunch.images.astype(np.uint8),
        y=bunch.target.astype(np.int64),
        classes=tuple(str(name) for name in bunch.target_names),
    )


def _classes(name: str) -> Callable[[], EmbeddedArrays]:
    def read() -> EmbeddedArrays:
        bunch = _bunch(name)
        return EmbeddedArrays(
            x=bunch.data.astype(np.float64),
            y=bunch.target.astype(np.int64),
            features=tuple(str(feature) for feature in bunch.feature_names),
            classes=tuple(str(label) for label in bunch.target_names),
        )

    return read


def _diabetes() -> EmbeddedArrays:
    # Unscaled: scikit-learn's scaling uses all rows, the test rows among them.
    bunch = _bunch("diabetes", scaled=False)
    features = tuple(str(feature) for feature in bunch.feature_names)
    return EmbeddedArrays(x=bunch.data.astype(np.float64), y=bunch.target.astype(np.float64), features=features)


_SPECS = (
    EmbeddedSpec(
        name="digits",
        summary="handwritten digits, 1797 grey images of 8 x 8 pixels",
        task="classification",
        rows=1797,
        input_shape=(1, 8, 8),
        outputs=10,
        target="digit",
        reference="Alpaydin and Kaynak, 1998: Optical Recognition of Handwritten Digits, UCI",
        read=_digits,
        scale=16.0,
    ),
    EmbeddedSpec(
        name="wine",
        summary="three cultivars of wine by 13 chemical measurements, 178 rows",
        task="classification",
        rows=178,
        input_shape=(13,),
        outputs=3,
        target="cultivar",
        reference="Aeberhard and Forina, 1991: Wine, UCI",
        read=_classes("wine"),
    ),
    EmbeddedSpec(
        name="breast_cancer",
        summary="malignant or benign tumours by 30 measurements of cell nuclei, 569 rows",
        task="classification",
        rows=569,
        input_shape=(30,),
        outputs=2,
        target="diagnosis",
        reference="Wolberg, Mangasarian and Street, 1995: Breast Cancer Wisconsin (Diagnostic), UCI",
        read=_classes("breast_cancer"),
    ),
    EmbeddedSpec(
        name="iris",
        summary="three species of iris by 4 measurements of the flower, 150 rows",
        task="classification",
        rows=150,
        input_shape=(4,),
        outputs=3,
        target="species",
        reference="Fisher, 1936: The use of multiple measurements in taxonomic problems",
        read=_classes("iris"),
    ),
    EmbeddedSpec(
        name="diabetes",
        summary="progression of diabetes after a year by 10 measurements, 442 rows",
        task="regression",
        rows=442,
        input_shape=(10,),
        outputs=1,
        target="progression",
        reference="Efron, Hastie, Johnstone and Tibshirani, 2004: Least Angle Regression",
        read=_diabetes,
    ),
)

EMBEDDED: Mapping[str, EmbeddedSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""All embedded data sets by name."""
