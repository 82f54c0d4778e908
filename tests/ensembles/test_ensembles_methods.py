"""Greedy selection, calibration, the threshold, and the table that judges them."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from trainwright.ensembles import methods as ways
from trainwright.ensembles.answers import Truth
from trainwright.ensembles.calibration import COOLEST, noise_of, temperature_of, threshold_of
from trainwright.ensembles.chance import chance_notes
from trainwright.ensembles.gains import TEMPERATURE, judge, on_test
from trainwright.ensembles.greedy import greedy
from trainwright.ensembles.mean_member import MEAN_MEMBER
from trainwright.ensembles.measures import log_likelihoods
from trainwright.ensembles.network import Network
from trainwright.ensembles.pool import Pool
from trainwright.errors import UsageError
from trainwright.parts.outputs import Form

CLASSES = 4


def truth(y: torch.Tensor) -> Truth:
    return Truth(y=y, sample=torch.arange(len(y)), samples=len(y))


def pool(noises: list[float], samples: int = 600, seed: int = 0, sharpness: float = 1.0, common: float = 0.0) -> Pool:
    """Networks that know the right class but for noise of their own; `common` noise is shared by all."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, CLASSES, (samples,), generator=generator)
    signal = 2 * nn.functional.one_hot(y, CLASSES).float() + common * torch.randn(samples, CLASSES, generator=generator)
    each = [sharpness * (signal + noise * torch.randn(samples, CLASSES, generator=generator)) for noise in noises]
    nets = tuple(Network(name=f"net {k}", model=nn.Linear(2, 2), trained={f"net {k}": 10}) for k in range(len(noises)))
    return Pool(
        networks=nets,
        answers=torch.stack(each),
        truth=truth(y),
        form=Form(task="classification"),
        seconds=(1.0,) * len(noises),
    )


def all_methods(count: int) -> list[ways.Method]:
    members = range(count)
    return [ways.single_best(members), ways.mean_of("ensemble", members), ways.greedy_of("greedy", members)]


def test_greedy_selection_is_never_worse_than_its_start_and_finds_what_an_exhaustive_search_finds() -> None:
    some = pool([1.0, 1.2, 3.0, 1.1], samples=300)
    loss = some.loss()
    found = loss(greedy(4, loss))
    alone = min(loss(torch.eye(4, dtype=torch.float64)[k]) for k in range(4))
    counted = [torch.tensor(c, dtype=torch.float64) for c in itertools.product(range(6), repeat=4) if sum(c)]
    best = min(loss(counts / counts.sum()) for counts in counted)
    assert found < alone
    assert found <= best + 0.002


def test_greedy_selection_stays_with_one_network_where_nothing_gains() -> None:
    shares = greedy(3, lambda shares: float(shares @ torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)))
    assert shares.tolist() == [1.0, 0.0, 0.0]


def test_the_loss_of_a_mixture_needs_the_right_class_alone() -> None:
    some = pool([1.0, 2.0])
    shares = torch.tensor([0.25, 0.75], dtype=torch.float64)
    whole = -float(log_likelihoods(some.predicted(shares), some.truth).mean())
    assert some.loss()(shares) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_probabilities_made_too_sure_is_found_again(true: float) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 1.5 * torch.randn(20_000, CLASSES, generator=generator).double()
    y = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator).squeeze(1)
    found = temperature_of(torch.log_softmax(true * logits, 1), truth(y))
    assert found == pytest.approx(true, rel=0.05)
    scores = torch.log_softmax(true * logits, 1)

    def loss(temperature: float) -> float:
        return -float(log_likelihoods(torch.log_softmax(scores / temperature, 1), truth(y)).mean())

    assert loss(found) <= min(loss(found * 1.01), loss(found / 1.01))


def test_where_every_sample_is_right_the_temperature_stays_above_its_bound() -> None:
    log_p = torch.log_softmax(torch.tensor([[5.0, 0.0], [0.0, 5.0]]), 1)
    assert temperature_of(log_p, truth(torch.tensor([0, 1]))) >= COOLEST


def test_the_noise_of_a_regression_is_what_the_spread_does_not_explain() -> None:
    generator = torch.Generator().manual_seed(2)
    spread = torch.rand(20_000, 1, generator=generator).double()
    total = (spread.square() + 0.3**2).sqrt()
    y = total * torch.randn(20_000, 1, generator=generator).double()
    assert float(noise_of(torch.zeros(20_000, 1), spread, truth(y))) == pytest.approx(0.3, rel=0.03)
    assert float(noise_of(torch.zeros(20_000, 1), 0 * spread, truth(y))) == pytest.approx(
        float(y.square().mean().sqrt())
    )


def test_a_threshold_follows_from_the_costs_and_lowers_them() -> None:
    generator = torch.Generator().manual_seed(3)
    p = torch.rand(50_000, generator=generator).double()
    y = (torch.rand(50_000, generator=generator) < p).long()
    found = threshold_of(torch.stack([1 - p, p], 1).log(), truth(y), (1.0, 4.0))
    assert found.exact == pytest.approx(0.2)
    assert found.value == pytest.approx(0.2, abs=0.04)
    wrong = 1.0 * ((p >= found.value) & (y == 0)).double() + 4.0 * ((p < found.value) & (y == 1)).double()
    assert found.expected == pytest.approx(float(wrong.mean()), rel=1e-9)
    assert found.expected < found.halved
    with pytest.raises(UsageError, match="two classes"):
        threshold_of(torch.zeros(3, 3), truth(torch.zeros(3, dtype=torch.long)), (1.0, 1.0))
    with pytest.raises(UsageError, match="positive"):
        threshold_of(torch.zeros(3, 2), truth(torch.zeros(3, dtype=torch.long)), (0.0, 1.0))


def test_an_ensemble_of_independent_networks_gains_and_is_chosen() -> None:
    found = judge(pool([1.5] * 5), range(5), all_methods(5), calibrate=True)
    row = found.gains.row("ensemble")
    assert row.verdict == "gained"
    assert row.gain is not None
    assert row.gain.is_beyond_noise
    assert found.gains.chosen in ("ensemble", "greedy")
    assert row.cost.networks == 5
    assert row.cost.training_steps == 50


def test_an_ensemble_of_networks_that_agree_is_said_to_have_lost_and_is_not_chosen() -> None:
    found = judge(pool([0.0] * 5, common=1.0), range(5), all_methods(5), calibrate=False)
    assert found.gains.lost == ("ensemble", "greedy")
    assert found.gains.chosen == found.gains.baseline
    assert int((found.shares > 0).sum()) == 1


def test_networks_that_are_much_worse_lose_beside_the_best() -> None:
    found = judge(pool([0.5, 6.0, 6.0, 6.0]), range(4), all_methods(4), calibrate=True)
    assert found.gains.row("ensemble").verdict == "lost"
    assert found.shares.argmax() == 0


def test_a_gain_that_a_temperature_gives_as_well_is_told_so() -> None:
    # The same answers, only cooler: as they are, better; after a temperature, equal.
    some = pool([1.0], sharpness=6.0)
    cooler = Pool(**{**vars(some), "answers": torch.cat([some.answers, some.answers / 3]),
                     "networks": some.networks * 2, "seconds": (1.0, 1.0)})  # fmt: skip
    found = judge(cooler, [0], [ways.single_best([0]), ways.only("cooler", 1)], calibrate=True)
    row = found.gains.row("cooler")
    assert row.verdict == "lost"
    assert "calibration" in row.note
    assert found.gains.row(TEMPERATURE).verdict == "gained"
    assert found.gains.chosen == TEMPERATURE
    assert found.temperature is not None
    assert found.temperature > 1.5


def test_what_is_fitted_is_judged_on_samples_that_it_has_not_seen() -> None:
    # Sixty networks of pure chance: the best on all samples is luck, and out of fold some of it is gone.
    optimism = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        some = Pool(
            networks=tuple(Network(name=str(k), model=nn.Linear(1, 1)) for k in range(60)),
            answers=3 * torch.randn(60, 100, 2, generator=generator),
            truth=truth(torch.randint(0, 2, (100,), generator=generator)),
            form=Form(task="classification"),
            seconds=(0.0,) * 60,
        )
        found = judge(some, range(60), [ways.single_best(range(60))], calibrate=False)
        told = found.gains.row(found.gains.baseline).scores.nll
        assert told is not None
        optimism.append(told - some.loss()(found.shares))
    assert min(optimism) > -1e-9
    assert sum(optimism) / len(optimism) > 0.02


def test_few_samples_are_not_divided_and_it_says_so() -> None:
    found = judge(pool([1.0, 1.0], samples=20), range(2), all_methods(2), calibrate=True)
    assert found.gains.folds == 1
    assert "too few to divide" in found.notes[0]


def test_test_scores_are_those_of_what_was_chosen_and_of_the_single_best_alone() -> None:
    found = judge(pool([1.5] * 5), range(5), all_methods(5), calibrate=True)
    gains = on_test(found, pool([1.5] * 5, seed=9))
    told = {row.method for row in gains.rows if row.test is not None}
    assert told == {gains.baseline, gains.chosen}
    assert gains.row(gains.chosen).test_gain is not None
    assert gains.row(MEAN_MEMBER).test is None


def test_values_are_judged_by_their_error_in_the_targets_own_units() -> None:
    generator = torch.Generator().manual_seed(5)
    y = 1e5 * torch.randn(400, 1, generator=generator).double()
    answers = y + 1e4 * torch.randn(4, 400, 1, generator=generator)
    some = Pool(
        networks=tuple(Network(name=str(k), model=nn.Linear(1, 1)) for k in range(4)),
        answers=answers,
        truth=truth(y),
        form=Form(task="regression"),
        seconds=(0.0,) * 4,
    )
    found = judge(some, range(4), all_methods(4), calibrate=True)
    row = found.gains.row("ensemble")
    assert found.gains.criterion == "rmse"
    assert row.verdict == "gained"
    assert row.scores.rmse == pytest.approx(5e3, rel=0.1)
    assert row.gain is not None
    assert row.gain.value == pytest.approx(5e3, rel=0.15)
    assert row.scores.nll is not None


def test_a_member_at_chance_is_named_and_greedy_selection_passes_it_over() -> None:
    # Four members that are sure of too little, and one that knows nothing: before a temperature its share makes sense.
    some = pool([1.0, 1.1, 1.2, 1.3], sharpness=4.0)
    noise = 5 * torch.randn(1, 600, CLASSES, generator=torch.Generator().manual_seed(9))
    useless = Network(name="useless", model=nn.Linear(2, 2), trained={"useless": 10})
    whole = Pool(**{**vars(some), "answers": torch.cat([some.answers, noise]), "networks": (*some.networks, useless),
                    "seconds": (1.0,) * 5})  # fmt: skip
    methods = [ways.single_best(range(5), calibrate=True), ways.greedy_of("greedy", range(5), calibrate=True)]
    found = judge(whole, range(5), methods, calibrate=True)
    assert [note.split("'")[1] for note in found.notes] == ["useless"]
    assert float(methods[1].choose(whole)[4]) == 0.0
    # Without calibration it is the raw likelihood that is compared; what knows nothing stays out all the same.
    assert float(ways.greedy_of("greedy", range(5)).choose(whole)[4]) == 0.0


def test_members_that_know_something_are_not_at_chance() -> None:
    assert chance_notes(pool([1.0, 1.5, 4.0, 8.0], samples=2000), range(4)) == []
    few = pool([1.5, 3.0], samples=60)
    assert chance_notes(few, range(2)) == []


def test_greedy_selection_takes_what_is_best_after_a_temperature() -> None:
    # The sharper of two networks that know the same is the worse one as it is, and equal after a temperature; a third
    # that knows less, and is as unsure as it should be, is better as it is alone.
    some = pool([1.0, 1.0, 2.0], sharpness=40.0)
    answers = some.answers.clone()
    answers[2] /= 40.0
    mixed = Pool(**{**vars(some), "answers": answers})
    assert int(ways.single_best(range(3)).choose(mixed).argmax()) == 2
    assert int(ways.single_best(range(3), calibrate=True).choose(mixed).argmax()) != 2
    shares = ways.greedy_of("greedy", range(3), calibrate=True).choose(mixed)
    loss, plain = mixed.loss(calibrate=True), torch.full((3,), 1 / 3, dtype=torch.float64)
    assert loss(shares) <= min(loss(plain), *(loss(torch.eye(3, dtype=torch.float64)[k]) for k in range(3)))


def test_the_gain_on_test_is_between_temperatures_of_their_own() -> None:
    found = judge(pool([1.5] * 5, sharpness=5.0), range(5), all_methods(5), calibrate=True)
    gains = on_test(found, pool([1.5] * 5, seed=9, sharpness=5.0))
    chosen, single = gains.row(gains.chosen), gains.row(gains.baseline)
    assert chosen.cost.networks > 1
    assert found.temperature is not None
    for row in (chosen, single):
        assert row.test is not None
        assert row.test_compared is not None
        assert row.test.nll > row.test_compared.nll  # type: ignore[operator]
    assert chosen.test_gain is not None
    assert chosen.test_gain.value == pytest.approx(single.test_compared.nll - chosen.test_compared.nll)  # type: ignore
    assert chosen.gain is not None
    assert chosen.gain.value == pytest.approx(single.compared.nll - chosen.compared.nll)  # type: ignore[operator]


def test_the_temperature_alone_is_compared_with_the_network_as_it_is() -> None:
    found = judge(pool([1.0], sharpness=6.0), [0], [ways.single_best([0])], calibrate=True)
    gains = on_test(found, pool([1.0], sharpness=6.0, seed=9))
    row = gains.row(TEMPERATURE)
    assert gains.chosen == TEMPERATURE
    assert row.test is not None
    assert row.test_gain is not None
    assert row.test_gain.value == pytest.approx(row.test.nll - row.test_compared.nll)  # type: ignore[operator]


def test_what_is_chosen_from_several_costs_the_training_of_them_all() -> None:
    found = judge(pool([1.0, 3.0, 6.0]), range(3), all_methods(3), calibrate=True)
    assert found.gains.row("single best").cost.training_steps == 30
    assert found.gains.row("greedy").cost.training_steps == 30
    mean = found.gains.row(MEAN_MEMBER)
    assert mean.cost.training_steps == 10
    assert "±" in mean.note
    assert "over the mean member" in found.gains.row("ensemble").note
