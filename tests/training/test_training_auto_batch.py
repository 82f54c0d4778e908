"""The batch size that is found fits into memory with a margin, leaves enough updates, and the search leaves nothing."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from trainwright.errors import ModelError
from trainwright.parts import optimizers
from trainwright.parts.catalogue import resolve_options
from trainwright.tensors import digest
from trainwright.training.activations import checkpointing
from trainwright.training.auto_batch import find_batch_size, largest_batch, ran_out_of_memory, trial_steps
from trainwright.vitals.forecast import forecast
from trainwright.vitals.memory import measure_peak
from trainwright.vitals.step_plan import Batch, StepPlan

PLENTY = 10**15


def planted(limit: int, problem: Callable[[], BaseException]) -> tuple[Callable[[int], None], list[int]]:
    """Return an attempt that fails above `limit` samples, and the list of what it was asked for."""
    asked: list[int] = []

    def attempt(size: int) -> None:
        asked.append(size)
        if size > limit:
            raise problem()

    return attempt, asked


def plenty() -> int:
    return PLENTY


PROBLEMS: list[Callable[[], BaseException]] = [
    lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    lambda: RuntimeError("MPS backend out of memory"),
    lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError,
]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_error_of_any_kind_about_memory_ends_the_search_one_size_below(problem: Callable[[], BaseException]) -> None:
    attempt, asked = planted(100, problem)
    found = find_batch_size(attempt, samples=100_000, available=plenty)
    assert found.batch_size == 64
    assert found.limited_by == "memory"
    assert asked == [8, 16, 32, 64, 128]
    assert [trial.result for trial in found.trials] == ["fits"] * 4 + ["out of memory"]


def test_the_search_goes_down_where_not_even_the_first_fits() -> None:
    attempt, asked = planted(3, MemoryError)
    found = find_batch_size(attempt, samples=100_000, available=plenty)
    assert (found.batch_size, found.limited_by, asked) == (2, "memory", [8, 4, 2])


def test_where_nothing_fits_it_says_so() -> None:
    attempt, asked = planted(0, MemoryError)
    with pytest.raises(ModelError, match="not even a batch of one sample fits"):
        find_batch_size(attempt, samples=100_000, available=plenty)
    assert asked == [8, 4, 2, 1]


def test_any_other_error_is_not_swallowed() -> None:
    attempt, asked = planted(16, lambda: RuntimeError("the labels are wrong"))
    with pytest.raises(RuntimeError, match="the labels are wrong"):
        find_batch_size(attempt, samples=100_000, available=plenty)
    assert asked == [8, 16, 32]


def test_torchs_own_refusal_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    assert ran_out_of_memory(caught.value)
    assert not ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out_of_memory(ValueError("out of memory"))


def test_a_size_that_is_forecast_to_be_too_large_is_never_attempted() -> None:
    attempt, asked = planted(PLENTY, MemoryError)
    # 1000 bytes for a sample: 80 % of 100,000 bytes hold 64 of them, and not 128.
    found = find_batch_size(attempt, samples=10**6, available=lambda: 100_000, needed=lambda size: 1000 * size)
    assert found.batch_size == 64
    assert asked == [8, 16, 32, 64]
    last = found.trials[-1]
    assert (last.batch_size, last.result, last.needed_bytes, last.allowed_bytes) == (128, "too large", 128_000, 80_000)
    assert last.seconds == 0


def test_without_a_forecast_what_ran_is_extrapolated() -> None:
    asked: list[int] = []

    def attempt(size: int) -> int:
        asked.append(size)
        return 30_000 + 1000 * size  # the model, and what each sample adds

    found = find_batch_size(attempt, samples=10**6, available=lambda: 150_000, margin=0.2)
    assert found.batch_size == 64  # 94,000 of 120,000 bytes; 128 would take 158,000
    assert asked == [8, 16, 32, 64]
    assert found.trials[-1].needed_bytes == 158_000


@given(st.integers(1, 10**9), st.integers(0, 10**6), st.integers(1, 10**5), st.floats(0.0, 0.9))
def test_what_is_found_fits_with_the_margin_and_twice_as_much_would_not(
    free: int, fixed: int, each: int, margin: float
) -> None:
    def needed(size: int) -> int:
        return fixed + each * size

    allowed = int((1 - margin) * free)
    if needed(1) > allowed:
        with pytest.raises(ModelError):
            find_batch_size(needed, samples=10**7, available=lambda: free, needed=needed, margin=margin)
        return
    found = find_batch_size(needed, samples=10**7, available=lambda: free, needed=needed, margin=margin)
    assert needed(found.batch_size) <= allowed
    assert found.batch_size == largest_batch(10**7) or needed(2 * found.batch_size) > allowed
    assert found.limited_by == ("updates" if found.batch_size == largest_batch(10**7) else "memory")


@given(st.integers(1, 10**8))
def test_the_largest_batch_is_a_power_of_two_that_leaves_fifty_updates(samples: int) -> None:
    largest = largest_batch(samples)
    assert largest.bit_count() == 1
    assert largest <= samples
    assert samples // largest >= 50 or largest <= 8
    assert samples // (2 * largest) < 50
    assert largest >= min(8, 1 << (samples.bit_length() - 1))


@pytest.mark.parametrize(("samples", "largest"), [(1, 1), (7, 4), (399, 8), (800, 16), (50_000, 512)])
def test_the_largest_batch_of_known_numbers_of_samples(samples: int, largest: int) -> None:
    assert largest_batch(samples) == largest


def test_no_samples_have_no_batch_size() -> None:
    with pytest.raises(ModelError, match="no samples"):
        largest_batch(0)


def test_updates_limit_where_memory_does_not() -> None:
    attempt, asked = planted(PLENTY, MemoryError)
    found = find_batch_size(attempt, samples=1000, available=plenty)
    assert (found.batch_size, found.largest, found.limited_by, asked) == (16, 16, "updates", [8, 16])


def test_the_search_moves_no_random_numbers() -> None:
    before = torch.get_rng_state()
    find_batch_size(lambda size: torch.rand(size) is None or None, samples=1000, available=plenty)
    assert torch.equal(torch.get_rng_state(), before)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(12, 64),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 4),
    )


def batches(size: int, count: int = 3) -> list[Batch]:
    return [(torch.randn(size, 12), torch.randint(0, 4, (size,))) for _ in range(count)]


PLAN = StepPlan(loss=F.cross_entropy, optimizer=lambda model: torch.optim.AdamW(model.parameters()))


def test_real_steps_on_the_cpu_leave_no_trace() -> None:
    model = network()
    optimizer = PLAN.optimizer(model)
    F.cross_entropy(model(torch.randn(9, 12)), torch.randint(0, 4, (9,))).backward()
    optimizer.step()
    model[1].eval()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    kept = copy.deepcopy(optimizer.state_dict())
    random = torch.get_rng_state()

    def traces() -> list[str]:
        states = {f"{key}.{name}": value for key, state in kept["state"].items() for name, value in state.items()}
        return [digest(model.state_dict()), digest(gradients), digest(states)]

    before = traces()
    found = find_batch_size(lambda size: trial_steps(model, PLAN, batches(size)), samples=3000)
    kept = optimizer.state_dict()
    assert traces() == before
    assert all(parameter.grad is gradients[name] for name, parameter in model.named_parameters())
    assert [module.training for module in model.modules()] == [True, True, False, *[True] * 5]
    assert torch.equal(torch.get_rng_state(), random)
    assert found.batch_size == 32
    assert all(trial.needed_bytes and trial.seconds for trial in found.trials)


@pytest.mark.parametrize("recompute", [None, checkpointing], ids=["plain", "checkpointed"])
def test_on_the_cpu_a_size_beyond_memory_is_refused_before_it_is_attempted(recompute: None) -> None:
    model, plan = network(), replace(PLAN, recompute=recompute)
    attempted: list[int] = []

    def attempt(size: int) -> int:
        attempted.append(size)
        return trial_steps(model, plan, batches(size))

    free = int(1.25 * forecast(model, plan, batches(1)[0], 48).total)  # 80 % of it hold 32 samples, and not 64
    found = find_batch_size(
        attempt,
        samples=10_000,
        available=lambda: free,
        needed=lambda size: forecast(model, plan, batches(1)[0], size).total,
    )
    assert (found.batch_size, found.limited_by) == (32, "memory")
    assert attempted == [8, 16, 32]
    for trial in found.trials[:-1]:
        assert trial.needed_bytes == pytest.approx(
            forecast(model, plan, batches(1)[0], trial.batch_size).total, rel=0.2
        )


def test_a_real_failure_to_allocate_is_survived() -> None:
    """The allocator itself refuses, in the middle of a backward pass."""

    class Greedy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, *gradients: torch.Tensor) -> torch.Tensor:
            if len(gradients[0]) > 16:
                torch.empty(2**50, dtype=torch.uint8)
            return gradients[0]

    class Hungry(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Greedy.apply(self.body(x))  # type: ignore[return-value]

    model = Hungry()
    before = digest(model.state_dict())
    found = find_batch_size(lambda size: trial_steps(model, PLAN, batches(size)), samples=10_000)
    assert (found.batch_size, found.trials[-1].result) == (16, "out of memory")
    assert digest(model.state_dict()) == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_trial_steps_are_real_steps_with_the_optimizers_state() -> None:
    model = network()
    data = batches(16)
    twin = copy.deepcopy(model)
    optimizer = PLAN.optimizer(twin)

    def by_hand() -> None:
        for x, y in data:
            optimizer.zero_grad()
            F.cross_entropy(twin(x), y).backward()
            optimizer.step()

    peak = measure_peak(by_hand)
    assert trial_steps(model, PLAN, data) == pytest.approx(peak, rel=0.1)


def test_nothing_of_a_trial_stays_in_memory() -> None:
    made: list[weakref.ref[torch.optim.Optimizer]] = []

    def make(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = torch.optim.AdamW(model.parameters())
        made.append(weakref.ref(optimizer))
        return optimizer

    trial_steps(network(), replace(PLAN, optimizer=make), batches(8))
    assert [reference() for reference in made] == [None]


def test_gradients_of_several_batches_make_one_update() -> None:
    made: list[int] = []

    class Counting(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            made.append(sum(parameter.grad is not None for parameter in self.param_groups[0]["params"]))

    plan = replace(PLAN, optimizer=lambda model: Counting(model.parameters(), lr=0.1), accumulate=2)
    trial_steps(network(), plan, batches(4, count=4))
    assert made == [8, 8]


@pytest.mark.parametrize("name", optimizers.CATALOGUE)
def test_every_optimizer_of_the_catalogue_can_be_tried(name: str) -> None:
    spec = optimizers.CATALOGUE[name]

    def make(model: nn.Module) -> torch.optim.Optimizer:
        return spec.factory([{"params": list(model.parameters())}], **resolve_options(spec.options, {}, name))

    model = network()
    before = digest(model.state_dict())
    least = 2 * 4 * sum(parameter.numel() for parameter in model.parameters())
    assert trial_steps(model, replace(PLAN, optimizer=make), batches(8)) > least
    assert digest(model.state_dict()) == before


def test_a_model_that_cannot_be_copied_is_refused() -> None:
    model = network()
    model.kept = model(torch.randn(3, 12))  # type: ignore[assignment]  # the result of a computation
    with pytest.raises(ModelError, match="cannot be copied"):
        trial_steps(model, PLAN, batches(4))
