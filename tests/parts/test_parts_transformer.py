from __future__ import annotations

import math
import re
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError, UsageError
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.losses import cross_entropy
from trainwright.parts.networks import transformer
from trainwright.parts.networks.attention import Rotation
from trainwright.parts.networks.transformer import Decoder, decoder, generate
from trainwright.randomness import isolated
from trainwright.records import DataShape

VOCABULARY, CONTEXT = 11, 8
SHAPE = DataShape(input_shape=(CONTEXT,), outputs=VOCABULARY, task="classification", vocabulary=VOCABULARY)
SMALL: dict[str, Any] = {"layers": 2, "heads": 2, "width": 16, "dropout": 0.0}
KINDS = [
    pytest.param({"norm": norm, "positions": positions, "tied": tied}, id=f"{norm}-{positions}-{tied}")
    for norm, positions, tied in [
        ("layer", "rotary", False),
        ("layer", "learned", True),
        ("rms", "rotary", True),
        ("rms", "learned", False),
    ]
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def built(seed: int = 0, shape: DataShape = SHAPE, **options: Any) -> Decoder:
    with isolated(seed, "initialisation"):
        model = decoder(shape, **{**SMALL, **options})
    assert isinstance(model, Decoder)
    return model


def stirred(model: Decoder, seed: int = 1) -> Decoder:
    """The model with weights so large that attention and hidden layers matter, and scales that are not 1."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.copy_(torch.rand(parameter.shape, generator=draw) + 0.5)
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.4)
    return model


def tokens(samples: int = 3, length: int = CONTEXT, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCABULARY, (samples, length), generator=torch.Generator().manual_seed(seed))


def by_hand(model: Decoder, ids: list[int], heads: int, norm: str) -> torch.Tensor:
    """One sequence, token by token and head by head, in float64: the formulas of the papers, one after the other."""
    weights = {name: value.detach().double() for name, value in model.state_dict().items()}

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        centred = x - x.mean() if norm == "layer" else x
        return centred / torch.sqrt((centred * centred).mean() + 1e-5) * weights[f"{name}.weight"]

    def turned(x: torch.Tensor, place: int) -> torch.Tensor:
        if "positions.weight" in weights:
            return x
        out = torch.empty_like(x)
        for i in range(0, len(x), 2):
            angle = place * 10_000.0 ** (-i / len(x))
            out[i] = x[i] * math.cos(angle) - x[i + 1] * math.sin(angle)
            out[i + 1] = x[i] * math.sin(angle) + x[i + 1] * math.cos(angle)
        return out

    stream = [weights["embedding.weight"][token] for token in ids]
    if "positions.weight" in weights:
        stream = [x + weights["positions.weight"][place] for place, x in enumerate(stream)]
    width = len(stream[0])
    size = width // heads
    for block in range(len(model.blocks)):
        prefix = f"blocks.{block}"
        projected = [
            weights[f"{prefix}.attention.queries_keys_values.weight"] @ normed(x, f"{prefix}.attention_norm")
            for x in stream
        ]
        after = []
        for place, x in enumerate(stream):
            mixed = []
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                query = turned(projected[place][:width][part], place)
                keys = [turned(projected[other][width : 2 * width][part], other) for other in range(place + 1)]
                values = [projected[other][2 * width :][part] for other in range(place + 1)]
                scores = [math.exp(float(query @ key) / math.sqrt(size)) for key in keys]
                mixed.append(sum(s / sum(scores) * v for s, v in zip(scores, values, strict=True)))
            after.append(x + weights[f"{prefix}.attention.output.weight"] @ torch.cat(mixed))
        stream = []
        for x in after:
            hidden = weights[f"{prefix}.widen.weight"] @ normed(x, f"{prefix}.hidden_norm")
            hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
            stream.append(x + weights[f"{prefix}.narrow.weight"] @ hidden)
    return torch.stack([weights["output.weight"] @ normed(x, "norm") for x in stream])


@every_kind
@pytest.mark.parametrize("length", [1, 5, CONTEXT])
def test_a_decoder_computes_the_formulas_of_the_papers(kind: dict[str, Any], length: int) -> None:
    model = stirred(built(**kind)).double()
    ids = tokens(2, length)
    with torch.no_grad():
        logits = model(ids)
    assert logits.shape == (2, VOCABULARY, length)
    for row, sequence in zip(logits, ids.tolist(), strict=True):
        torch.testing.assert_close(row.T, by_hand(model, sequence, 2, kind["norm"]), rtol=1e-6, atol=1e-6)


@every_kind
def test_a_later_token_changes_no_earlier_logit(kind: dict[str, Any]) -> None:
    model = stirred(built(**kind))
    ids = tokens(1)
    with torch.no_grad():
        before = model(ids)
        for place in range(CONTEXT):
            changed = ids.clone()
            changed[0, place] = (ids[0, place] + 1) % VOCABULARY
            after = model(changed)
            torch.testing.assert_close(after[..., :place], before[..., :place], rtol=1e-5, atol=1e-5)
            moved = (after - before).abs().amax(1)[0]
            assert bool((moved[place:] > 1e-4).all())  # and every later one sees it


@every_kind
def test_a_window_shorter_than_the_context_is_the_beginning_of_a_long_one(kind: dict[str, Any]) -> None:
    model, ids = stirred(built(**kind)), tokens()
    with torch.no_grad():
        whole = model(ids)
        for length in range(1, CONTEXT):
            torch.testing.assert_close(model(ids[:, :length]), whole[..., :length], rtol=1e-5, atol=1e-5)


def test_more_tokens_than_the_context_are_refused() -> None:
    with pytest.raises(ModelError, match=rf"built for {CONTEXT} tokens and cannot take {CONTEXT + 1}"):
        built()(tokens(2, CONTEXT + 1))


@given(seed=st.integers(0, 1000), shift=st.integers(1, 6), size=st.sampled_from([2, 4, 10]))
@settings(deadline=None, max_examples=30)
def test_a_rotation_keeps_lengths_and_lets_products_depend_on_distance_alone(seed: int, shift: int, size: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    rotation = Rotation(16, size, 1).double()
    query, key = torch.randn(2, size, generator=draw, dtype=torch.float64)
    queries, keys = (rotation(vector.expand(1, 16, size))[0] for vector in (query, key))
    products = queries @ keys.T
    torch.testing.assert_close(queries.norm(dim=1), query.norm().expand(16), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(products[shift:, shift:], products[:-shift, :-shift], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(queries[0], query)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_rotation_is_the_same_where_the_compiler_writes_it(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    rotation = Rotation(16, 6, 4)
    x = torch.randn(3, 9, 24, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    once = rotation(x)
    (slope,) = torch.autograd.grad(once.float().square().sum(), x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    again = rotation(x)
    assert once.dtype == again.dtype == dtype
    torch.testing.assert_close(again, once)
    torch.testing.assert_close(torch.autograd.grad(again.float().square().sum(), x)[0], slope)


@every_kind
def test_the_loss_begins_near_the_logarithm_of_the_vocabulary(kind: dict[str, Any]) -> None:
    # G2, chapter 2: no token is favoured before anything is learned.
    shape = DataShape(input_shape=(64,), outputs=65, task="classification", vocabulary=65)
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randint(65, (2, 16, 64), generator=draw)
    with torch.no_grad():
        loss = cross_entropy(built(shape=shape, layers=4, heads=4, width=128, **kind)(x), y).item()
    assert loss == pytest.approx(math.log(65), abs=0.06)


@every_kind
def test_the_gradient_of_every_parameter_is_the_slope_of_the_loss(kind: dict[str, Any]) -> None:
    model = stirred(built(**kind)).double()
    x, y = tokens(2), tokens(2, seed=1)
    cross_entropy(model(x), y).backward()
    draw = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name
        direction = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
        with torch.no_grad():
            sides = []
            for step in (1e-5, -1e-5):
                parameter.add_(direction, alpha=step)
                sides.append(cross_entropy(model(x), y).item())
                parameter.sub_(direction, alpha=step)
        slope = (sides[0] - sides[1]) / 2e-5
        assert slope == pytest.approx(float((parameter.grad * direction).sum()), rel=1e-4, abs=1e-8), name


@every_kind
def test_a_tiny_text_is_learned_by_heart(kind: dict[str, Any]) -> None:
    text = tokens(1, 4 * CONTEXT + 1, seed=5)[0]
    x, y = text[:-1].view(4, CONTEXT), text[1:].view(4, CONTEXT)
    model = built(width=32, **kind)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        told = model(x)
    # The first token of a window has nothing before it but itself; what follows is settled by what came.
    assert cross_entropy(told[..., 2:], y[:, 2:]).item() < 0.05


def test_tied_weights_are_one_parameter() -> None:
    tied, free = built(tied=True), built(tied=False)
    assert tied.output.weight is tied.embedding.weight
    counted = [sum(parameter.numel() for parameter in model.parameters()) for model in (tied, free)]
    assert counted[1] - counted[0] == VOCABULARY * SMALL["width"]
    before = tied.embedding.weight.detach().clone()
    cross_entropy(tied(tokens()), tokens(seed=1)).backward()
    torch.optim.SGD(tied.parameters(), lr=1.0).step()
    assert not torch.equal(tied.embedding.weight, before)
    assert torch.equal(tied.embedding.weight, tied.output.weight)


def test_weights_cannot_be_tied_to_other_outputs() -> None:
    shape = DataShape(input_shape=(CONTEXT,), outputs=3, task="classification", vocabulary=VOCABULARY)
    assert built(shape=shape)(tokens()).shape == (3, 3, CONTEXT)
    with pytest.raises(ModelError, match=r"3 outputs, 11 different tokens(.|\n)*model\.tied = false"):
        built(shape=shape, tied=True)


def test_the_size_is_that_of_the_small_recipe() -> None:
    shape = DataShape(input_shape=(64,), outputs=65, task="classification", vocabulary=65)
    options = resolve_options(transformer.SPEC.options, {}, "model 'transformer'")
    model = transformer.SPEC.factory(shape, **options)
    # Four blocks of 12 width^2 weights and two norms; the last norm; an embedding and an output layer.
    assert sum(parameter.numel() for parameter in model.parameters()) == 4 * (12 * 128**2 + 256) + 128 + 2 * 65 * 128


@pytest.mark.parametrize("layers", [1, 8])
def test_weights_keep_the_size_of_what_passes_and_blocks_add_less_the_more_there_are(layers: int) -> None:
    model = built(layers=layers, width=128, heads=4)
    deep = math.sqrt(2 * layers)
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    gain = 1 / F.gelu(z).square().mean().sqrt().item()  # a GELU follows, which lets less than all of it through
    wanted = {
        "attention.queries_keys_values": 1 / math.sqrt(128),
        "attention.output": 1 / math.sqrt(128) / deep,
        "widen": gain / math.sqrt(128),
        "narrow": 1 / math.sqrt(512) / deep,
    }
    for block in model.blocks.children():
        parts = dict(block.named_parameters())
        for name, std in wanted.items():
            assert parts[f"{name}.weight"].std().item() == pytest.approx(std, rel=0.03), name


def test_embeddings_begin_small_and_those_that_are_the_output_too_smaller() -> None:
    shape = DataShape(input_shape=(CONTEXT,), outputs=500, task="classification", vocabulary=500)
    for tied, std in ((False, 0.1), (True, 0.02)):
        weight = built(shape=shape, width=64, tied=tied).embedding.weight
        assert weight.std().item() == pytest.approx(std, rel=0.03)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
@given(width=st.integers(1, 40), heads=st.integers(1, 50))
@settings(deadline=None, max_examples=60)
def test_heads_that_do_not_divide_the_width_are_refused_with_the_nearest_that_do(
    positions: str, width: int, heads: int
) -> None:
    unit = 2 if positions == "rotary" else 1
    options: dict[str, Any] = {"layers": 1, "width": width, "heads": heads, "positions": positions}
    if width % (heads * unit) == 0:
        assert built(**options)(tokens(1)).shape == (1, VOCABULARY, CONTEXT)
        return
    with pytest.raises(ModelError) as caught:
        built(**options)
    named = re.search(r"model\.(heads|width) = (\d+)", caught.value.remedy)
    assert named is not None
    if named[1] == "width":
        assert (width % 2, unit, int(named[2])) == (1, 2, width + 1)
        return
    distance = abs(int(named[2]) - heads)
    assert width % (int(named[2]) * unit) == 0
    nearer = range(max(1, heads - distance + 1), heads + distance)
    assert not any(width % (number * unit) == 0 for number in nearer)


def test_dropout_works_in_training_alone_and_reaches_attention_and_stream() -> None:
    model = stirred(built(dropout=0.5))
    ids = tokens()
    with torch.no_grad(), isolated(0, "dropout"):
        assert not torch.equal(model.train()(ids), model(ids))
        assert torch.equal(model.eval()(ids), model(ids))
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad(), isolated(0, "dropout"):
        assert not torch.equal(model(ids), model(ids))  # what is left is the dropout of attention


def test_half_precision_computes_the_same() -> None:
    model = stirred(built())
    with torch.no_grad():
        whole = model(tokens())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(tokens())
    assert half.dtype == torch.bfloat16
    assert F.cosine_similarity(whole.flatten(), half.float().flatten(), dim=0) > 0.999


def test_nothing_that_is_computed_is_saved() -> None:
    names = set(built().state_dict())
    assert names == {name for name, _ in built().named_parameters()}


def test_the_encoder_takes_what_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[DataShape, dict[str, Any]]] = []

    def encoder(shape: DataShape, **options: Any) -> nn.Module:
        seen.append((shape, options))
        return nn.Flatten()

    stand_in = ModuleType("table_transformer")
    stand_in.__dict__["encoder"] = encoder
    monkeypatch.setitem(sys.modules, "trainwright.parts.networks.table_transformer", stand_in)
    options = resolve_options(transformer.SPEC.options, {"width": 32}, "model 'transformer'")
    shapes = [
        DataShape(input_shape=(6,), outputs=3, task="classification", groups=(1, 1, 4)),
        DataShape(input_shape=(20, 5), outputs=1, task="regression"),
    ]
    for shape in shapes:
        transformer.SPEC.factory(shape, **options)
    assert [shape for shape, _ in seen] == shapes
    assert seen[0][1] == {name: options[name] for name in ("layers", "heads", "width", "dropout")}
    with pytest.raises(UsageError, match=r"model\.positions belongs to the decoder"):
        transformer.SPEC.factory(shapes[0], **{**options, "positions": "learned"})
    assert isinstance(transformer.SPEC.factory(SHAPE, **options), Decoder)


def cycling() -> Decoder:
    """A decoder that has learned to count: after token t comes (t + 1) % VOCABULARY."""
    model = built(layers=1, width=32)
    starts = torch.arange(VOCABULARY)[:, None]
    x = (starts + torch.arange(CONTEXT)) % VOCABULARY
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(model(x), (x + 1) % VOCABULARY).backward()
        optimizer.step()
    return model


def test_a_text_goes_on_beyond_the_context_as_it_was_learned() -> None:
    model, draw = cycling(), torch.Generator().manual_seed(0)
    wanted = torch.arange(3, 3 + 2 + 3 * CONTEXT) % VOCABULARY
    for temperature in (0.0, 0.1):
        told = generate(model, wanted[:2], 3 * CONTEXT, temperature=temperature, generator=draw)
        assert torch.equal(told, wanted)
    pair = torch.stack([wanted[:4], wanted[1:5]])
    told = generate(nn.Sequential(model, nn.LogSoftmax(1)), pair, 6, temperature=0.0, generator=draw)
    assert torch.equal(told, torch.stack([wanted[:10], wanted[1:11]]))


def test_generating_is_a_function_of_its_generator_and_leaves_no_trace() -> None:
    model, prompt = built(dropout=0.5).train(), tokens(2, 3)
    before = torch.get_rng_state()

    def drawn(seed: int, temperature: float = 1.0) -> torch.Tensor:
        return generate(model, prompt, 30, temperature=temperature, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
    assert torch.equal(drawn(0)[:, :3], prompt)
    assert drawn(0).shape == (2, 33)
    assert torch.equal(drawn(0, 0.0), drawn(1, 0.0))
    assert torch.equal(before, torch.get_rng_state())
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_often_as_the_temperature_says(temperature: float) -> None:
    model = stirred(built())
    prompt = tokens(1, 4)
    with torch.no_grad():
        wanted = (model(prompt)[0, :, -1].double() / temperature).softmax(0)
    draws = 4000
    told = generate(
        model, prompt.expand(draws, 4), 1, temperature=temperature, generator=torch.Generator().manual_seed(3)
    )
    shares = torch.bincount(told[:, -1], minlength=VOCABULARY).double() / draws
    # Five standard errors of a share p over so many draws.
    assert bool(((shares - wanted).abs() <= 5 * (wanted * (1 - wanted) / draws).sqrt() + 1e-3).all())


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        (torch.zeros(0, dtype=torch.int64), {}, "at least one token"),
        (torch.zeros(3), {}, "at least one token"),
        (torch.zeros(1, 1, 1, dtype=torch.int64), {}, "at least one token"),
        (torch.zeros(3, dtype=torch.int64), {"temperature": -1.0}, "not negative"),
        (torch.zeros(3, dtype=torch.int64), {"temperature": math.nan}, "not negative"),
        (torch.zeros(3, dtype=torch.int64), {"count": -1}, "not negative"),
    ],
)
def test_what_cannot_go_on_is_refused(prompt: torch.Tensor, options: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"count": 1, "temperature": 1.0, **options}
    with pytest.raises(UsageError, match=message):
        generate(built(), prompt, generator=torch.Generator(), **values)
    with pytest.raises(UsageError, match="only a decoder"):
        generate(nn.Linear(2, 2), torch.zeros(3, dtype=torch.int64), 1, temperature=1.0, generator=torch.Generator())
