from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from trainwright.errors import UsageError
from trainwright.parts.groups import parameter_groups
from trainwright.parts.optimizer_muon import Muon
from trainwright.parts.optimizers import CATALOGUE

RATE, DECAY = 0.02, 0.1


class Words(nn.Module):
    """One parameter of each kind that Muon must tell apart."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.hidden = nn.Linear(4, 6)
        self.norm = nn.LayerNorm(6)
        self.kernel = nn.Conv1d(6, 5, 3, padding=1)
        self.grouped = nn.Conv1d(5, 5, 3, padding=1, groups=5)
        self.output = nn.Linear(5, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        maps = self.norm(torch.relu(self.hidden(self.embedding(tokens)))).transpose(1, 2)
        return self.output(self.grouped(self.kernel(maps)).mean(2))


def build(model: nn.Module, **groups: Any) -> Muon:
    options = {name: option.default for name, option in CATALOGUE["muon"].options.items()}
    options |= {"lr": RATE, "weight_decay": DECAY}
    return CATALOGUE["muon"].factory(parameter_groups(model, DECAY, lr=RATE, **groups), **options)


def set_gradients(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def advance(model: nn.Module, *optimizers: torch.optim.Optimizer, steps: int = 4) -> None:
    for step in range(steps):
        set_gradients(model, step)
        for optimizer in optimizers:
            optimizer.step()


def names_in(model: nn.Module, optimizer: Muon, *, hidden: bool) -> set[str]:
    found = {id(weight) for group in optimizer.param_groups if group["hidden"] is hidden for weight in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in found}


def test_hidden_matrices_and_kernels_go_by_muon_and_all_else_by_adamw() -> None:
    model = Words()
    optimizer = build(model)
    assert names_in(model, optimizer, hidden=True) == {"hidden.weight", "kernel.weight"}
    assert names_in(model, optimizer, hidden=False) == {
        name for name, _ in model.named_parameters() if name not in ("hidden.weight", "kernel.weight")
    }


def test_matrices_step_bit_for_bit_as_by_torchs_muon_and_the_rest_as_by_torchs_adamw() -> None:
    model = Words()
    twin = copy.deepcopy(model)
    advance(model, build(model))
    matrices = [twin.hidden.weight]
    decaying = [twin.grouped.weight, twin.output.weight]
    others = [
        parameter
        for name, parameter in twin.named_parameters()
        if name.endswith("bias") or name.startswith(("embedding", "norm"))
    ]
    advance(
        twin,
        torch.optim.Muon(matrices, lr=RATE, weight_decay=DECAY, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            [{"params": decaying, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=RATE
        ),
    )
    expected = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, expected[name]) is (name != "kernel.weight"), name


@pytest.mark.parametrize("order", ["rows", "channels last"])
def test_a_kernel_is_trained_as_the_matrix_from_patches_to_channels(order: str) -> None:
    kernel = nn.Conv2d(3, 5, 2, bias=False)
    if order == "channels last":
        kernel.weight.data = kernel.weight.data.contiguous(memory_format=torch.channels_last)
    matrix = nn.Parameter(kernel.weight.detach().flatten(1).clone())
    options: Any = {"lr": RATE, "weight_decay": DECAY}
    adam: Any = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    ours = Muon([{"params": [kernel.weight], "hidden": True}], momentum=0.95, iterations=5, **options, **adam)
    torchs = torch.optim.Muon([matrix], momentum=0.95, adjust_lr_fn="match_rms_adamw", **options)
    before = kernel.weight.detach().clone()
    for step in range(4):
        matrix.grad = torch.randn(matrix.shape, generator=torch.Generator().manual_seed(step))
        kernel.weight.grad = matrix.grad.view(kernel.weight.shape).contiguous(
            memory_format=torch.channels_last if order == "channels last" else torch.contiguous_format
        )
        ours.step()
        torchs.step()
    assert torch.equal(kernel.weight.flatten(1), matrix)
    assert not torch.equal(kernel.weight, before)
    assert kernel.weight.is_contiguous(memory_format=torch.channels_last) is (order == "channels last")


def test_a_step_moves_all_directions_of_a_matrix_alike_and_is_as_long_as_adamws() -> None:
    weight = nn.Parameter(torch.zeros(24, 16))
    rows, columns = torch.randn(24, 16), torch.randn(16, 16)
    weight.grad = rows @ torch.diag(torch.logspace(0, -2, 16)) @ columns  # its directions differ by hundreds
    Muon(
        [{"params": [weight]}],
        lr=1.0,
        weight_decay=0.0,
        momentum=0.95,
        iterations=5,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
    ).step()
    # The coefficients bring every singular value to between 0.68 and 1.14 (Jordan et al. 2024), and not nearer to 1.
    lengths = torch.linalg.svdvals(weight.detach()) / (0.2 * 24**0.5)
    assert lengths.min() > 0.6
    assert lengths.max() < 1.2
    # The root mean square of AdamW's step is 0.2 to 0.4 of its rate in practice (Liu et al. 2025).
    assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.2, rel=0.25)


def test_it_is_one_optimizer_with_one_state_and_one_list_of_groups() -> None:
    model = Words()
    optimizer = build(model)
    assert {id(weight) for group in optimizer.param_groups for weight in group["params"]} == {
        id(parameter) for parameter in model.parameters()
    }
    set_gradients(model, 0)
    optimizer.step()
    assert len(optimizer.state) == len(list(model.parameters()))
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())

    before = copy.deepcopy(model.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    advance(model, optimizer)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_whoever_watches_optimizer_steps_sees_one_for_each_step() -> None:
    model = Words()
    optimizer = build(model)
    seen: list[Any] = []
    handle = register_optimizer_step_post_hook(lambda it, *_: seen.append(it))
    try:
        advance(model, optimizer, steps=3)
    finally:
        handle.remove()
    assert seen == [optimizer] * 3


def test_rates_and_decay_of_parts_reach_both_kinds() -> None:
    model = Words()
    before = copy.deepcopy(model.state_dict())
    plain, slow = copy.deepcopy(model), copy.deepcopy(model)
    advance(plain, build(plain), steps=1)
    advance(slow, build(slow, rates={"hidden": 0.1, "output": 0.5, "norm": 0}), steps=1)
    share = {"hidden": 0.1, "output": 0.5, "norm": 0.0}
    for name, start in before.items():
        moved, whole = slow.state_dict()[name] - start, plain.state_dict()[name] - start
        torch.testing.assert_close(moved, share.get(name.split(".")[0], 1.0) * whole, rtol=1e-4, atol=1e-7)


def test_without_a_gradient_only_matrices_and_the_output_decay() -> None:
    model = Words()
    before = copy.deepcopy(model.state_dict())
    optimizer = build(model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, start in before.items():
        decays = name in ("hidden.weight", "kernel.weight", "grouped.weight", "output.weight")
        torch.testing.assert_close(model.state_dict()[name], start * (1 - RATE * DECAY if decays else 1.0))


def test_groups_that_do_not_say_what_they_hold_are_told_apart_by_their_dimensions() -> None:
    matrix, vector = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3))
    options = {name: option.default for name, option in CATALOGUE["muon"].options.items()}
    optimizer = CATALOGUE["muon"].factory([{"params": [vector, matrix], "name": "mine"}], **options)
    assert [(group["hidden"], group["name"]) for group in optimizer.param_groups] == [(True, "mine"), (False, "mine")]
    assert optimizer.param_groups[0]["params"][0] is matrix
    assert optimizer.param_groups[1]["params"][0] is vector


def test_a_vector_among_hidden_weights_is_refused() -> None:
    options = {name: option.default for name, option in CATALOGUE["muon"].options.items()}
    with pytest.raises(UsageError, match="matrices and kernels alone") as caught:
        CATALOGUE["muon"].factory([{"params": [nn.Parameter(torch.ones(3))], "hidden": True}], **options)
    assert "shape (3,)" in caught.value.evidence


def test_a_model_trains_by_it() -> None:
    model = Words()
    tokens = torch.randint(0, 7, (32, 6))
    target = (tokens == 3).sum(1).clamp(max=2)
    optimizer = build(model)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
