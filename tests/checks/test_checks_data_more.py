"""The checks that look at all of the data: bad values, copies, and loaders that cannot be read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from cases_data import CLASSES, FEATURES, Pair, blobs, held_out, loader, subject
from cases_data_more import CASES, NAN, Batched, Items, Streamed, copied, late, quantities
from checks_cases import Case
from checks_fingerprint import differences, epochs, fingerprint
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

import trainwright as tw
from trainwright.checks import passage
from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.errors import DataError
from trainwright.records import CheckResult
from trainwright.stages.subject import subject_of
from trainwright.vitals.setup import target_stats

EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def check(name: str, of: Subject) -> CheckResult:
    return run_check(of, CATALOGUE[name])


def found(result: CheckResult) -> list[str]:
    return [finding.kind for finding in result.findings]


def evidence(result: CheckResult) -> dict[str, Any]:
    return {each.name: each.value for finding in result.findings for each in finding.evidence}


def network(features: int = FEATURES, *, normalised: bool = False) -> nn.Module:
    return nn.Sequential(
        nn.Linear(features, 8), *([nn.BatchNorm1d(8)] if normalised else []), nn.ReLU(), nn.Linear(8, CLASSES)
    )


@EACH
def test_a_planted_fault_is_found_and_nothing_in_its_fixed_twin(case: Case) -> None:
    assert found(check(case.check, case.sick())) == [case.kind]
    twin = check(case.check, case.fixed())
    assert (found(twin), twin.status) == ([], "passed")


# Values


def test_a_value_far_behind_is_named_by_its_place_and_the_share_that_was_read_is_said() -> None:
    result = check("inputs", late(NAN))
    assert evidence(result)["first such sample, counted from 0 in order"] == 1111
    assert "all 1200 samples searched" in result.value


def test_a_slow_loader_is_searched_for_some_seconds_and_no_more_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "MOST_SECONDS", 0.0)
    of = late(NAN)
    of.passages.clear()
    given = passage.passage(of.train.in_order(), samples=of.train.samples, seconds=0.0)  # type: ignore[union-attr]
    assert (given.batches, given.complete, given.x) == (1, False, None)
    assert given.share == pytest.approx(32 / 1200)
    of.passages[id(of.train)] = (of.train, given)
    result = check("inputs", of)
    assert (found(result), "32 samples searched, 3%" in result.value) == ([], True)


def test_bad_targets_are_one_finding_with_the_place_of_the_first() -> None:
    quick = [one.name for one in CATALOGUE.values() if one.quick]
    report = tw.verify(nn.Linear(FEATURES, 1), "mse", loader((torch.randn(600, FEATURES), held(600))), checks=quick)
    assert [finding.kind for finding in report.findings if finding.severity == "error"] == ["non-finite-targets"]
    assert evidence(report["targets-finite"])["first such sample, counted from 0 in order"] == 577


def held(count: int) -> torch.Tensor:
    y = torch.randn(count, 1)
    y[577] = NAN
    return y


def test_statistics_of_targets_count_those_that_are_no_numbers_and_leave_their_samples_out() -> None:
    y = torch.tensor([[1.0, 2.0], [3.0, NAN], [torch.inf, 1.0], [5.0, 4.0]])
    stats = target_stats(y, "mse")
    assert (stats.samples, stats.non_finite, stats.non_finite_sample) == (4, 2, 1)
    assert (stats.minimum, stats.maximum, stats.constant_loss) == (1.0, 5.0, 2.5)
    assert target_stats(torch.arange(3), "cross_entropy").non_finite == 0
    assert target_stats(torch.full((3, 1), NAN), "mse").non_finite == 3


def test_fit_does_not_begin_on_targets_that_are_no_numbers() -> None:
    of = quantities(NAN, count=300)
    run = tw.fit(nn.Linear(FEATURES, 1), (of.train._x, of.train._y), epochs=1, verify="off")  # type: ignore[union-attr]
    assert (run.outcome.status, [finding.kind for finding in run.findings]) == ("stopped", ["non-finite-targets"])


def test_a_loss_that_leaves_missing_targets_out_is_left_alone() -> None:
    def masked(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        known = torch.isfinite(target)
        return ((output - target)[known] ** 2).mean()

    x = torch.randn(300, FEATURES)
    y = torch.where(torch.rand(300, 1) < 0.3, NAN, x[:, :1])
    result = check("targets-finite", subject_of(nn.Linear(FEATURES, 1), masked, (x, y)))
    assert (result.status, "leaves them out" in result.reason) == ("skipped", True)
    run = tw.fit(nn.Linear(FEATURES, 1), (x, y), loss=masked, epochs=1, verify="off")
    assert run.outcome.status == "finished"


# Copies


def adult(count: int = 1200) -> torch.Tensor:
    """Return a census as columns: few categories that depend on one another, whole years, and mostly zero gains."""
    kind = torch.randint(4, (count,))
    tables = [torch.rand(4, size).pow(3) for size in (8, 7, 6, 5, 2, 12)]
    hot = [nn.functional.one_hot(torch.multinomial(t[kind], 1)[:, 0], t.shape[1]) for t in tables]
    years = torch.stack([torch.randint(17, 80, (count,)), 5 * torch.randint(4, 12, (count,))], 1) / 40
    gains = torch.where(torch.rand(count, 1) < 0.08, torch.randint(100, (count, 1)), 0) / 100
    return torch.cat([*hot, years, gains], 1).float()


def windows(count: int = 2000) -> torch.Tensor:
    words = torch.multinomial(1 / torch.arange(1.0, 40), 6000, replacement=True)
    return words.unfold(0, 16, 3)[:count]


HEALTHY = {
    "a census": adult,
    "windows of a text": windows,
    "windows of a short rhyme": lambda: torch.arange(3000).remainder(11).unfold(0, 8, 1),
    "a truth table": lambda: torch.randint(0, 2, (400, 2)).float(),
    "a truth table of ten": lambda: torch.randint(0, 2, (3000, 10)).float(),
    "one-hot pairs": lambda: nn.functional.one_hot(torch.randint(12, (900, 2)), 12).flatten(1).float(),
    "words that seldom occur": lambda: (torch.rand(1500, 300) < 0.004).float(),
    "constants": lambda: torch.ones(300, 5),
    "blank pictures among others": lambda: torch.randn(600, 64) * (torch.rand(600, 1) < 0.7),
    "rounded measurements": lambda: (torch.randn(2000, 3) * 5).round() / 5,
    "grades": lambda: torch.randint(1, 7, (2000, 6)).float(),
    **{
        load.__name__: (lambda load=load: torch.from_numpy(load(return_X_y=True)[0]).float())
        for load in (load_iris, load_wine, load_breast_cancer, load_diabetes, load_digits)
    },
}


@pytest.mark.parametrize("name", HEALTHY)
def test_equal_rows_of_few_values_are_no_copies(name: str) -> None:
    x = HEALTHY[name]()
    y = torch.arange(len(x)) % CLASSES
    model = nn.Sequential(nn.Flatten(), Floats(), nn.Linear(x[0].numel(), CLASSES))
    assert found(check("duplicates", subject_of(model, "cross_entropy", (x, y)))) == []


class Floats(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float()


@pytest.mark.parametrize(
    ("copies", "labels", "expected"),
    [(3, 0, []), (20, 0, ["note"]), (300, 0, ["note"]), (20, 1, ["warning"]), (5, 1, ["note"])],
)
def test_copies_are_a_note_and_contradicting_ones_a_warning(copies: int, labels: int, expected: list[str]) -> None:
    result = check("duplicates", copied(copies, labels=labels))
    assert [finding.severity for finding in result.findings] == expected


def test_contradicting_copies_are_one_finding_in_the_report() -> None:
    x, y = blobs()
    x, y = torch.cat([x, x[:80]]), torch.cat([y, (y[:80] + 1) % CLASSES])
    report = tw.verify(network(), "cross_entropy", (x, y), checks=["labels", "duplicates"])
    assert [finding.kind for finding in report.findings] == ["labels-unrelated-to-inputs"]


def test_samples_that_a_sampler_draws_again_on_purpose_are_not_judged() -> None:
    drawn = loader(blobs(), sampler=WeightedRandomSampler([1.0] * 400, 400))
    assert check("duplicates", subject(drawn)).status == "skipped"
    assert check("duplicates", subject(Batched())).status == "skipped"


# Loaders


class Counted(DataLoader[Any]):
    """Counts how often it is opened."""

    opened = 0

    def __iter__(self) -> Any:
        type(self).opened += 1
        return super().__iter__()


def test_a_loader_is_read_once_for_the_checks_that_only_look() -> None:
    of = subject(Counted(TensorDataset(*blobs()), batch_size=32), Counted(TensorDataset(*held_out()), batch_size=32))
    for name in ("inputs", "targets-finite", "labels", "duplicates", "validation-overlap", "validation-preprocessing"):
        before = Counted.opened
        assert check(name, of).status == "passed"
        assert Counted.opened - before == (2 if name == "inputs" else 0)
    check("validation-reads", of)
    assert Counted.opened - before == 2  # two reads, or nobody knows whether they are alike


def test_sharing_what_was_read_leaves_the_order_of_the_data_alone() -> None:
    def make() -> Subject:
        own = torch.Generator().manual_seed(3)
        return subject(loader(blobs(), shuffle=True, generator=own), loader(held_out(), shuffle=True))

    of = make()
    before = fingerprint(of)
    for name in CATALOGUE:
        if name not in ("tiny-batch", "gradients"):
            check(name, of)
    assert differences(before, fingerprint(of)) == []
    assert epochs(of) == epochs(make())


def test_what_a_loader_says_when_it_raises_comes_with_the_line() -> None:
    result = check("data-readable", subject(loader(Items("raises"))))
    (finding,) = result.findings
    assert (finding.severity, finding.title) == ("error", "the data cannot be read")
    assert finding.where.file is not None
    assert finding.where.file.endswith("cases_data_more.py")
    assert "batch 15: OSError: sample_500.png is truncated" in str(finding.evidence[0].value)


def test_what_a_worker_raises_is_told_in_its_own_words() -> None:
    result = check("data-readable", subject(loader(Items("raises"), num_workers=1)))
    assert "OSError: sample_500.png is truncated" in str(result.findings[0].evidence[0].value)


class Shrinking:
    """Gives fewer batches in each pass."""

    def __init__(self) -> None:
        x, y = blobs(960)
        self.batches, self.passes = list(zip(x.split(32), y.split(32), strict=True)), 0

    def __iter__(self) -> Iterator[Pair]:
        self.passes += 1
        return iter(self.batches[: 30 - 3 * self.passes])


def test_a_second_pass_that_is_shorter_is_a_warning() -> None:
    result = check("data-readable", subject(Shrinking()))
    assert [(finding.kind, finding.severity) for finding in result.findings] == [("data-unreadable", "warning")]


def test_data_in_memory_need_not_be_read() -> None:
    result = check("data-readable", subject(blobs()))
    assert (result.status, result.reason) == ("skipped", "the data are in memory")


class Endless:
    """Batches without an end."""

    def __iter__(self) -> Iterator[Pair]:
        x, y = blobs(32)
        return ((x, y) for _ in itertools.count())


def batches_with(item: Any) -> list[Any]:
    x, y = blobs(96)
    return [(x[:32], y[:32]), (x[32:64], y[32:64]), item, (x[64:], y[64:])]


X, Y = torch.zeros(4, FEATURES), torch.zeros(4).long()
BAD: dict[str, tuple[Any, str]] = {
    "nothing": ([], "the data are empty"),
    "a loader that drops its only batch": (
        DataLoader(TensorDataset(X, Y), batch_size=8, drop_last=True),
        "the data are empty",
    ),
    "a generator": ((batch for batch in [(X, Y)]), "read once only"),
    "a data set": (TensorDataset(X, Y), "wrap it: DataLoader"),
    "three parts": (batches_with((X, Y, Y)), "tuple of Tensor, Tensor, Tensor"),
    "a dict": (batches_with({"x": X, "y": Y}), "dict"),
    "words": (["ab", "cd"], "tensor of numbers"),
    "a word": ("digits", "neither a pair"),
    "None": (None, "neither a pair"),
    "no samples": (batches_with((X[:0], Y[:0])), "there are no samples"),
    "more inputs": (batches_with((X, Y[:3])), "differ in number"),
    "no device": (batches_with((X.to("meta"), Y)), "a shape and no numbers"),
    "a sparse pair": ((X.to_sparse(), Y), "no dense tensor"),
    "several types": (batches_with((X.double(), Y)), "float64 in batch 2, float32 in the first"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_are_no_batches_is_one_message_with_its_remedy_in_verify(name: str) -> None:
    data, words = BAD[name]
    try:
        report = tw.verify(network(), "cross_entropy", data, checks=["data-readable", "inputs"])
    except DataError as problem:
        told, remedy = str(problem), problem.remedy
    else:
        assert not report.ok
        (finding,) = report.findings
        told, remedy = f"{finding.title} {finding.evidence}", finding.remedies[0].text
    assert words in told
    assert remedy


@pytest.mark.parametrize("name", BAD)
def test_what_are_no_batches_is_one_message_with_its_remedy_in_fit(name: str) -> None:
    data, words = BAD[name]
    if isinstance(data, Iterator):
        data = iter([(X, Y)])
    with pytest.raises(DataError) as caught:
        tw.fit(network(), data, loss="cross_entropy", epochs=1, verify="off")
    assert words in str(caught.value)
    assert caught.value.remedy


def test_batches_without_an_end_are_verified_by_their_beginning_and_refused_by_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = tw.verify(network(), "cross_entropy", Endless(), checks=["data-readable", "inputs"])
    assert report.ok
    assert "nobody knows of how many" in report["inputs"].value
    monkeypatch.setattr("trainwright.data.streams.ENDLESS_BATCHES", 50)
    with pytest.raises(DataError, match="do not end"):
        tw.fit(network(), Endless(), loss="cross_entropy", epochs=1)


def test_arrays_of_float64_are_taken_as_float32_wherever_they_come_from() -> None:
    x, y = (part.numpy() for part in blobs(96))
    batches = [(x[:48].astype(np.float64), y[:48]), (x[48:].astype(np.float64), y[48:])]
    assert tw.verify(network(), "cross_entropy", batches, checks=["data-readable", "inputs"]).ok
    assert tw.fit(network(), batches, loss="cross_entropy", epochs=1).outcome.status == "finished"


def test_a_single_sample_left_over_for_batch_normalisation_is_refused_by_fit() -> None:
    x, y = blobs(97)
    batches = list(zip(x.split(32), y.split(32), strict=True))
    with pytest.raises(DataError, match="single sample"):
        tw.fit(network(normalised=True), batches, loss="cross_entropy", epochs=1)
    frozen = network(normalised=True)
    frozen[1].eval()  # type: ignore[index]
    assert tw.fit(frozen, batches, loss="cross_entropy", epochs=1, verify="off").outcome.status == "finished"


def test_a_stream_of_unknown_length_is_searched_beyond_what_the_checks_look_at() -> None:
    of = subject(loader(Streamed(NAN)))
    assert of.train is None
    assert evidence(check("inputs", of))["first such sample, counted from 0 in order"] == 1111
