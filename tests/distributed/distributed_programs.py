"""What the processes of the tests do: `distributed_programs.py SERIES OUTPUT [NAME ...]`, alone or under torchrun."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

import trainwright as tw
from trainwright.training.distributed import joined

SAMPLES, HELD_OUT = 90, 27
_DDP: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "ragged": {"batch_size": 44},  # 90 = 44 + 44 + 2: the third and fourth of four ranks get nothing of the last
    "accumulated": {"batch_size": 16, "accumulate": 3, "clip_norm": 0.05},
    "averaged": {"ema": 0.9, "weight_decay": 0.1},
    "stopped": {"lr": 0.5, "epochs": 30, "patience": 2},
    "plateau": {"schedule": "plateau", "lr": 0.3, "epochs": 8, "optimizer": "sgd"},
    "normalised": {"sync_batch_norm": True, "batch_size": 16},
    "penalised": {"optimizer": "lbfgs", "epochs": 3, "batch_size": 88},
    "thawed": {"freeze": ["0"], "unfreeze": {"0": 0.5}},
    "tied": {"accumulate": 2},
    "recomputed": {"checkpoint_activations": True, "clip_norm": 0.5},
}
_FSDP: Mapping[str, dict[str, Any]] = {
    name: {**_DDP[name], "strategy": "fsdp"}
    for name in ("plain", "ragged", "accumulated", "averaged", "stopped", "tied", "recomputed")
}
_HALF = {"precision": "bf16", "checkpoint_activations": True, "batch_size": 44}
_BF16: Mapping[str, dict[str, Any]] = {
    "plain, replicated": _HALF,
    "plain, divided": {**_HALF, "strategy": "fsdp"},
    "tied, replicated": _HALF,
    "tied, divided": {**_HALF, "strategy": "fsdp"},
}
_TWENTY = {"batch_size": 90, "epochs": 20}
_NODES: Mapping[str, dict[str, Any]] = {"replicated": _TWENTY, "divided": {**_TWENTY, "strategy": "fsdp"}}
SERIES = {"ddp": _DDP, "fsdp": _FSDP, "bf16": _BF16, "nodes": _NODES}


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs `(n, 6)` in float64 and classes `(n,)`."""
    x = torch.randn(SAMPLES + HELD_OUT, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return x, x[:, :3].argmax(1)


class Tied(nn.Module):
    """A network of blocks whose last layer is its first one turned round, as language models have it."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(6, 16, bias=False)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16)) for _ in range(2))
        self.write = nn.Linear(6, 16, bias=False)
        self.write.weight = self.read.weight
        self.last = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `(n, 3)`."""
        x = self.read(x)
        for block in self.blocks:
            x = x + block(x)
        return self.last(x @ self.write.weight)


def network(name: str) -> nn.Module:
    """Return a small network, always the same."""
    torch.manual_seed(5)
    if name.startswith("tied"):
        return Tied()
    if name in ("recomputed", "plain, replicated", "plain, divided"):
        inside = [nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16)) for _ in range(3)]
        return nn.Sequential(nn.Linear(6, 16), *inside, nn.Linear(16, 3))
    norm = [nn.BatchNorm1d(16)] if name == "normalised" else []
    return nn.Sequential(nn.Linear(6, 16), *norm, nn.Tanh(), nn.Linear(16, 3))


def trained(name: str, settings: Mapping[str, Any], folder: Path | None = None) -> dict[str, Any]:
    """Train once; return the trace of the losses, the norms, the evaluations, and how it ended."""
    x, y = data()
    double = settings.get("precision") != "bf16"
    x = x if double else x.float()
    asked = {"batch_size": 32, "epochs": 4, "lr": 0.01, "seed": 1, "optimizer": "adamw", **settings}
    model = network(name).to(x.dtype)
    run = tw.fit(
        model,
        (x[:SAMPLES], y[:SAMPLES]),
        (x[SAMPLES:], y[SAMPLES:]),
        recipe={"loss": {"name": "cross_entropy"} | ({} if asked.get("strategy") else {"l2": 1e-3})},
        folder=folder,
        **asked,
    )
    return {
        "losses": [record.loss for record in run.history.steps],
        "norms": [record.gradient_norm for record in run.history.steps],
        "samples": [record.samples for record in run.history.steps],
        "evaluations": [[record.loss, record.metrics["accuracy"], record.samples] for record in run.history.evals],
        "weights": [value for weight in run.model.state_dict().values() for value in weight.flatten().tolist()],
        "ended": [run.outcome.status, run.outcome.reason, run.outcome.best_step],
        "findings": [finding.kind for finding in run.findings],
    }


def main() -> None:
    """Train every member of a series, all in one process group; rank 0 writes what came out."""
    series, output = SERIES[sys.argv[1]], Path(sys.argv[2])
    only = sys.argv[3:]
    with joined():
        found = {name: trained(name, asked) for name, asked in series.items() if not only or name in only}
    if os.environ.get("RANK", "0") == "0":
        output.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
