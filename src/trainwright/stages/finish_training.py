"""The networks that finishing trains itself: further seeds, snapshots, averages of weights, one that is taught."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from trainwright.data.feed import Feed
from trainwright.ensembles import averages, seeds, snapshots
from trainwright.ensembles.collecting import collected
from trainwright.ensembles.course import Asked, Extra
from trainwright.ensembles.distillation import Distilling, taught, teacher_of
from trainwright.ensembles.gains import Judgement
from trainwright.ensembles.network import Network, Origin
from trainwright.ensembles.pool import Pool
from trainwright.ensembles.soups import Judge, soups
from trainwright.errors import TrainwrightError
from trainwright.parts.schedules import Schedule
from trainwright.randomness import derive
from trainwright.search.entrant import RowEntrant
from trainwright.stages.assemble import assemble
from trainwright.stages.finish_workshop import Workshop
from trainwright.stages.setup import Setup
from trainwright.tensors import computing_with
from trainwright.training.history import History
from trainwright.training.loop import Training

Say = Callable[[str], None]
Made = TypeVar("Made")


class Bench:
    """Trains in a workshop, says what it does, and keeps what it said as `notes`. What fails is told, and left out."""

    def __init__(self, shop: Workshop, seed: int, like: Network, say: Say) -> None:
        self._shop = shop
        self._seed = seed
        self._like = like
        self._say = say
        self.notes: list[str] = []

    def members(self, count: int, *, shared_start: bool = False) -> list[Network]:
        """Return up to `count` networks, trained under seeds of their own, as rows of one array where a row will do.

        With `shared_start` they begin with the weights that the first run began with, each in an order of its own.
        """
        places = [derive(self._seed, "member", place) % 2**31 for place in range(count)]
        if shared_start and self._shop.start is not None:
            start = self._shop.start()
            self._note(f"{count} further members begin with the first run's weights, each in an order of its own")
            return [
                network
                for place, seed in enumerate(places)
                for network in self._tried(
                    f"seed {place + 2}", lambda place=place, seed=seed: [self._alone(place, seed, start)]
                )
            ]
        entrants = [self._shop.entrant(seed) for seed in places]
        rows = [entrant for entrant in entrants if isinstance(entrant, RowEntrant)]
        told = f"{count} further member{'s' if count > 1 else ''}"
        if len(rows) == len(entrants):
            return self._tried(told, lambda: self._array(rows))
        reason = next(entrant.reason for entrant in entrants if not isinstance(entrant, RowEntrant))
        self._note(f"{told}, each by itself: {reason}")
        return [
            network
            for place, seed in enumerate(places)
            for network in self._tried(f"seed {place + 2}", lambda place=place, seed=seed: [self._alone(place, seed)])
        ]

    def _array(self, rows: Sequence[RowEntrant]) -> list[Network]:
        made = seeds.train_rows(
            [row.member for row in rows],
            rows[0].feed,
            rows[0].planned_steps,
            validation=self._shop.validation,
            loss=self._shop.evaluation_loss,
        )
        self._note(_told(made, len(rows)))
        pairs = zip(made.places, made.models, strict=True)
        return [self._network(f"seed {place + 2}", model, made.steps) for place, model in pairs]

    def _alone(self, place: int, seed: int, start: Mapping[str, torch.Tensor] | None = None) -> Network:
        setup = self._shop.setup(seed)
        if start is not None:
            setup.model.load_state_dict(start)
        training = _training(setup)
        model = collected(training, [training.planned_steps])[0]
        return self._network(f"seed {place + 2}", model, training.planned_steps)

    def snapshots(self, cycles: int) -> list[Extra]:
        """Return the ensemble of the last cycles of one training, whose rate falls so many times."""

        def train() -> Iterable[Extra]:
            setup = self._shop.setup(derive(self._seed, "snapshots") % 2**31)
            schedule = snapshots.cyclic(setup.schedule, cycles)
            training = _training(setup, schedule)
            models = snapshots.snapshots(training, schedule, snapshots.kept_of(cycles))
            steps = training.planned_steps
            networks = [
                self._network(f"snapshot {place + 1}", model, steps, "snapshot", run="snapshots")
                for place, model in enumerate(models)
            ]
            yield Extra(
                method=f"snapshots, {len(networks)} of {cycles} cycles",
                networks=tuple(networks),
                note="one training, its rate falling again and again",
            )

        return self._tried("snapshots", train)

    def averages(self, wanted: Sequence[str]) -> list[Extra]:
        """Return the averages of weights that are wanted: "ema" and "polyak" of one training, "swa" of another."""
        found: list[Extra] = []
        seed = derive(self._seed, "averages") % 2**31
        along = [name for name in wanted if name in ("ema", "polyak")]

        def one() -> Iterable[Extra]:
            training = _training(self._shop.setup(seed))
            for name, model in averages.along(training, along).items():
                told = {"ema": "EMA", "polyak": "Polyak"}[name]
                network = self._network(told, model, training.planned_steps, "average", run="averages")
                yield Extra(method=told, networks=(network,), note=_AVERAGES[name])

        def other() -> Iterable[Extra]:
            setup = self._shop.setup(seed)
            training = _training(setup, averages.held(setup.schedule))
            model = averages.swa(training)
            network = self._network("SWA", model, training.planned_steps, "average", run="swa")
            yield Extra(method="SWA", networks=(network,), note=_AVERAGES["swa"])

        if along:
            found += self._tried(" and ".join(along), one)
        if "swa" in wanted:
            found += self._tried("swa", other)
        return found

    def distilled(self, pool: Pool, judgement: Judgement, asked: Asked) -> list[Extra]:
        """Return one network that was taught by several: by what was chosen, or by all members where one was."""

        def train() -> Iterable[Extra]:
            shares = judgement.shares if int((judgement.shares > 0).sum()) > 1 else _members(pool)
            used = (shares > 0).nonzero().squeeze(1).tolist()
            teachers = [pool.networks[place] for place in used]
            teach = teacher_of(teachers, shares[used], pool.form, asked.average)
            setup = self._shop.setup(derive(self._seed, "distilled") % 2**31)
            feed = taught(setup.splits["train"], teach, pool.form, once=self._shop.once)
            training = _training(replace(setup, loss=Distilling(pool.form), splits={**setup.splits, "train": feed}))
            model = collected(training, [training.planned_steps])[0]
            steps = {name: count for network in teachers for name, count in network.trained.items()}
            network = self._network("distilled", model, training.planned_steps, "distilled")
            network = replace(network, trained={**steps, **network.trained})
            yield Extra(method="distilled", networks=(network,), note=f"taught by {len(teachers)} networks")

        return self._tried("one network by all", train)

    def _tried(self, name: str, train: Callable[[], Iterable[Made]]) -> list[Made]:
        self._say(f"training {name}")
        try:
            with computing_with(self._shop.threads), torch.enable_grad():
                return list(train())
        except TrainwrightError as problem:
            self._note(f"{name}: {problem.what}" + (f" ({problem.evidence})" if problem.evidence else ""))
            return []

    def _network(
        self, name: str, model: torch.nn.Module, steps: int, origin: Origin = "member", *, run: str = ""
    ) -> Network:
        model.eval()
        return Network(
            name=name,
            model=model,
            origin=origin,
            trained={run or name: steps},
            classes=self._like.classes,
            preprocessing=self._like.preprocessing,
            recipe=self._like.recipe,
        )

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._say(text)


def soup_extras(
    networks: Sequence[Network], judge: Judge, train: Feed, kind: str = ""
) -> tuple[list[Extra], tuple[str, ...]]:
    """Return the soups of networks that share their start, and what is to be told. `kind` goes behind their names."""
    if len(networks) < 2:
        return [], ()
    made = soups(networks, judge, train)
    extras = [
        Extra(method=f"{network.name}{kind}", networks=(network,), note=f"of {', '.join(names)}")
        for network, names in zip(made.networks, made.ingredients, strict=True)
    ]
    return extras, made.notes


_AVERAGES = {
    "ema": "a moving average of the weights",
    "polyak": f"the mean of {averages.POINTS} checkpoints of the last {averages.TAIL:.0%} of a run",
    "swa": f"the mean of {averages.POINTS} checkpoints of the last {averages.TAIL:.0%}, at a held rate",
}


def _training(setup: Setup, schedule: Schedule | None = None) -> Training:
    return assemble(setup if schedule is None else replace(setup, schedule=schedule), History()).training


def _members(pool: Pool) -> torch.Tensor:
    shares = torch.tensor([float(network.origin == "member") for network in pool.networks], dtype=torch.float64)
    return shares / shares.sum()


def _told(made: seeds.Rows, count: int) -> str:
    way = "as one program" if made.lane == "stacked" else "one after the other"
    ratio = made.ratio if made.lane == "stacked" else float(count)
    cost = f", {count} against 1 at {ratio:.2g} times the cost" if ratio is not None and count > 1 else ""
    lost = f"; {len(made.diverged)} of them diverged and are left out" if made.diverged else ""
    return f"{count} further member{'s' if count > 1 else ''} trained {way}{cost}: {made.reason}{lost}"
