"""All randomness as pure functions of the seed and a place in the run.

The order of an epoch is f(seed, epoch), the randomness of a sample f(seed, epoch, index), that of the model in a step
f(seed, step). Nothing is drawn from a stream that moves, so evaluating, logging or saving more often cannot change a
run, and a resumed run needs no generator state.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

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


def sample_generator(seed: int, epoch: int, index: int) -> torch.Generator:
    """Return the generator for the augmentation of sample `index` in `epoch`, whichever worker reads it."""
    return generator(seed, "sample", epoch, index)


def seed_step(seed: int, step: int) -> None:
    """Seed torch's global generators for the model's own randomness (dropout) in `step`.

    Called before each forward pass in training, so that the masks of a step do not depend on what ran before it.
    """
    value = derive(seed, "step", step)
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
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        if seed is not None:
            value = derive(seed, *place)
            random.seed(value)
            np.random.seed(value % 2**32)
            torch.manual_seed(value)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_states is not None:
            torch.cuda.set_rng_state_all(cuda_states)
