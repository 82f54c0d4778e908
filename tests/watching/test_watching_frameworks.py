"""Ways to train that torch itself has: with a watch the weights are the same, and nothing is found wrong."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import trainwright
from trainwright.watching.watch import Watch, watch

Loop = Callable[[], list[nn.Module]]


def samples(count: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(count, 20, generator=torch.Generator().manual_seed(0))
    return x, x[:, :3].argmax(1)


def batches(size: int = 32, epochs: int = 4):
    x, y = samples()
    loader = DataLoader(TensorDataset(x, y), batch_size=size, shuffle=True)
    for _ in range(epochs):
        yield from loader


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 3))


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=3e-3)


def accumulating() -> list[nn.Module]:
    model = network()
    optimizer = adam(model)
    for index, (x, y) in enumerate(batches(8)):
        (F.cross_entropy(model(x), y) / 4).backward()
        if index % 4 == 3:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return [model]


def autocast_bfloat16() -> list[nn.Module]:
    model = network()
    optimizer = adam(model)
    for x, y in batches():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    return [model]


def scaled_on_the_cpu() -> list[nn.Module]:
    model = network()
    optimizer = adam(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for x, y in batches():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    return [model]


def lbfgs() -> list[nn.Module]:
    x, y = samples()
    model = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for _ in range(12):
        optimizer.step(closure)
    return [model]


def adam_with_a_closure() -> list[nn.Module]:
    model = network()
    optimizer = adam(model)
    for x, y in batches():

        def closure(x: torch.Tensor = x, y: torch.Tensor = y) -> torch.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return [model]


def adversarial() -> list[nn.Module]:
    makes = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 20))
    judges = nn.Sequential(nn.Linear(20, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    of_maker, of_judge = (torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.999)) for net in (makes, judges))
    criterion = nn.BCEWithLogitsLoss()
    for x, _ in batches():
        real, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        judges.zero_grad()
        criterion(judges(x), real).backward()
        made = makes(torch.randn(len(x), 8))
        criterion(judges(made.detach()), fake).backward()
        of_judge.step()
        makes.zero_grad()
        criterion(judges(made), real).backward()
        of_maker.step()
    return [makes, judges]


def penalised_by_gradients() -> list[nn.Module]:
    model = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 3))
    optimizer = adam(model)
    for x, y in batches():
        optimizer.zero_grad()
        x.requires_grad_()
        loss = F.cross_entropy(model(x), y)
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        (loss + 0.1 * slope.square().sum()).backward()
        optimizer.step()
    return [model]


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = network()[:3]
        self.head = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = checkpoint(self.body, x, use_reentrant=False)
        return self.head(hidden)


def checkpointed() -> list[nn.Module]:
    model = Checkpointed()
    optimizer = adam(model)
    for x, y in batches():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return [model]


def functional() -> list[nn.Module]:
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = adam(model)
    parameters = dict(model.named_parameters())

    def loss_of(weights: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(torch.func.functional_call(model, weights, (x,)), y)

    for x, y in batches():
        weights = {name: parameter.detach() for name, parameter in parameters.items()}
        for name, gradient in torch.func.grad(loss_of)(weights, x, y).items():
            parameters[name].grad = gradient
        optimizer.step()
    return [model]


def with_workers() -> list[nn.Module]:
    model = network()
    optimizer = adam(model)
    x, y = samples()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, num_workers=1)
    for _ in range(2):
        for inputs, classes in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), classes).backward()
            optimizer.step()
    return [model]


def evaluating_between() -> list[nn.Module]:
    model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = adam(model)
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True
    )
    training, held_out = list(batches()), samples(64)
    for index, (x, y) in enumerate(training):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        averaged.update_parameters(model)
        if index % 8 == 7:
            model.eval()
            averaged.eval()
            with torch.inference_mode():
                F.cross_entropy(model(held_out[0]), held_out[1])
                F.cross_entropy(averaged(held_out[0]), held_out[1])
    return [model, averaged]


def compiled_by_eager() -> list[nn.Module]:
    torch._dynamo.reset()
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = adam(model)
    faster = torch.compile(model, backend="eager")
    for x, y in batches(epochs=2):
        optimizer.zero_grad()
        F.cross_entropy(faster(x), y).backward()
        optimizer.step()
    return [model]


LOOPS: dict[str, Loop] = {
    loop.__name__: loop
    for loop in (
        accumulating,
        autocast_bfloat16,
        scaled_on_the_cpu,
        lbfgs,
        adam_with_a_closure,
        adversarial,
        penalised_by_gradients,
        checkpointed,
        functional,
        with_workers,
        evaluating_between,
        compiled_by_eager,
    )
}


def weights_of(loop: Loop, *, watched: bool) -> tuple[list[torch.Tensor], Watch | None]:
    """Return the state that a loop ends with, the random state after it included."""
    state = torch.get_rng_state()
    torch.manual_seed(3)
    try:
        with watch(quiet=True) if watched else nullcontext() as seen:
            models = loop()
        return [*(part for model in models for part in model.state_dict().values()), torch.get_rng_state()], seen
    finally:
        torch.set_rng_state(state)


@pytest.mark.parametrize("name", LOOPS)
def test_a_watch_leaves_the_weights_bit_by_bit_as_they_are_and_finds_nothing(name: str) -> None:
    plain, _ = weights_of(LOOPS[name], watched=False)
    watched, seen = weights_of(LOOPS[name], watched=True)
    assert seen is not None
    assert seen.problem is None
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))
    assert [(finding.kind, finding.severity) for finding in seen.findings] == []
    assert seen.chart.info.loop is not None
    assert seen.chart.info.loop.steps > 0


def test_a_function_compiled_before_the_watch_is_left_alone_and_the_report_says_what_is_not_seen() -> None:
    def ending(*, watched: bool) -> tuple[list[torch.Tensor], Watch | None]:
        torch._dynamo.reset()
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
        optimizer = adam(model)
        faster = torch.compile(model, backend="eager")
        with watch(quiet=True) if watched else nullcontext() as seen:
            for x, y in batches(epochs=1):
                optimizer.zero_grad()
                F.cross_entropy(faster(x), y).backward()
                optimizer.step()
        return [part.detach() for part in model.parameters()], seen

    with torch.random.fork_rng(devices=()):
        plain, _ = ending(watched=False)
        watched, seen = ending(watched=True)
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))
    assert seen is not None
    assert seen.problem is None
    assert seen.chart.info.loop is not None
    assert any("compiled" in text for text in seen.chart.info.loop.unseen)


def test_hooks_that_were_looked_through_are_gone_afterwards() -> None:
    with watch(quiet=True):
        network()(torch.zeros(2, 20))
    assert not nn.modules.module._has_any_global_hook()


SCRIPTED = """
import torch

def scripted():
    class Limit:
        def __init__(self, limit: float) -> None:
            self.limit = limit

        def over(self, value: float) -> bool:
            return beyond(value, self.limit)

    def beyond(value: float, limit: float) -> bool:
        return value > limit

    return torch.jit.script(Limit)
"""


def test_a_class_that_is_scripted_finds_the_names_that_stand_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scripted_here.py").write_text(SCRIPTED)
    monkeypatch.syspath_prepend(tmp_path)
    names = importlib.import_module("scripted_here")
    monkeypatch.setitem(sys.modules, "scripted_here", names)
    with warnings.catch_warnings(), watch(quiet=True):
        warnings.simplefilter("ignore", DeprecationWarning)
        names.scripted()


def test_steps_made_by_hand_are_counted_and_said_to_be_made_without_an_optimizer() -> None:
    def by_hand() -> list[nn.Module]:
        model = network()
        for x, y in batches(epochs=1):
            model.zero_grad()
            F.cross_entropy(model(x), y).backward()
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.data.add_(parameter.grad, alpha=-0.1)
        return [model]

    _, seen = weights_of(by_hand, watched=True)
    assert seen is not None
    assert seen.findings == []
    assert seen.chart.info.loop is not None
    assert seen.chart.info.loop.steps == 8
    assert any("without an optimizer" in text for text in seen.chart.info.loop.unseen)


def test_epochs_count_the_last_pass_though_no_other_begins() -> None:
    _, seen = weights_of(with_workers, watched=True)
    assert seen is not None
    assert seen.chart.info.loop is not None
    assert seen.chart.info.loop.epochs == 2


def test_two_networks_of_which_one_is_never_zeroed_are_told_apart() -> None:
    def never_zeroed() -> list[nn.Module]:
        first, second = nn.Linear(20, 3), nn.Linear(20, 3)
        of_first, of_second = adam(first), adam(second)
        for x, y in batches(epochs=2):
            of_first.zero_grad()
            F.cross_entropy(first(x), y).backward()
            of_first.step()
            F.cross_entropy(second(x), y).backward()
            of_second.step()
        return [first, second]

    _, seen = weights_of(never_zeroed, watched=True)
    assert seen is not None
    assert [finding.kind for finding in seen.findings if finding.severity == "error"] == ["missing-zero-grad"]


DISTRIBUTED = """
import hashlib, sys, torch
from torch import distributed, nn
from torch.nn import functional as F
distributed.init_process_group("gloo")
torch.manual_seed(0)
x = torch.randn(128, 20)
y = x[:, :3].argmax(1)
rank = distributed.get_rank()
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
model = nn.parallel.DistributedDataParallel(net)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(24):
    start = 32 * (step % 2) + 64 * rank
    optimizer.zero_grad()
    F.cross_entropy(model(x[start : start + 32]), y[start : start + 32]).backward()
    optimizer.step()
weights = b"".join(part.numpy().tobytes() for part in net.state_dict().values())
open(f"{sys.argv[1]}.{rank}", "w").write(hashlib.sha256(weights).hexdigest())
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_under_torchrun_train_as_they_would_alone(tmp_path: Path) -> None:
    script = tmp_path / "together.py"
    script.write_text(DISTRIBUTED)
    source = str(Path(trainwright.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, watching in (("plain", []), ("watched", ["-m", "trainwright", "run"])):
        done = subprocess.run(
            [*launch, *watching, str(script), str(tmp_path / name)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "error[" not in done.stderr
        assert "warning[" not in done.stderr
    for rank in range(2):
        assert (tmp_path / f"plain.{rank}").read_text() == (tmp_path / f"watched.{rank}").read_text()
    assert "24 steps" in done.stderr
