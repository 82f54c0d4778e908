"""Live bytes are counted exactly, and agree with what torch's own allocator says; free memory is read as it stands."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from trainwright.vitals.memory import LiveBytes, available_memory, give_back_freed_memory, measure_peak

KIB = 256  # float32 numbers


def test_the_peak_counts_what_is_alive_at_once() -> None:
    def work() -> None:
        first = torch.zeros(4 * KIB)
        second = torch.ones(2 * KIB)  # 6 KiB
        del first
        third = torch.zeros(3 * KIB)  # 5 KiB
        del second, third
        torch.zeros(KIB)

    assert measure_peak(work) == 6 * 1024


def test_views_and_results_in_place_take_nothing() -> None:
    def work() -> None:
        x = torch.zeros(8, KIB)
        y = x.view(-1)[10:].reshape(2, -1).t()
        y.add_(1).mul_(2)

    assert measure_peak(work) == 8 * 1024


def test_what_was_there_before_counts_from_the_beginning() -> None:
    before = torch.zeros(4 * KIB)

    def work() -> None:
        torch.zeros(3 * KIB)  # 3 KiB beside the 4 that are met only later
        before.sum()

    assert measure_peak(work) == 7 * 1024


def test_what_is_held_counts_though_nothing_uses_it() -> None:
    idle = torch.zeros(4 * KIB)
    counted = LiveBytes()
    counted.hold([idle, idle.view(2, -1)])
    with counted:
        torch.zeros(KIB)
    assert counted.peak == 5 * 1024


def test_a_tensor_that_is_resized_counts_as_it_is() -> None:
    def work() -> None:
        x = torch.zeros(KIB)
        x.resize_(5 * KIB)

    assert measure_peak(work) == 5 * 1024


def test_nothing_is_left_alive_behind_the_work() -> None:
    model = nn.Linear(4, 4)
    x = torch.randn(3, 4)
    counted = LiveBytes()
    with counted:
        model(x).sum().backward()
    model.zero_grad()
    gc.collect()
    assert counted.live == (16 + 4 + 12) * 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 5)), min_size=1, max_size=20))
def test_any_order_of_making_and_dropping_gives_the_peak_of_the_sums(order: list[tuple[int, int]]) -> None:
    """`order` says, for each tensor made, how large it is and how many of the oldest are dropped after it."""
    expected, sizes = 0, []
    for size, dropped in order:
        sizes.append(size * 4)
        expected = max(expected, sum(sizes))
        sizes = sizes[dropped:]

    def work() -> None:
        kept: list[torch.Tensor] = []
        for size, dropped in order:
            kept.append(torch.zeros(size))
            kept = kept[dropped:]

    assert measure_peak(work) == expected


def allocated(work: Callable[[], object]) -> int:
    """Return the most bytes that torch's CPU allocator had given out at once beyond those before `work`."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    held = most = 0
    results: Any = seen.profiler
    for event in results.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


@pytest.mark.parametrize("network", ["mlp", "cnn", "attention"])
def test_the_peak_of_a_step_is_what_the_allocator_gave_out(network: str) -> None:
    nets: dict[str, tuple[nn.Module, torch.Tensor]] = {
        "mlp": (nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 10)), torch.randn(64, 32)),
        "cnn": (
            nn.Sequential(
                nn.Conv2d(3, 16, 3),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(16, 10),
            ),
            torch.randn(16, 3, 20, 20),
        ),
        "attention": (
            nn.Sequential(
                nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), nn.Flatten(), nn.Linear(16 * 32, 10)
            ),
            torch.randn(16, 16, 32),
        ),
    }
    model, x = nets[network]
    y = torch.zeros(len(x), dtype=torch.long)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    step()
    states = [value for state in optimizer.state.values() for value in state.values()]
    there = [*model.parameters(), *model.buffers(), *states, x, y]
    step()
    optimizer.zero_grad()
    before = sum(tensor.numel() * tensor.element_size() for tensor in there)
    assert measure_peak(step) == pytest.approx(before + allocated(lambda: (optimizer.zero_grad(), step())), rel=0.05)


@pytest.mark.parametrize("asked", [False, True])
def test_freed_memory_goes_back_to_the_system_where_it_is_asked_for(asked: bool) -> None:
    if sys.platform != "linux":
        assert not give_back_freed_memory()
        return
    program = f"""
import os
from pathlib import Path
import torch
from trainwright.vitals.memory import give_back_freed_memory
if {asked}:
    assert give_back_freed_memory()
def taken():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
del (first := [torch.ones(16 * 2**18)])[0]  # a large block that is freed raises the library's threshold
before = taken()
blocks = [torch.ones(2**18) for _ in range(100)]
last = blocks[-1]  # at the end of the heap, where it holds all that lies before it
blocks.clear()
print(taken() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    kept = int(done.stdout)
    assert kept < 10 if asked else kept > 80  # MiB


def machine(folder: Path, cgroup: str, files: dict[str, str], available_kib: int = 1000) -> Path:
    written = {
        "proc/meminfo": f"MemTotal:  2000 kB\nMemAvailable:  {available_kib} kB\nHugePages_Total:  0\n",
        "proc/self/cgroup": cgroup,
        **files,
    }
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_without_a_limit_the_kernels_answer_holds(tmp_path: Path) -> None:
    assert available_memory(root=machine(tmp_path, "", {})) == 1000 * 1024


def test_a_control_group_of_version_2_limits_less_its_cache(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/work/me"
    files = {
        f"{group}/memory.max": "500000\n",
        f"{group}/memory.current": "300000\n",
        f"{group}/memory.stat": "anon 1\ninactive_file 100000\n",
        "sys/fs/cgroup/work/memory.max": "max\n",
        "sys/fs/cgroup/work/memory.current": "900000\n",
    }
    assert available_memory(root=machine(tmp_path, "0::/work/me\n", files)) == 500_000 - 300_000 + 100_000


def test_the_tightest_group_above_decides(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/work/me/memory.max": "800000\n",
        "sys/fs/cgroup/work/me/memory.current": "10000\n",
        "sys/fs/cgroup/work/memory.max": "90000\n",
        "sys/fs/cgroup/work/memory.current": "80000\n",
    }
    assert available_memory(root=machine(tmp_path, "0::/work/me\n", files)) == 10_000


def test_a_control_group_of_version_1_is_read_at_the_mount_too(tmp_path: Path) -> None:
    top = "sys/fs/cgroup/memory"
    files = {
        f"{top}/memory.limit_in_bytes": "70000\n",
        f"{top}/memory.usage_in_bytes": "50000\n",
        f"{top}/memory.stat": "cache 9\ntotal_inactive_file 5000\n",
    }
    cgroup = "5:devices:/\n4:memory:/host/of/the/container\n0::/\n"
    assert available_memory(root=machine(tmp_path, cgroup, files)) == 25_000


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": "10\n", "sys/fs/cgroup/memory.current": "20\n"}
    assert available_memory(root=machine(tmp_path, "0::/\n", files)) == 0


def test_this_machine_has_some_memory_and_not_all_in_the_world() -> None:
    assert 2**20 < available_memory() < 2**50


def test_a_machine_without_proc_tells_all_its_memory(tmp_path: Path) -> None:
    assert available_memory(root=tmp_path) >= available_memory()
