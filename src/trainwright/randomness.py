"""All randomness as pure functions of the seed and a place in the run.

The order of an epoch is f(seed, epoch), the randomness of a sample f(seed, epoch, index), that of the model in a step
f(seed, step). Nothing is drawn from a stream that moves, so evaluating, logging or saving more often cannot change a
run, and a resumed run needs no generator state.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_BITS = 63  # torch takes signed 64-bit seeds


def derive(seed: int, *place: str | int) -> int:
    """Return a seed for one place in the run: a hash of `seed` and `place`, in [0, 2**63).

    Unlike seed + 1, seed + 2, ... two places never share a stream, and neighbouring run seeds are unrelated.
    """
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in place)])
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - _BITS)


def generator(seed: int, *place: str | int) -> torch.Generator:
    """Return a fresh CPU generator for one place in the run."""
    return torch.Generator().manual_seed(derive(seed, *place))


def permutation(seed: int, epoch: int, count: int) -> torch.Tensor:
    """Return the order of `count` samples in `epoch`: int64 `(count,)`, a function of (seed, epoch) alone."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def sample_uniforms(seed: int, epoch: int, indices: torch.Tensor, count: int, purpose: str) -> torch.Tensor:
    """Return `count` numbers for each sample of `indices`, int64 `(n,)`: float64 `(n, count)` on the CPU, in [0, 1).

    A row is a function of (seed, epoch, the sample's index, purpose) alone: neither the batch that the sample comes in
    nor the worker that reads it changes it, and its first numbers do not depend on `count`. The generator is SplitMix64
    (Steele, Lea and Flood 2014), a hash of a counter, started for each sample at a hash of its place.
    """
    key = np.uint64(derive(seed, "sample", purpose, epoch))
    places = indices.detach().cpu().numpy().astype(np.uint64)  # syncs an accelerator
    starts = _scrambled(places * _GAMMA + key)
    counters = starts[:, None] + np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    # The upper 53 bits fill a float64's mantissa: every value is exact, and 1.0 cannot come up.
    return torch.from_numpy((_scrambled(counters) >> np.uint64(11)) * 2.0**-53)


_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, odd: a counter that visits every state


def _scrambled(state: np.ndarray) -> np.ndarray:
    """Return SplitMix64's output for each state: arrays of uint64, in which multiplication wraps around on purpose."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's global generators for the model's own randomness (dropout) in `step`.

    Called before each forward pass in training, so that the masks of a step do not depend on what ran before it. Of
    several processes that share a batch, each has masks of its own, by its `rank`.
    """
    _seed_torch(derive(seed, "step", step, *([rank] if rank else [])))


def _seed_torch(value: int) -> None:
    # torch.manual_seed() also walks every backend's lazy queue, ten times the cost; the CPU generator is enough where
    # no accelerator is in use.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)


@contextmanager
def isolated(seed: int | None = None, *place: str | int) -> Iterator[None]:
    """Give the block its own global randomness (torch, numpy, random) and put the old state back afterwards.

    With `seed`, the block starts from the seed of `place`; without, from wherever the generators stand.
    """
    before = generators()
    try:
        if seed is not None:
            value = derive(seed, *place)
            random.seed(value)
            np.random.seed(value % 2**32)
            _seed_torch(value)
        yield
    finally:
        set_generators(before)


def generators() -> dict[str, Any]:
    """Return the state of the global generators (random, numpy, torch, every CUDA device in use)."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None,
    }


def set_generators(state: Mapping[str, Any]) -> None:
    """Put the global generators where `generators` found them."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state_all(state["cuda"])
