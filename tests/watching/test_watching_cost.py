"""What watching must not do in every step: wake up where nothing is new, part the program's memory, walk its source."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import trainwright as tw
from trainwright.vitals.setup import input_stats
from trainwright.watching.storage import Storage
from trainwright.watching.written import chosen_by_test


def _train(steps: int, watched: tw.Watch) -> list[bool]:
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    x, y = torch.randn(64, 4), torch.randint(2, (64,))
    passing = []
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        passing.append(watched._tape.cruise.on)
    return passing


def test_steps_that_are_alike_pass_unheard_though_clipping_enters_no_grad() -> None:
    watched = tw.watch(quiet=True)
    with watched:
        watched._tape.own_seconds = -60.0
        passing = _train(64, watched)
    assert sum(passing[32:]) > 20
    assert watched.problem is None


def test_where_there_is_no_time_left_steps_are_followed_more_rarely() -> None:
    followed = {}
    for spent in (-1e6, 1e6):
        watched = tw.watch(quiet=True)
        with watched:
            watched._tape.own_seconds = spent
            followed[spent] = sum(not passing for passing in _train(256, watched)[64:])
    assert followed[1e6] < followed[-1e6] / 2


def test_copies_in_one_piece_of_memory_are_those_of_the_batches() -> None:
    room = Storage(10)
    batches = [torch.arange(4), torch.arange(4, 8), torch.arange(8, 12), torch.rand(2)]  # the last two do not fit in
    copies = [room.copy(batch) for batch in batches]
    before = [batch.clone() for batch in batches]
    for batch in batches:
        batch.zero_()
    assert all(torch.equal(copy, batch) for copy, batch in zip(copies, before, strict=True))
    assert copies[0].untyped_storage().data_ptr() == copies[1].untyped_storage().data_ptr()
    assert copies[2].untyped_storage().data_ptr() != copies[0].untyped_storage().data_ptr()


def test_inputs_that_are_finite_have_the_statistics_of_those_that_are_not_but_for_one() -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    whole, broken = input_stats(x), input_stats(torch.cat([x, torch.full((1, 5), float("nan"))]))
    assert (whole.non_finite, broken.non_finite, broken.non_finite_sample) == (0, 5, 200)
    assert abs(whole.mean - broken.mean) < 1e-12
    assert abs(whole.spread - broken.spread) < 1e-12
    assert whole.zero_share == 0.0


def test_a_file_without_test_data_is_not_walked_and_one_with_them_is(tmp_path: Path) -> None:
    chosen = "for epoch in range(9):\n    loss = score(net, test_x)\n    if loss < best:\n        best = loss\n"
    (tmp_path / "chosen.py").write_text(chosen)
    (tmp_path / "held.py").write_text(chosen.replace("test_x", "held_x"))
    assert chosen_by_test(str(tmp_path / "chosen.py")) == (2, "loss", "test_x")
    assert chosen_by_test(str(tmp_path / "held.py")) is None
