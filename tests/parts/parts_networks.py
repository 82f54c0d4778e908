"""Networks whose parts have groups and rates of their own."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

from trainwright.parts.groups import decay_table


class RMSNorm(nn.Module):
    """A normalisation of somebody else's, with a gain that has two dimensions and is called `scale`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, size))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3))
        self.matrix = nn.Parameter(torch.ones(3, 3))
        self.unbiased = nn.Parameter(torch.ones(3, 3))
        self.position_bias_table = nn.Parameter(torch.ones(3, 3))
        self.temperature = nn.Parameter(torch.ones(()))
        self.channel_scale = nn.Parameter(torch.ones(1, 4, 1, 1))  # four dimensions, and still a vector
        self.position_embedding = nn.Parameter(torch.ones(1, 7, 4))


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 4)
        self.bag = nn.EmbeddingBag(5, 4)
        self.conv = nn.Conv2d(1, 4, 3)
        self.batch = nn.BatchNorm2d(4)
        self.layer = nn.LayerNorm([4, 4])  # a gain of two dimensions
        self.group = nn.GroupNorm(2, 4)
        self.instance = nn.InstanceNorm2d(4, affine=True)
        self.rms = nn.RMSNorm([2, 2])
        self.foreign = RMSNorm(4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.recurrent = nn.LSTM(4, 4)
        self.own = Scaled()
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.head = nn.Linear(4, 11)
        self.head.weight = self.embed.weight


class Edges(nn.Module):
    """What is hidden, and what only looks so."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.kernel = nn.Conv2d(6, 8, 3)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.upwards = nn.ConvTranspose2d(8, 8, 2)
        self.row = nn.Linear(8, 1)
        self.column = nn.Linear(1, 8)
        self.pair = nn.Bilinear(8, 8, 8)
        self.cell = nn.GRUCell(8, 8)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 3))


class Tied(nn.Module):
    def __init__(self, *, head_first: bool) -> None:
        super().__init__()
        parts: dict[str, nn.Module] = {"embed": nn.Embedding(11, 4), "head": nn.Linear(4, 11)}
        parts["head"].weight = parts["embed"].weight
        for name in sorted(parts, reverse=head_first):
            self.add_module(name, parts[name])


def members(groups: list[dict[str, Any]]) -> list[nn.Parameter]:
    return list(itertools.chain.from_iterable(group["params"] for group in groups))


# --- rates of parts ---


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.mlp = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 5, 4))
        self.embed = nn.Embedding(11, 4)
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.dropout = nn.Dropout(0.1)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 11)


def rates_of(model: nn.Module, **settings: Any) -> dict[str, float]:
    return {row.name: row.rate for row in decay_table(model, **settings)}


class Backbone(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(4, 2)
