from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainwright.errors import ModelError
from trainwright.parts.groups import decay_table
from trainwright.parts.losses import cross_entropy
from trainwright.parts.networks.table_transformer import Encoder, PlaceTokens, encoder
from trainwright.parts.networks.transformer import SPEC
from trainwright.randomness import isolated
from trainwright.records import DataShape
from trainwright.tensors import digest

MIXED = (1, 3, 1, 2)
SMALL: dict[str, Any] = {"layers": 2, "heads": 2, "width": 8, "dropout": 0.0}
SHAPES = {
    "mixed": ((7,), MIXED),
    "numbers": ((5,), (1,) * 5),
    "categories": ((7,), (3, 4)),
    "one number": ((1,), (1,)),
    "one category": ((4,), (4,)),
    "no groups": ((6,), ()),
    "sequence": ((5, 3), ()),
}
every_shape = pytest.mark.parametrize(("size", "groups"), SHAPES.values(), ids=SHAPES)


def shape_of(size: tuple[int, ...], groups: tuple[int, ...] = (), outputs: int = 3) -> DataShape:
    return DataShape(input_shape=size, outputs=outputs, task="classification", groups=groups)


def built(shape: DataShape, seed: int = 0, **options: Any) -> Encoder:
    with isolated(seed, "initialisation"):
        model = encoder(shape, **{**SMALL, **options})
    assert isinstance(model, Encoder)
    return model


def stirred(model: Encoder) -> Encoder:
    """The model in float64 and evaluation with weights that all matter, none at its special first value."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape))
    return model.double().eval()


def rows(size: tuple[int, ...], groups: tuple[int, ...] = (), count: int = 32) -> torch.Tensor:
    """Numbers are normal, of a category one input at most is 1: now and then a value was not seen in training."""
    draw = np.random.default_rng(0)
    if not groups:
        return torch.from_numpy(draw.normal(size=(count, *size))).float()
    columns = [
        draw.normal(size=(count, 1))
        if width == 1
        else np.vstack([np.eye(width), np.zeros(width)])[draw.integers(width + 1, size=count)]
        for width in groups
    ]
    return torch.from_numpy(np.concatenate(columns, 1)).float()


def tokens_by_hand(weights: dict[str, np.ndarray], row: np.ndarray, groups: tuple[int, ...]) -> list[np.ndarray]:
    """The tokens of one sample, numbers before categories, from the formulas."""
    if row.ndim == 2:
        places = zip(row, weights["tokens.positions"], strict=True)
        return [
            weights["tokens.projection.weight"] @ x + weights["tokens.projection.bias"] + place for x, place in places
        ]
    numbers, words, place, word = [], [], 0, 0
    for width in groups or (1,) * len(row):
        if width == 1:
            column, x = len(numbers), row[place] / math.sqrt(1 + (row[place] / 3) ** 2)
            token = x * weights["tokens.slope"][column]
            for k in range(24):
                f = 2.0 ** (-5 + 9 * k / 23)  # 1/32 to 16
                a = 1 / math.sqrt(math.sqrt(1 + (f / 0.2) ** 2))
                token = token + a * math.cos(2 * math.pi * f * x) * weights["tokens.curves.weight"][column, k]
                token = token + a * math.sin(2 * math.pi * f * x) * weights["tokens.curves.weight"][column, 24 + k]
            numbers.append(token)
        else:
            table = weights["tokens.categories.embedding"][word : word + width]
            words.append(row[place : place + width] @ table)
            word += width
        place += width
    return [token + bias for token, bias in zip([*numbers, *words], weights["tokens.bias"], strict=True)]


def by_hand(model: Encoder, row: np.ndarray, groups: tuple[int, ...], heads: int) -> np.ndarray:
    """One sample, token by token and head by head, in float64."""
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}

    def normed(x: np.ndarray, name: str) -> np.ndarray:
        x = (x - x.mean()) / math.sqrt(x.var() + 1e-5)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def layer(x: np.ndarray, name: str) -> np.ndarray:
        return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]

    tokens = [weights["first"], *tokens_by_hand(weights, row, groups)]
    width = len(tokens[0])
    size = width // heads
    for block in (f"blocks.{number}" for number in range(len(model.blocks))):
        triples = [
            weights[f"{block}.queries_keys_values.weight"] @ normed(x, f"{block}.attention_norm") for x in tokens
        ]
        mixed = []
        for mine in triples:
            parts = []
            for head in range(heads):
                channels = slice(head * size, (head + 1) * size)
                scores = [mine[:width][channels] @ other[width : 2 * width][channels] for other in triples]
                shares = np.exp(np.array(scores) / math.sqrt(size))
                values = np.stack([other[2 * width :][channels] for other in triples])
                parts.append(shares @ values / shares.sum())
            mixed.append(np.concatenate(parts))
        tokens = [x + layer(mix, f"{block}.mix") for x, mix in zip(tokens, mixed, strict=True)]
        for place, x in enumerate(tokens):
            hidden = layer(normed(x, f"{block}.hidden_norm"), f"{block}.widen")
            hidden = np.array([0.5 * z * (1 + math.erf(z / math.sqrt(2))) for z in hidden])
            tokens[place] = x + layer(hidden, f"{block}.narrow")
    return layer(normed(tokens[0], "norm"), "output")


@every_shape
@pytest.mark.parametrize("heads", [1, 4])
def test_the_encoder_is_what_the_formulas_say(size: tuple[int, ...], groups: tuple[int, ...], heads: int) -> None:
    model = stirred(built(shape_of(size, groups), heads=heads))
    x = rows(size, groups, 6).double()
    expected = np.stack([by_hand(model, row, groups, heads) for row in x.numpy()])
    # The frequencies are kept in float32, and the fastest wave turns by 300 radians.
    np.testing.assert_allclose(model(x).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


@every_shape
def test_every_parameter_is_reached_by_a_gradient(size: tuple[int, ...], groups: tuple[int, ...]) -> None:
    model = built(shape_of(size, groups))
    cross_entropy(model(rows(size, groups)), torch.arange(32) % 3).backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.any(), path


@every_shape
def test_an_untrained_encoder_favours_no_class(size: tuple[int, ...], groups: tuple[int, ...]) -> None:
    with torch.no_grad():
        model = built(shape_of(size, groups, 10), width=32).eval()
        loss = cross_entropy(model(rows(size, groups, 256)), torch.arange(256) % 10)
    assert loss.item() == pytest.approx(math.log(10), abs=0.05)


@every_shape
def test_the_encoder_is_a_function_of_the_seed(size: tuple[int, ...], groups: tuple[int, ...]) -> None:
    digests = [digest(built(shape_of(size, groups), seed=seed).state_dict()) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_columns_in_another_order_give_the_same_answers() -> None:
    model = stirred(built(shape_of((7,), MIXED)))
    moved = built(shape_of((7,), (2, 1, 3, 1))).double().eval()  # columns 3, 2, 1, 0
    state = model.state_dict()
    state["tokens.bias"] = state["tokens.bias"][[1, 0, 3, 2]]
    for name in ("tokens.slope", "tokens.curves.weight"):
        state[name] = state[name][[1, 0]]
    state["tokens.categories.embedding"] = state["tokens.categories.embedding"][[3, 4, 0, 1, 2]]
    moved.load_state_dict(state)
    x = rows((7,), MIXED).double()
    torch.testing.assert_close(moved(x[:, [5, 6, 4, 1, 2, 3, 0]]), model(x))


def test_the_places_of_a_sequence_matter_but_not_without_their_vectors() -> None:
    model, x = stirred(built(shape_of((5, 3)))), rows((5, 3)).double()
    assert not torch.allclose(model(x.flip(1)), model(x), atol=1e-3)
    assert isinstance(model.tokens, PlaceTokens)
    with torch.no_grad():
        model.tokens.positions.zero_()
    torch.testing.assert_close(model(x.flip(1)), model(x))


def test_a_shorter_sequence_has_the_first_places_and_a_longer_one_is_refused() -> None:
    model, x = stirred(built(shape_of((5, 3)))), rows((5, 3)).double()
    short = stirred(built(shape_of((4, 3))))
    state = model.state_dict()
    state["tokens.positions"] = state["tokens.positions"][:4]
    short.load_state_dict(state)
    torch.testing.assert_close(model(x[:, :4]), short(x[:, :4]))
    with pytest.raises(ModelError, match="built for sequences of 4 places and cannot take 5"):
        short(x)


def test_every_token_can_change_the_answer() -> None:
    model, x = stirred(built(shape_of((5, 3)))), rows((5, 3), count=1).double()
    for place in range(5):
        changed = x.clone()
        changed[:, place] += 1
        assert (model(changed) - model(x)).abs().max() > 1e-4


@every_shape
def test_dropout_is_there_when_asked_for_and_not_otherwise(size: tuple[int, ...], groups: tuple[int, ...]) -> None:
    x = rows(size, groups)
    for share in (0.0, 0.5):
        model = built(shape_of(size, groups), dropout=share).train()
        assert torch.equal(model(x), model(x)) is (share == 0)
        model.eval()
        assert torch.equal(model(x), model(x))


def test_the_branches_begin_smaller_where_there_are_more_blocks() -> None:
    # Each projection has variance 1 / fan_in, divided by twice the number of blocks.
    for layers in (1, 8):
        model = built(shape_of((7,), MIXED), layers=layers, width=64)
        for name, parameter in model.named_parameters():
            if name.endswith(("mix.weight", "narrow.weight")):
                expected = 1 / parameter.shape[1] / (2 * layers)
                assert parameter.var().item() == pytest.approx(expected, rel=0.15), name


def test_what_tells_columns_and_places_apart_does_not_decay() -> None:
    for size, groups in ((7,), MIXED), ((5, 3), ()):
        table = {row.name: row.decays for row in decay_table(built(shape_of(size, groups)))}
        kept = {"tokens.bias", "tokens.positions", "tokens.categories.embedding", "first"} & set(table)
        assert len(kept) == (3 if groups else 2)
        assert not any(table[name] for name in kept)
        assert table["blocks.0.mix.weight"]


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ModelError, match="3 heads") as caught:
        built(shape_of((7,), MIXED), heads=3)
    assert "model.heads = " in caught.value.remedy


def test_groups_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ModelError, match="do not add up"):
        built(shape_of((6,), MIXED))


def test_the_transformer_of_the_catalogue_takes_tables_and_sequences() -> None:
    for size, groups in ((7,), MIXED), ((5, 3), ()):
        model = SPEC.factory(shape_of(size, groups), **SMALL)
        assert isinstance(model, Encoder)
        assert model(rows(size, groups)).shape == (32, 3)


def test_the_encoder_learns_which_place_of_a_sequence_is_largest() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(256, 4, 2, generator=draw)
    y = x[:, :, 0].argmax(1)
    model = built(shape_of((4, 2), (), 4), width=32, heads=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    fresh = torch.randn(256, 4, 2, generator=draw)
    assert (model.eval()(fresh).argmax(1) == fresh[:, :, 0].argmax(1)).float().mean() > 0.85


def test_the_encoder_runs_under_bfloat16() -> None:
    model = built(shape_of((7,), MIXED))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(rows((7,), MIXED))
    assert torch.isfinite(output).all()
    reference = model(rows((7,), MIXED))
    assert nn.functional.mse_loss(output.float(), reference) < 1e-3
