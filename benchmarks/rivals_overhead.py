"""What others' watchers cost beside ours, on the networks of watch_overhead.py; benchmarks/rivals.py calls it.

    /path/to/a/venv/bin/python benchmarks/rivals_overhead.py --rounds 3 --seconds 1

Prints a line of JSON for each network: the milliseconds of a plain step and, for each watcher, the median over the
rounds of its process time over the plain loop's of the same round; a watcher that this Python lacks is not there, and
one that raises is there with what it raised.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch._dynamo  # imported by the first optimizer, and so before any clock runs
from torch import Tensor, nn

from rivals_adapters import CADENCE, TorchAudit, TorchDiag, TrainingDoctor
from watch_overhead import NETWORKS

Context = contextlib.AbstractContextManager[Any]


class Loop:
    """What a watcher may lay hold of: the loop's objects, and what is done around and after its backward pass."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer
        self.criterion: nn.Module = nn.CrossEntropyLoss()
        self.backward: Callable[[int, Tensor, Tensor, Tensor], None] = lambda step, loss, outputs, y: loss.backward()
        self.after_step: Callable[[], None] = lambda: None


@contextlib.contextmanager
def _ours(loop: Loop) -> Iterator[None]:
    import trainwright as tw

    with tw.watch(quiet=True):
        yield


@contextlib.contextmanager
def _anomaly(loop: Loop) -> Iterator[None]:
    with torch.autograd.set_detect_anomaly(True):
        yield


@contextlib.contextmanager
def _by_hand(loop: Loop) -> Iterator[None]:
    """Norms of the gradients, distances from the start and ratios of the update, of each parameter at each step."""
    parameters = list(loop.model.parameters())
    first = [p.detach().clone() for p in parameters]
    before, rows = [p.detach().clone() for p in parameters], []

    def after_step() -> None:
        gradients = [float(p.grad.norm()) for p in parameters if p.grad is not None]
        distances = [float((p.detach() - start).norm()) for p, start in zip(parameters, first, strict=True)]
        pairs = zip(parameters, before, strict=True)
        ratios = [float((p.detach() - old).norm() / (old.norm() + 1e-12)) for p, old in pairs]
        rows.append((gradients, distances, ratios))
        for p, old in zip(parameters, before, strict=True):
            old.copy_(p.detach())

    loop.after_step = after_step
    yield


@contextlib.contextmanager
def _cockpit(loop: Loop) -> Iterator[None]:
    """Cockpit's own "economy" quantities at each step: it wants the network and the loss extended by BackPACK."""
    from backpack import extend  # pyright: ignore[reportMissingImports]
    from cockpit import Cockpit  # pyright: ignore[reportMissingImports]
    from cockpit.utils.configuration import configuration  # pyright: ignore[reportMissingImports]

    extend(loop.model)
    loop.criterion, each = extend(nn.CrossEntropyLoss()), nn.CrossEntropyLoss(reduction="none")
    cockpit = Cockpit(loop.model.parameters(), quantities=configuration("economy"))

    def backward(step: int, loss: Tensor, outputs: Tensor, y: Tensor) -> None:
        losses = each(outputs, y)
        told = {"batch_size": len(y), "individual_losses": losses, "loss": loss, "optimizer": loop.optimizer}
        with cockpit(step, info=told):
            loss.backward(create_graph=cockpit.create_graph(step))

    loop.backward = backward
    yield


@contextlib.contextmanager
def _drtensor(loop: Loop) -> Iterator[None]:
    from drtensor.doctor import DrTensor  # pyright: ignore[reportMissingImports]

    with DrTensor(model=loop.model):
        yield


def _adapted(make: Callable[[], Any]) -> Callable[[Loop], Context]:
    @contextlib.contextmanager
    def entered(loop: Loop) -> Iterator[None]:
        rival = make()
        rival.attach(loop.model, loop.optimizer, {})

        def backward(step: int, loss: Tensor, outputs: Tensor, y: Tensor) -> None:
            loss.backward()
            rival.after_backward(loss)

        loop.backward = backward
        with contextlib.redirect_stdout(io.StringIO()):
            yield

    return entered


WATCHERS: dict[str, tuple[str, Callable[[Loop], Context]]] = {  # what is written in the table: the package, the way in
    "plain": ("torch", lambda loop: contextlib.nullcontext()),
    "tw.watch()": ("trainwright", _ours),
    "anomaly mode": ("torch", _anomaly),
    "quantities by hand": ("torch", _by_hand),
    "cockpit, economy": ("cockpit", _cockpit),
    "torch_audit, every 1000": ("torch_audit", _adapted(lambda: TorchAudit(1000))),
    f"torch_audit, every {CADENCE}": ("torch_audit", _adapted(TorchAudit)),
    "torch_audit, every step": ("torch_audit", _adapted(lambda: TorchAudit(1))),
    "training_doctor": ("training_doctor", _adapted(TrainingDoctor)),
    f"torchdiag, every {CADENCE}": ("torchdiag", _adapted(TorchDiag)),
    "drtensor": ("drtensor", _drtensor),
}


def train(
    make: Callable[[], tuple[nn.Module, Tensor, Tensor]], steps: int, watcher: Callable[[Loop], Context]
) -> float:
    """Return the process seconds of the loop of watch_overhead.py, with all that surrounds it."""
    torch.manual_seed(0)
    net, x, y = make()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    loop = Loop(net, optimizer)
    started = time.process_time()
    with watcher(loop):
        for step in range(steps):
            start = 64 * step % len(x)
            outputs, targets = net(x[start : start + 64]), y[start : start + 64]
            loss = loop.criterion(outputs, targets)
            optimizer.zero_grad()
            loop.backward(step, loss, outputs, targets)
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            loop.after_step()
    return time.process_time() - started


def main() -> int:
    """Time every watcher in turn, as often as there are rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a plain run takes, about")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    here = {name: enter for name, (package, enter) in WATCHERS.items() if importlib.util.find_spec(package)}
    for network, make in NETWORKS.items():
        raised: dict[str, str] = {}
        for name, enter in here.items():
            try:
                train(make, 10, enter)
            except Exception as problem:
                raised[name] = f"{type(problem).__name__}: {problem}".splitlines()[0][:100]
        each = train(make, 50, here["plain"]) / 50
        steps = max(50, int(options.seconds / each))
        able = [name for name in here if name not in raised]
        rounds = []
        for turn in range(options.rounds):
            order = able if turn % 2 else able[::-1]
            rounds.append({name: train(make, steps, here[name]) for name in order})
        ratios = {name: statistics.median(seconds[name] / seconds["plain"] for seconds in rounds) for name in able[1:]}
        print(json.dumps({"network": network, "ms": 1000 * each, "steps": steps, "ratios": ratios, "raised": raised}))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
