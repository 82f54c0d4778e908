"""A search on Ray: workers on any machine of a cluster train the study's trials; who dies is replaced.

What is decided lies in the study's folder, or in its store, as it does for processes on one machine. Ray brings workers
to machines and tells when one is gone, so that what it had taken is free at once.
"""

from __future__ import annotations

import importlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainwright.errors import RunError, TrainwrightError, UsageError
from trainwright.records.study import StudyInfo
from trainwright.search.study import abandon, read_study

REACH_SECONDS = 5.0
"""After so long a cluster's head that does not answer counts as unreachable."""
MOST_FAILURES = 20
"""Deaths in a row, for each worker, between which no trial has got on: then something is wrong with all of them."""
_TOKEN = "study.token"
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is to do: the study of a recipe, in plain values that any machine can read."""

    recipe: str
    changes: Mapping[str, Any]
    folder: str
    data_root: str | None
    store: str | None
    token: str


def start(address: str | None) -> Any:
    """Connect to the Ray cluster at `address`, or start one on this machine; return the library.

    Raises `UsageError` where Ray is not installed, `RunError` where nobody answers at the address.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise UsageError(
            "a search on Ray needs Ray, which is not installed", remedy="pip install trainwright[ray]"
        ) from None
    if address not in (None, "auto", "local"):
        _check_reachable(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(
            address=None if address == "local" else address,
            include_dashboard=False if address in (None, "local") else None,
            log_to_driver=False,
            logging_level="ERROR",
            ignore_reinit_error=True,
            **({"runtime_env": {"env_vars": {"PYTHONPATH": path}}} if (path := os.environ.get("PYTHONPATH")) else {}),
        )
    except Exception as problem:  # whatever the library raises, of which there are many kinds
        words = str(problem).strip().splitlines()
        raise RunError(
            f"no Ray cluster answers at address '{address or 'local'}'",
            evidence=f"{type(problem).__name__}: {words[0][:200] if words else ''}",
            remedy="start one with: ray start --head; or leave --address out, for one on this machine",
        ) from None
    return ray


def work(
    ray: Any,
    job: Job,
    workers: int | None,
    *,
    observe: Callable[[StudyInfo], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> None:
    """Keep `workers` workers at work until the study is over; by default one for each processor of the cluster.

    What a worker had taken that died is free at once, and another takes its place; one for which the cluster has no
    room yet begins when a machine joins. `observe` is given the study from time to time, and `say` told who is gone.
    Raises `RunError` where workers cannot do the work at all.
    """
    folder, say = Path(job.folder), say or (lambda text: None)
    progress = [-1]

    def is_over() -> bool:
        try:
            info = read_study(folder, job.store)
        except RunError:  # nobody has begun it yet
            return False
        progress[0] = sum(trial.steps for trial in info.trials)
        if observe is not None:
            observe(replace(info, status="running"))
        return info.status == "finished"

    count = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _TOKEN).write_text(job.token, encoding="utf-8")
    remote = ray.remote(num_cpus=1, max_restarts=0)(Worker)
    running: dict[Any, tuple[Any, Any]] = {}  # the work of a worker: who it is, and its answer to where it is
    failures, before = 0, progress[0]

    def add() -> None:
        actor = remote.remote()
        place = actor.where.remote()  # answered before the work begins
        running[actor.work.remote(job)] = (actor, place)

    for _ in range(count):
        add()
    try:
        while running and not is_over():
            done, _ = ray.wait(list(running), timeout=_LOOK_SECONDS)
            for ref in done:
                _, place = running.pop(ref)
                problem = _problem(ray, ref)
                if problem is None:
                    continue
                if isinstance(problem, _Refused):
                    raise RunError(str(problem), evidence=problem.evidence, remedy=problem.remedy)
                failures = failures + 1 if progress[0] == before else 0
                before = progress[0]
                if failures >= MOST_FAILURES * count:
                    raise RunError("no worker stays alive", evidence=problem, remedy="see Ray's logs on its nodes")
                where = _answer(ray, place)
                if where is not None:
                    abandon(folder, job.store, *where)
                    say(f"worker {where[1]} on {where[0]} is gone ({problem}); another takes its place")
                add()
    finally:
        for actor, _ in running.values():
            ray.kill(actor)


class Worker:
    """One process of the cluster that works on a study."""

    def where(self) -> tuple[str, int]:
        """Return the host and the number of the process."""
        return socket.gethostname(), os.getpid()

    def work(self, job: Job) -> dict[str, str] | None:
        """Train trials until the study is over; return what is wrong where that cannot be done, None where all is."""
        try:
            _check_shared(job)
            from trainwright.stages.recipe import Recipe
            from trainwright.stages.tune import tune_recipe

            recipe = Recipe.read(job.recipe, {**job.changes, "tune.final": 0})
            tune_recipe(recipe, folder=Path(job.folder), data_root=job.data_root, store=job.store)
        except TrainwrightError as problem:
            return {"what": problem.what, "evidence": problem.evidence, "remedy": problem.remedy}
        return None


def job_of(recipe: Path, changes: Mapping[str, Any], folder: Path, data_root: str | None, store: str | None) -> Job:
    """Return the work of a study, with paths that are the same from any folder."""
    return Job(
        recipe=str(recipe.resolve()),
        changes=dict(changes),
        folder=str(folder.resolve()),
        data_root=None if data_root is None else str(Path(data_root).resolve()),
        store=store,
        token=uuid.uuid4().hex,
    )


class _Refused(str):
    """What a worker said that no other would do better."""

    evidence: str = ""
    remedy: str = ""


def _problem(ray: Any, ref: Any) -> str | None:
    """Return why a worker ended, None where its work is done."""
    try:
        answer = ray.get(ref)
    except Exception as problem:  # it died: killed, pre-empted, out of memory
        words = str(problem).strip().splitlines()
        return f"{type(problem).__name__}: {words[0][:120] if words else ''}"
    if answer is None:
        return None
    refused = _Refused(answer["what"])
    refused.evidence, refused.remedy = answer["evidence"], answer["remedy"]
    return refused


def _answer(ray: Any, place: Any) -> tuple[str, int] | None:
    """Return the host and the process of a worker that has ended, None where it ended before it could tell."""
    try:
        return ray.get(place, timeout=1)
    except Exception:  # of many kinds, as of what it died
        return None


def _check_shared(job: Job) -> None:
    """Raise `RunError` where this machine does not see the folder that the others work in."""
    here = socket.gethostname()
    if not Path(job.recipe).is_file():
        raise RunError(
            f"the recipe {job.recipe} is not on {here}",
            remedy="put it on a disk that all machines of the cluster share",
        )
    if job.store is not None:
        return
    deadline = time.monotonic() + REACH_SECONDS  # a network disk may show a new file late
    while True:
        token = Path(job.folder) / _TOKEN
        found = token.read_text(encoding="utf-8") if token.is_file() else None
        if found == job.token:
            return
        if time.monotonic() > deadline:
            raise RunError(
                f"the folder {job.folder} is not shared: {here} does not see what was written into it",
                evidence="it is not there" if found is None else "it is another folder of that name",
                remedy="give --folder a place on a disk that all machines share, or give --store the URL of a database",
            )
        time.sleep(_LOOK_SECONDS)


def _check_reachable(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--address {address}: give host:port, ray://host:port, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except OSError as problem:
        raise RunError(
            f"no Ray cluster answers at address '{address}'",
            evidence=problem.strerror or str(problem),
            remedy="start one with: ray start --head --port=PORT; or leave --address out, for one on this machine",
        ) from None
