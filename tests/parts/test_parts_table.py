from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainwright.errors import ModelError
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.groups import decay_table
from trainwright.parts.losses import cross_entropy
from trainwright.parts.networks.table import SPEC
from trainwright.parts.networks.table_columns import Categories, Curves, layout, squash
from trainwright.randomness import isolated
from trainwright.records import DataShape
from trainwright.tensors import digest, is_normalisation

KINDS = {
    "mixed": (1, 3, 1, 1, 2, 5),
    "numbers": (1, 1, 1),
    "categories": (3, 2, 4),
    "one number": (1,),
    "one category": (4,),
    "no groups": (),
}
every_kind = pytest.mark.parametrize("groups", KINDS.values(), ids=KINDS)


def shape_of(groups: Sequence[int], outputs: int = 3) -> DataShape:
    inputs = sum(groups) or 6
    return DataShape(input_shape=(inputs,), outputs=outputs, task="classification", groups=tuple(groups))


def built(groups: Sequence[int], seed: int = 0, outputs: int = 3, **options: Any) -> nn.Module:
    with isolated(seed, "initialisation"):
        return SPEC.factory(shape_of(groups, outputs), **resolve_options(SPEC.options, options, "model 'table'"))


def rows(groups: Sequence[int], count: int = 32, seed: int = 0) -> torch.Tensor:
    """Numbers are normal, of a category one input at most is 1: now and then a value was not seen in training."""
    draw = np.random.default_rng(seed)
    columns = []
    for width in groups or (1,) * 6:
        if width == 1:
            columns.append(draw.normal(size=(count, 1)))
        else:
            columns.append(np.vstack([np.eye(width), np.zeros(width)])[draw.integers(width + 1, size=count)])
    return torch.from_numpy(np.concatenate(columns, 1)).float()


def by_hand(model: nn.Module, groups: Sequence[int], row: Sequence[float], depth: int) -> np.ndarray:
    """The answer for one row in evaluation, column by column, in float64, ReLU and no norm."""
    weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    numbers, curves, words = [], [], []
    place, number, word = 0, 0, 0
    for width in groups:
        if width == 1:
            x = row[place] / math.sqrt(1 + (row[place] / 3) ** 2)
            numbers.append(x)
            curve = weights["0.bias"][number].copy()
            for k in range(24):
                f = 2.0 ** (-5 + 9 * k / 23)  # 1/32 to 16
                a = 1 / math.sqrt(math.sqrt(1 + (f / 0.2) ** 2))
                curve += a * math.cos(2 * math.pi * f * x) * weights["0.curves.weight"][number, k]
                curve += a * math.sin(2 * math.pi * f * x) * weights["0.curves.weight"][number, 24 + k]
            curves.append(np.maximum(curve, 0))
            number += 1
        else:
            ones = [i for i in range(width) if row[place + i] == 1]
            table = weights["0.categories.embedding"][word : word + width]
            words.append(table[ones[0]] if ones else np.zeros(table.shape[1]))
            word += width
        place += width
    x = np.concatenate([np.array(numbers), *curves, *words])
    linears = sorted({name.rpartition(".")[0] for name in weights if name[0] != "0"}, key=int)
    assert len(linears) == depth + 1
    for layer in linears:
        x = weights[f"{layer}.weight"] @ x + weights[f"{layer}.bias"]
        x = x if layer == linears[-1] else np.maximum(x, 0)
    return x


@every_kind
@pytest.mark.parametrize("depth", [0, 2])
def test_the_network_is_what_the_formulas_say(groups: tuple[int, ...], depth: int) -> None:
    model = built(groups, depth=depth, width=8, embedding=3).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, dtype=torch.float64))
    x = rows(groups)
    expected = np.stack([by_hand(model, groups or (1,) * 6, row, depth) for row in x.double().tolist()])
    # The frequencies are kept in float32, and the fastest wave turns by 300 radians.
    np.testing.assert_allclose(model(x.double()).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_block_of_zeros_and_a_one_is_an_embedding_lookup() -> None:
    blocks = [slice(1, 4), slice(5, 10)]
    categories = Categories(blocks, 6).double()
    ids = torch.tensor([[0, 4], [2, 0], [1, 3]])
    x = torch.randn(3, 11, dtype=torch.float64)
    for column, block in enumerate(blocks):
        x[:, block] = nn.functional.one_hot(ids[:, column], block.stop - block.start).double()
    first, second = nn.Embedding(3, 6, dtype=torch.float64), nn.Embedding(5, 6, dtype=torch.float64)
    with torch.no_grad():
        first.weight.copy_(categories.embedding[:3])
        second.weight.copy_(categories.embedding[3:])
    expected = torch.stack([first(ids[:, 0]), second(ids[:, 1])], 1)
    assert torch.equal(categories(x), expected)
    categories(x).square().sum().backward()
    expected.square().sum().backward()
    assert first.weight.grad is not None
    assert second.weight.grad is not None
    torch.testing.assert_close(categories.embedding.grad, torch.cat([first.weight.grad, second.weight.grad]))


def test_a_blend_of_two_categories_has_the_blend_of_their_embeddings() -> None:
    categories = Categories([slice(0, 3)], 5).double()
    x = torch.tensor([[0.3, 0.0, 0.7]], dtype=torch.float64)
    expected = 0.3 * categories.embedding[0] + 0.7 * categories.embedding[2]
    torch.testing.assert_close(categories(x)[0, 0], expected)


def test_a_category_that_was_not_seen_in_training_has_no_embedding() -> None:
    assert not Categories([slice(0, 3)], 5)(torch.zeros(2, 3)).any()


@given(x=st.floats(-1e30, 1e30), y=st.floats(-1e30, 1e30))
@settings(deadline=None)
def test_squashing_keeps_the_order_the_sign_and_the_middle(x: float, y: float) -> None:
    low, high = squash(torch.tensor([min(x, y), max(x, y)])).tolist()
    assert -3.000001 <= low <= high <= 3.000001
    assert math.copysign(1, squash(torch.tensor([x])).item()) == math.copysign(1, x)
    if abs(x) < 0.1:
        assert squash(torch.tensor([x], dtype=torch.float64)).item() == pytest.approx(x, rel=1e-3)


def test_an_outlier_has_a_finite_gradient() -> None:
    x = torch.tensor([0.0, 1e20, -1e38], requires_grad=True)
    squash(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad[0] == 1


def test_curves_can_tell_places_apart_that_lie_a_thirtieth_apart() -> None:
    # A straight line through alternating targets is no better than their mean.
    curves = Curves(1, 1)
    x = torch.arange(30)[:, None] / 30
    y = (torch.arange(30) % 2).float()
    waves = curves.waves(x)[:, 0]
    solution = torch.linalg.lstsq(waves.double(), y.double()[:, None], driver="gelsd").solution
    assert (waves.double() @ solution)[:, 0].sub(y).abs().max() < 0.05


def test_untrained_curves_are_small_and_smooth_beside_the_numbers() -> None:
    curves = Curves(50, 40)
    x = torch.linspace(-2, 2, 401)[:, None].expand(-1, 50)
    with torch.no_grad():
        values = curves(x)
    assert 0.02 < values.std() < 0.1


@every_kind
def test_every_parameter_is_reached_by_a_gradient(groups: tuple[int, ...]) -> None:
    model = built(groups, dropout=0.0)
    cross_entropy(model(rows(groups)), torch.arange(32) % 3).backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.any(), path


@every_kind
@pytest.mark.parametrize("classes", [2, 10])
def test_an_untrained_network_favours_no_class(groups: tuple[int, ...], classes: int) -> None:
    with torch.no_grad():
        loss = cross_entropy(built(groups, outputs=classes).eval()(rows(groups, 256)), torch.arange(256) % classes)
    assert loss.item() == pytest.approx(math.log(classes), abs=0.05)


@every_kind
def test_an_untrained_network_predicts_the_mean_of_standardised_targets(groups: tuple[int, ...]) -> None:
    y = torch.randn(256, 1)
    with torch.no_grad():
        error = (built(groups, outputs=1).eval()(rows(groups, 256)) - y).square().mean()
    assert error.item() == pytest.approx(y.square().mean().item(), abs=0.1)


@given(order=st.permutations(range(len(KINDS["mixed"]))))
@settings(deadline=None, max_examples=30)
def test_columns_in_another_order_give_the_same_answers(order: list[int]) -> None:
    groups = KINDS["mixed"]
    starts = np.cumsum((0, *groups))[:-1]
    model = built(groups, width=8, embedding=3).double().eval()
    moved_groups = tuple(groups[column] for column in order)
    moved = built(moved_groups, width=8, embedding=3, seed=1).double().eval()
    # What belongs to a column moves with it; the first layer reads numbers, curves and embeddings, in this order.
    numbers = [[column for column in order_ if groups[column] == 1] for order_ in (range(len(groups)), order)]
    words = [[column for column in order_ if groups[column] > 1] for order_ in (range(len(groups)), order)]
    number = [numbers[0].index(column) for column in numbers[1]]
    word = [words[0].index(column) for column in words[1]]
    rows_of = np.split(np.arange(sum(groups[c] for c in words[0])), np.cumsum([groups[c] for c in words[0]])[:-1])
    state = model.state_dict()
    state["0.curves.weight"] = state["0.curves.weight"][number]
    state["0.bias"] = state["0.bias"][number]
    state["0.categories.embedding"] = state["0.categories.embedding"][
        np.concatenate([rows_of[place] for place in word])
    ]
    first = next(name for name in state if name.endswith(".weight") and name[0] != "0")
    plain, curved, embedded = np.split(np.arange(state[first].shape[1]), [len(number), 4 * len(number)])
    features = [plain[number], curved.reshape(-1, 3)[number].ravel(), embedded.reshape(-1, 3)[word].ravel()]
    state[first] = state[first][:, np.concatenate(features)]
    moved.load_state_dict(state)
    x = rows(groups).double()
    places = np.concatenate([np.arange(starts[column], starts[column] + groups[column]) for column in order])
    torch.testing.assert_close(moved(x[:, places]), model(x))


@every_kind
def test_the_network_is_a_function_of_the_seed(groups: tuple[int, ...]) -> None:
    digests = [digest(built(groups, seed=seed).state_dict()) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


@every_kind
def test_without_dropout_training_is_deterministic(groups: tuple[int, ...]) -> None:
    digests = []
    for _ in range(2):
        model = built(groups, dropout=0.0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(3):
            optimizer.zero_grad()
            cross_entropy(model(rows(groups)), torch.arange(32) % 3).backward()
            optimizer.step()
        digests.append(digest(model.state_dict()))
    assert digests[0] == digests[1]


def test_dropout_acts_on_embeddings_and_hidden_units_and_only_in_training() -> None:
    x = rows(KINDS["mixed"])
    model = built(KINDS["mixed"], dropout=0.5, depth=2)
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.5] * 3
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
    assert not any(isinstance(module, nn.Dropout) for module in built(KINDS["mixed"], dropout=0.0).modules())


@pytest.mark.parametrize("norm", SPEC.options["norm"].choices)
@pytest.mark.parametrize("activation", SPEC.options["activation"].choices)
def test_every_norm_and_activation_can_be_chosen(norm: str, activation: str) -> None:
    model = built(KINDS["mixed"], norm=norm, activation=activation)
    assert any(is_normalisation(module) for module in model.modules()) is (norm != "none")
    output = model(rows(KINDS["mixed"]))
    output.square().mean().backward()
    assert torch.isfinite(output).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


def test_embeddings_and_biases_do_not_decay_and_weights_do() -> None:
    decays = {row.name: row.decays for row in decay_table(built(KINDS["mixed"]))}
    assert not decays["0.categories.embedding"]
    assert not decays["0.bias"]
    assert decays["0.curves.weight"]
    assert sum(decays.values()) == 4  # the curves' and three Linear layers'


def test_the_layout_tells_numbers_from_categories() -> None:
    found = layout(shape_of((1, 3, 1, 2)))
    assert found.numbers == (0, 4)
    assert found.categories == (slice(1, 4), slice(5, 7))
    assert layout(shape_of(())).numbers == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("groups", [(1, 1), (3, 4), (6, 0), (7, -1)])
def test_groups_that_do_not_add_up_are_refused(groups: tuple[int, ...]) -> None:
    shape = DataShape(input_shape=(6,), outputs=1, task="regression", groups=groups)
    with pytest.raises(ModelError, match="do not add up") as caught:
        SPEC.factory(shape, **resolve_options(SPEC.options, {}, "model 'table'"))
    assert str(groups) in caught.value.evidence


def test_the_network_learns_a_jagged_function_of_a_number_and_a_category() -> None:
    # Steps of a quarter in the number, turned round by the category: for a plain network hard in so few steps.
    draw = torch.Generator().manual_seed(0)
    number = torch.randn(512, 1, generator=draw)
    word = torch.randint(3, (512,), generator=draw)
    x = torch.cat([number, nn.functional.one_hot(word, 3).float()], 1)
    y = ((number[:, 0] * 4).floor() % 2).long() ^ (word == 1).long()
    model = built((1, 3), outputs=2, dropout=0.0, width=64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(1) == y).float().mean() > 0.97
