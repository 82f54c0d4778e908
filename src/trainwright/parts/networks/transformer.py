"""The transformer: for text a decoder in the manner of GPT-2, for tables and sequences an encoder."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from trainwright import defaults
from trainwright.errors import ModelError, UsageError
from trainwright.parts.initializers import AUTO, initialise
from trainwright.parts.networks.attention import DecoderBlock, Rotation, check_heads, normalisation
from trainwright.parts.networks.common import count, dropout_option
from trainwright.records import DataShape, ModelSpec, Option
from trainwright.tensors import evaluating


class Decoder(nn.Module):
    """Predicts each token from those before it: from token ids `(N, L)`, int64, to logits `(N, outputs, L)`.

    L is at most `context`. Classes are dimension 1, where `cross_entropy` wants them for targets `(N, L)`. `positions`
    is "rotary" (no parameters, see `Rotation`) or "learned" (an embedding of places, as in GPT-2); `tied` says that
    the output layer shares the weights of the embedding.
    """

    def __init__(
        self,
        shape: DataShape,
        *,
        layers: int,
        heads: int,
        width: int,
        dropout: float,
        norm: str,
        positions: str,
        tied: bool,
    ) -> None:
        super().__init__()
        (self.context,) = shape.input_shape
        vocabulary, rotary = shape.vocabulary or shape.outputs, positions == "rotary"
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = None if rotary else nn.Embedding(self.context, width)
        self.rotation = Rotation(self.context, width // heads, 2 * heads) if rotary else None
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads, dropout=dropout, norm=norm) for _ in range(layers))
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(width, shape.outputs, bias=False)
        if tied:
            self.output.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map token ids `(N, L)` to logits `(N, outputs, L)`. Raises `ModelError` where L is above the context."""
        length = ids.shape[1]
        if length > self.context:
            raise ModelError(
                f"the decoder was built for {self.context} tokens and cannot take {length}",
                evidence=f"token ids of shape {tuple(ids.shape)}",
                remedy=f"pass the last {self.context} of them, or build it for more: data.context = {length}",
            )
        x = self.embedding(ids)
        if self.positions is not None:
            x = x + self.positions.weight[:length]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, self.rotation)
        return self.output(self.norm(x)).transpose(1, 2)


def decoder(
    shape: DataShape,
    *,
    layers: int,
    heads: int,
    width: int,
    dropout: float,
    norm: str = "layer",
    positions: str = "rotary",
    tied: bool = False,
) -> nn.Module:
    """Decoder for token ids, with the weights that it begins with; `shape.input_shape` is `(context,)`.

    Weights begin with a variance of 1 / fan_in, which keeps the size of what passes (`initialise`, "auto"); those of
    the layers whose outputs are added to the tokens are divided by sqrt(2 layers), so that the sum over all blocks
    begins as large for any depth (Radford et al. 2019). Raises `ModelError` where `heads` do not divide `width`, and
    where `tied` weights cannot be shared.
    """
    check_heads(width, heads, pairs=positions == "rotary")
    if tied and shape.outputs != shape.vocabulary:
        raise ModelError(
            "an output layer can share the weights of the embedding only where the outputs are the tokens",
            evidence=f"{shape.outputs} outputs, {shape.vocabulary} different tokens",
            remedy="model.tied = false",
        )
    model = Decoder(
        shape, layers=layers, heads=heads, width=width, dropout=dropout, norm=norm, positions=positions, tied=tied
    )
    initialise(model, AUTO)
    with torch.no_grad():
        if not tied:  # an embedding that is the output layer too has to stay so small that no token is favoured
            nn.init.normal_(model.embedding.weight, std=defaults.DECODER_EMBEDDING_STD.value)
        for module in model.modules():
            if isinstance(module, DecoderBlock):
                for projection in (module.attention.output, module.narrow):
                    projection.weight.div_(math.sqrt(2 * layers))
    return model


def transformer(shape: DataShape, **options: Any) -> nn.Module:
    """Decoder for token ids; for the columns of a table and for sequences `(length, features)` an encoder.

    The encoder takes `layers`, `heads`, `width` and `dropout`; an option that is the decoder's alone raises
    `UsageError` there unless it has its default.
    """
    if shape.vocabulary is not None:
        return decoder(shape, **options)
    for name in _DECODER_OPTIONS:
        if options.pop(name, _DECODER_OPTIONS[name].default) != _DECODER_OPTIONS[name].default:
            raise UsageError(
                f"model.{name} belongs to the decoder, which is for texts",
                evidence=f"samples of shape {shape.input_shape} are no tokens",
                remedy=f"remove model.{name}",
            )
    # Imported here: a text has no use for it.
    from trainwright.parts.networks.table_transformer import encoder

    return encoder(shape, **options)


def generate(
    model: nn.Module,
    prompt: torch.Tensor,
    count: int,
    *,
    temperature: float,
    generator: torch.Generator,
    context: int | None = None,
) -> torch.Tensor:
    """Return `prompt`, token ids `(L,)` or `(N, L)` with at least one token, followed by `count` more of each.

    Each new token is drawn from softmax(logits / `temperature`) by `generator`, which is on the CPU; with a temperature
    of 0 it is the likeliest one. The model sees the last tokens that its context takes. It may be a `Decoder` or hold
    one, or any network of `context` tokens, and is left in the mode in which it was. Raises `UsageError` where the
    context is neither given nor its own, and for a prompt or a temperature that makes no sense.
    """
    context = next((module.context for module in model.modules() if isinstance(module, Decoder)), context)
    if context is None:
        raise UsageError("only a decoder can go on with a text", evidence=f"the model is a {type(model).__name__}")
    if prompt.ndim not in (1, 2) or prompt.shape[-1] == 0 or prompt.is_floating_point():
        raise UsageError(
            "the prompt must hold at least one token id",
            evidence=f"its shape is {tuple(prompt.shape)}, its type {prompt.dtype}",
            remedy="pass int64 of shape (L,) or (N, L)",
        )
    if not 0 <= temperature < math.inf or count < 0:
        raise UsageError(
            "temperature and count must be finite and not negative",
            evidence=f"temperature = {temperature}, count = {count}",
            remedy="use a temperature of 0 for the likeliest tokens, and some 0.5 to 1.5 for drawn ones",
        )
    ids = prompt.reshape(-1, prompt.shape[-1])
    with evaluating(model), torch.no_grad():
        for _ in range(count):
            logits = model(ids[:, -context:])[:, :, -1].float()
            if temperature == 0:
                drawn = logits.argmax(1, keepdim=True)
            else:
                # Subtracted first: a small temperature would make infinities of large logits. In float64, where the
                # smallest temperature that Python can hold is no zero.
                shares = ((logits.double() - logits.double().amax(1, keepdim=True)) / temperature).softmax(1)
                drawn = torch.multinomial(shares.cpu(), 1, generator=generator).to(ids.device)
            ids = torch.cat([ids, drawn], 1)
    return ids.reshape(*prompt.shape[:-1], -1)


_DECODER_OPTIONS = {
    "norm": Option(
        default="layer", choices=("layer", "rms"), meaning="normalisation of a decoder: layer, rms", source="G1, G3"
    ),
    "positions": Option(
        default="rotary",
        choices=("rotary", "learned"),
        meaning="how a decoder knows places: by turning queries and keys, or by an embedding of each place",
        source="ours",
    ),
    "tied": Option(default=False, meaning="whether a decoder's output layer is its embedding too", source="ours"),
}

SPEC = ModelSpec(
    name="transformer",
    summary="attention between tokens: a decoder of GPT-2's kind for texts, an encoder for tables and sequences",
    factory=transformer,
    options={
        "layers": count(4, 1_000, "blocks of attention and a hidden layer"),
        "heads": count(4, 1_024, "parts of the channels that attend on their own; they divide the width"),
        "width": count(128, 65_536, "channels of a token"),
        "dropout": dropout_option("share of what each block adds that is switched off in training"),
        **_DECODER_OPTIONS,
    },
    dimensions=(1, 2),
    reference="Vaswani et al. 2017; Radford et al. 2019 (GPT-2); Su et al. 2021 (rotary positions); G1, G3",
    tokens=True,
    recommended={
        "optimizer.lr": defaults.DECODER_LEARNING_RATE,
        "optimizer.weight_decay": defaults.DECODER_WEIGHT_DECAY,
        "train.batch_size": defaults.DECODER_BATCH_SIZE,
        "train.steps": defaults.DECODER_STEPS,
    },
)
