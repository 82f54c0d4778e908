"""Training data that are other ones at every read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases_data import CLASSES, FEATURES, blobs, loader, subject
from torch.utils.data import Dataset

from trainwright.checks.labels_sane import CHECK
from trainwright.checks.run import run_check


class Changing(Dataset[Any]):
    """Samples of which some part is drawn at each read."""

    def __init__(self, *drawn: str) -> None:
        self.drawn, (self.x, self.y) = drawn, blobs(96)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> Any:
        x, y = self.x[place], self.y[place]
        if "noise" in self.drawn:
            x = x + 0.1 * torch.randn(FEATURES)
        if "x" in self.drawn:
            x = torch.randn(FEATURES)
        return x, int(torch.randint(CLASSES, ())) if "y" in self.drawn else y


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("drawn", "severity"), [(("y",), "warning"), (("x", "y"), "note"), (("noise",), None), (("x",), None), ((), None)]
)
def test_labels_that_change_are_told_and_augmentation_is_not(drawn: Any, severity: str | None, shuffle: bool) -> None:
    result = run_check(subject(loader(Changing(*drawn), shuffle=shuffle)), CHECK)
    found = [(finding.kind, finding.severity) for finding in result.findings]
    assert found == ([] if severity is None else [("labels-unrelated-to-inputs", severity)])


def test_a_data_set_that_fails_at_a_place_is_left_to_the_loader() -> None:
    class Failing(Changing):
        def __getitem__(self, place: int) -> Any:
            if place == 0:
                raise OSError("gone")
            return super().__getitem__(place)

    indices = list(range(1, 96))
    result = run_check(subject(loader(Failing("y"), sampler=indices)), CHECK)
    assert result.findings == ()
