"""Data and labels in a foreign loop: each fault is seen at the line a reader would be sent to, and its twin is not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from trainwright.records import Finding
from trainwright.watching.order import blocks
from trainwright.watching.outlying import farthest_share, weight_order
from trainwright.watching.overlap import overlap
from trainwright.watching.relation import relation
from trainwright.watching.watch import Watch, watch


def found(watched: Watch, kind: str) -> Finding | None:
    assert watched.problem is None
    return next((finding for finding in watched.findings if finding.kind == kind), None)


def line_of(function: Callable[..., object], text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def trained(loader: DataLoader, held: DataLoader | None = None, *, epochs: int = 1, outputs: int = 3) -> Watch:
    """Return a watch over a loop of epochs, which evaluates after each where there is something to evaluate on."""
    with watch(quiet=True) as watched:
        model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, outputs))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(epochs):
            model.train()
            for x, y in loader:
                loss = F.cross_entropy(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                for x, _ in held or ():
                    model(x)
    return watched


def in_order(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for start in range(0, len(x), 16):
        yield x[start : start + 16], y[start : start + 16]


def hand_cut(x: torch.Tensor, y: torch.Tensor) -> Watch:
    with watch(quiet=True) as watched:
        model = loops.network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for xb, yb in in_order(x, y):
            loss = F.cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return watched


def test_a_table_that_is_sorted_by_its_label_is_named_with_the_loop_that_cuts_it() -> None:
    x, y = loops.samples(512)
    order = y.argsort(stable=True)
    finding = found(hand_cut(x[order], y[order]), "data-not-shuffled")
    assert finding is not None
    assert finding.where.line == line_of(hand_cut, "in in_order(")
    assert found(hand_cut(x, y), "data-not-shuffled") is None


def test_few_classes_in_each_batch_are_no_blocks_where_they_come_back() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randperm(10, generator=generator)[:2].repeat_interleave(16) for _ in range(40)]
    assert blocks(drawn, -100) is None
    assert blocks([torch.full((32,), index // 4) for index in range(40)], -100) is not None


def test_rare_classes_are_no_blocks() -> None:
    generator = torch.Generator().manual_seed(0)
    rare = [(torch.rand(32, generator=generator) < 0.005).long() for _ in range(200)]
    assert blocks(rare, -100) is None


def test_whole_batches_in_sorted_order_are_no_blocks() -> None:
    assert blocks([torch.arange(3).repeat_interleave(50)] * 30, -100) is None


class Shuffled(torch.utils.data.Sampler[int]):
    """Shuffles once, and forgets to do it again."""

    def __init__(self, size: int) -> None:
        self.order = torch.randperm(size, generator=torch.Generator().manual_seed(0)).tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def test_a_sampler_that_never_shuffles_again_is_a_warning_and_no_sampler_a_note() -> None:
    data = TensorDataset(*loops.samples(160))
    same = found(trained(DataLoader(data, 16, sampler=Shuffled(160)), epochs=4), "data-not-shuffled")
    none = found(trained(DataLoader(data, 16), epochs=4), "data-not-shuffled")
    new = found(trained(DataLoader(data, 16, shuffle=True), epochs=4), "data-not-shuffled")
    assert same is not None
    assert same.severity == "warning"
    assert none is not None
    assert none.severity == "note"
    assert new is None


def test_two_permutations_for_one_split_are_named_at_the_loader_of_the_validation_part() -> None:
    data = TensorDataset(*loops.samples(200))
    order, other = np.random.default_rng(0).permutation(200), np.random.default_rng(1).permutation(200)
    train = DataLoader(Subset(data, order[:160].tolist()), 16, shuffle=True)
    sick = trained(train, DataLoader(Subset(data, other[160:].tolist()), 16))
    finding = found(sick, "validation-overlaps-training")
    assert finding is not None
    assert finding.severity == "error"
    assert finding.step is not None
    assert finding.step <= 12
    fixed = trained(train, DataLoader(Subset(data, order[160:].tolist()), 16))
    assert found(fixed, "validation-overlaps-training") is None


def test_copies_in_another_data_set_are_found_by_content() -> None:
    x, y = loops.samples(200)
    train = DataLoader(TensorDataset(x[:160], y[:160]))
    shared = overlap(train, DataLoader(TensorDataset(x[140:].clone(), y[140:])))
    assert shared is not None
    assert (shared.found, shared.asked, shared.by_index) == (20, 60, False)
    assert overlap(train, DataLoader(TensorDataset(x[160:], y[160:]))) is None


def test_scores_on_training_data_or_on_all_data_are_meant() -> None:
    data = TensorDataset(*loops.samples(200))
    train = DataLoader(Subset(data, range(150)))
    assert overlap(train, DataLoader(Subset(data, range(50)))) is None
    assert overlap(train, DataLoader(data)) is None


def test_inputs_that_are_scaled_for_training_alone_are_seen() -> None:
    x, y = loops.samples(400)
    train = DataLoader(TensorDataset(x[:300], y[:300]), 30, shuffle=True)
    raw = trained(train, DataLoader(TensorDataset(9 * x[300:] + 40, y[300:]), 50))
    assert found(raw, "validation-preprocessed-differently") is not None
    alike = trained(train, DataLoader(TensorDataset(x[300:], y[300:]), 50))
    assert found(alike, "validation-preprocessed-differently") is None


class Noisy(Dataset):
    def __init__(self, generator: np.random.Generator | None) -> None:
        self.generator = generator
        self.x, self.y = loops.samples(64)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        noise = np.random.standard_normal(20) if self.generator is None else self.generator.standard_normal(20)
        return self.x[index] + torch.from_numpy(noise).float(), int(self.y[index])


@pytest.mark.parametrize("own", [True, False], ids=["a generator of its own", "numpy's"])
def test_workers_that_copy_one_generator_are_named_and_those_that_torch_seeds_are_not(own: bool) -> None:
    data = Noisy(np.random.default_rng(0) if own else None)
    finding = found(trained(DataLoader(data, 8, num_workers=2), epochs=1), "duplicate-worker-randomness")
    assert (finding is not None) == own
    if finding is not None:
        assert "Noisy.generator" in str(finding.evidence)


def test_labels_that_were_shuffled_apart_are_found_out_by_training() -> None:
    x, y = loops.samples(900)
    generator = torch.Generator().manual_seed(3)
    for labels, sick in ((y[torch.randperm(900, generator=generator)], True), (y, False)):
        train = DataLoader(TensorDataset(x[:600], labels[:600]), 30, shuffle=True)
        watched = trained(train, DataLoader(TensorDataset(x[600:], labels[600:]), 60), epochs=12)
        assert (found(watched, "labels-unrelated-to-inputs") is not None) == sick


def test_a_relation_is_told_from_chance() -> None:
    x, y = loops.samples(600)
    generator = torch.Generator().manual_seed(0)
    related, apart = relation(x, y), relation(x, y[torch.randperm(600, generator=generator)])
    assert related is not None
    assert related > 6
    assert apart is not None
    assert apart < 3
    assert relation(x[:100], y[:100]) is None


def test_samples_that_come_twice_do_not_know_their_own_label() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(400, 6, generator=generator), torch.randint(2, (400,), generator=generator)
    found = relation(x.repeat(3, 1), y.repeat(3))
    assert found is not None
    assert found < 3


def test_a_few_targets_that_carry_the_squared_error_are_told_from_heavy_tails() -> None:
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(1000, 1, generator=generator)
    slipped = y.clone()
    slipped[::70] *= 300
    share, plain = farthest_share(slipped), farthest_share(y)
    assert share is not None
    assert share > 0.95
    assert plain is not None
    assert plain < 0.25
    assert farthest_share(torch.zeros(1000, 1)) is None


def test_weights_in_proportion_to_the_counts_are_the_wrong_way_round() -> None:
    labels = torch.tensor([0] * 200 + [1] * 50 + [2] * 20)
    counts = torch.bincount(labels).float()
    assert weight_order(labels, {"weight": counts / counts.sum()}) == 1
    assert weight_order(labels, {"weight": 1 / counts}) == -1
    assert weight_order(labels, {"weight": torch.ones(3)}) is None
    answers = torch.tensor([1.0] * 20 + [0.0] * 180)
    assert weight_order(answers, {"pos_weight": torch.tensor([20 / 180])}) == 1
    assert weight_order(answers, {"pos_weight": torch.tensor([9.0])}) is None


class Reader(nn.Module):
    """Answers for each token from that token and those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 16)
        self.memory = nn.GRU(16, 16, batch_first=True)
        self.answer = nn.Linear(16, 12)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.answer(self.memory(self.embedding(tokens))[0])


@pytest.mark.parametrize("shift", [0, 1])
def test_tokens_that_are_their_own_targets_are_named_in_the_first_step(shift: int) -> None:
    tokens = torch.randint(12, (64, 17), generator=torch.Generator().manual_seed(0))
    with watch(quiet=True) as watched:
        model = Reader()
        optimizer = torch.optim.Adam(model.parameters())
        for rows in tokens.split(16):
            output = model(rows[:, :-1])
            loss = F.cross_entropy(output.flatten(0, 1), rows[:, shift : shift + 16].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    finding = found(watched, "next-token-not-shifted")
    assert (finding is None) == (shift == 1)
    if finding is not None:
        own = test_tokens_that_are_their_own_targets_are_named_in_the_first_step
        assert finding.severity == "error"
        assert finding.where.line == line_of(own, "loss = F.cross_entropy(")


def test_a_loss_that_huge_inputs_broke_is_blamed_on_them() -> None:
    x, y = loops.samples()
    with watch(quiet=True) as watched:
        model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(20):
            loss = F.cross_entropy(model(3e9 + 1e9 * x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert watched.findings[0].kind == "inputs-not-normalised"
    assert watched.findings[0].where.line == line_of(test_a_loss_that_huge_inputs_broke_is_blamed_on_them, "model(3e9")
