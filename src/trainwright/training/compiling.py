"""`torch.compile` as a setting: tried on a batch before the run, and what it did is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from trainwright.errors import UsageError
from trainwright.randomness import isolated
from trainwright.tensors import buffers_restored


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """What `torch.compile` made of a model: graphs, the breaks between them with their reasons, and the time it took.

    One graph without a break is all that it can do. `forward` computes the model's output; the parameters are the
    model's own.
    """

    forward: Callable[[torch.Tensor], torch.Tensor]
    graphs: int
    breaks: tuple[str, ...]
    seconds: float

    @property
    def text(self) -> str:
        """The report in a sentence."""
        graphs = f"{self.graphs} graph{'' if self.graphs == 1 else 's'}"
        broken = f", broken {len(self.breaks)} times: {'; '.join(self.breaks[:3])}" if self.breaks else ", no breaks"
        return f"torch.compile made {graphs}{broken}, in {self.seconds:.1f} s"


def compile_model(model: nn.Module, x: torch.Tensor) -> Compilation:
    """Compile `model` and run it forwards and backwards on inputs `x`, leaving no trace in the model.

    Raises `UsageError` where this machine cannot compile, with torch's own reason.
    """
    from torch._dynamo import utils

    started = time.perf_counter()
    torch._dynamo.reset()
    utils.counters.clear()
    forward = torch.compile(model)
    gradients = [parameter.grad for parameter in model.parameters()]
    try:
        with isolated(), buffers_restored(model), torch.enable_grad():
            forward(x).float().sum().backward()
    except Exception as problem:  # no compiler on the machine, or a model that the compiler cannot take
        words = str(problem).strip().splitlines()
        raise UsageError(
            "the model cannot be compiled here",
            evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
            remedy="train.compile = false; on a CPU torch.compile needs a C++ compiler (g++)",
        ) from None
    finally:
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
    counters: Any = utils.counters
    breaks = tuple(" ".join(str(reason).split())[:160] for reason in counters["graph_break"])
    return Compilation(
        forward=forward,
        graphs=int(counters["stats"].get("unique_graphs", 0)),
        breaks=breaks,
        seconds=time.perf_counter() - started,
    )
