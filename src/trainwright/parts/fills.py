"""Filling one weight `(outputs, inputs, ...)` in place. fan_in = inputs * kernel size, fan_out = outputs * the same."""

from __future__ import annotations

import torch
from torch import nn

from trainwright import defaults

CONSTANT = 0.01
"""The number of `constant`: small, and of no importance."""

_CUT = 2.0  # standard deviations
_CUT_STD = 0.87962566103423978  # of a standard normal cut at two standard deviations


def he_normal(weight: torch.Tensor) -> None:
    """Fill from N(0, 2 / fan_in)."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def he_uniform(weight: torch.Tensor) -> None:
    """Fill from U(-a, a) with a = sqrt(6 / fan_in), whose variance is 2 / fan_in."""
    nn.init.kaiming_uniform_(weight, nonlinearity="relu")


def glorot_normal(weight: torch.Tensor) -> None:
    """Fill from N(0, 2 / (fan_in + fan_out))."""
    nn.init.xavier_normal_(weight)


def glorot_uniform(weight: torch.Tensor) -> None:
    """Fill from U(-a, a) with a = sqrt(6 / (fan_in + fan_out)), whose variance is 2 / (fan_in + fan_out)."""
    nn.init.xavier_uniform_(weight)


def lecun_normal(weight: torch.Tensor) -> None:
    """Fill from N(0, 1 / fan_in)."""
    nn.init.kaiming_normal_(weight, nonlinearity="linear")


def orthogonal(weight: torch.Tensor) -> None:
    """Fill with a random orthogonal matrix of outputs by everything else; of the longer side a part."""
    nn.init.orthogonal_(weight)


def truncated_normal(weight: torch.Tensor) -> None:
    """Fill from a normal distribution cut at two standard deviations, of standard deviation 0.02 after the cut."""
    std = defaults.TRUNCATED_NORMAL_STD.value / _CUT_STD
    nn.init.trunc_normal_(weight, std=std, a=-_CUT * std, b=_CUT * std)


def zero(weight: torch.Tensor) -> None:
    """Fill with zeros."""
    nn.init.zeros_(weight)


def constant(weight: torch.Tensor) -> None:
    """Fill with one number."""
    nn.init.constant_(weight, CONSTANT)
