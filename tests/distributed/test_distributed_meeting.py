"""Processes that meet on a store in which others have left their names before."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch import distributed

from trainwright.errors import UsageError
from trainwright.training.meeting import agree

WORLD = 3


def met(store: distributed.Store, order: tuple[int, ...] = (0, 1, 2)) -> set[tuple[str, bool]]:
    """Let `WORLD` processes come in that order; return what they agree on: a name, and whether somebody met before."""
    with ThreadPoolExecutor(WORLD) as pool:
        answers = []
        for rank in order:
            answers.append(pool.submit(agree, store, rank, WORLD, 20.0))
            time.sleep(0.02)
        return {answer.result() for answer in answers}


def test_processes_that_are_started_again_meet_one_another_and_nobody_who_is_gone() -> None:
    store = distributed.HashStore()
    names = [met(store, order) for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0))]
    assert all(len(name) == 1 for name in names)
    agreed = [name.pop() for name in names]
    assert len(dict(agreed)) == len(agreed)
    assert [again for _, again in agreed] == [False, True, True, True]


def test_an_attempt_that_never_was_complete_is_forgotten() -> None:
    store = distributed.HashStore()
    with pytest.raises(UsageError, match="ranks 1, 2 did not come"):
        agree(store, 0, WORLD, 0.1)
    with pytest.raises(UsageError, match="rank 0 did not answer rank 2"):
        agree(store, 2, WORLD, 0.1)
    assert len(met(store, (2, 1, 0))) == 1


def test_who_is_not_on_the_list_of_an_attempt_does_not_go_on_with_it() -> None:
    store = distributed.HashStore()
    ((name, _),) = met(store)
    assert name in json.loads(store.get(f"{name}/all"))["ranks"]
    with pytest.raises(UsageError, match="rank 0 did not answer"):
        agree(store, 1, WORLD, 0.2)
