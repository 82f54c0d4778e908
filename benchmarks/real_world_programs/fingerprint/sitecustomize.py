"""Writes, when a program ends, a hash of the weights of every torch optimizer that has stepped, and how often.

Python imports this by its name at the start of every program that has this folder on its path; the programs themselves
are left as they are.
"""

import atexit
import gc
import hashlib
import json
import os
import sys
from typing import Any

_target = os.environ.get("REAL_WORLD_FINGERPRINT", "")


def _begin() -> None:
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    stepped: dict[int, tuple[Any, int]] = {}
    process = os.getpid()

    def count(optimizer: Any, *_: object) -> None:
        stepped[id(optimizer)] = (optimizer, stepped.get(id(optimizer), (optimizer, 0))[1] + 1)

    def write() -> None:
        if os.getpid() != process:
            return
        optimizers = [optimizer for optimizer, _ in stepped.values()]
        weights = [part for optimizer in optimizers for group in optimizer.param_groups for part in group["params"]]
        if not weights:  # a loop without an optimizer: whatever weights are still there
            gc.collect()
            weights = [part for part in gc.get_objects() if type(part) is torch.nn.Parameter]
        parts = [part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() for part in weights]
        parts = parts if optimizers else sorted(set(parts))
        digest = hashlib.sha256(b"".join(parts))
        steps = sum(count for _, count in stepped.values())
        rank = os.environ.get("RANK", "0")
        with open(f"{_target}.{rank}", "w") as stream:
            json.dump({"weights": digest.hexdigest(), "steps": steps}, stream)

    register_optimizer_step_post_hook(count)
    atexit.register(write)


if _target and not any(name.endswith(("torchrun", "torch.distributed.run")) for name in sys.orig_argv[:3]):
    _begin()
