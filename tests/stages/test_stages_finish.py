"""The verb finish, on runs in memory and in folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.errors import DataError, ModelError, RunError, TrainwrightError, UsageError
from trainwright.stages.recipe import Recipe
from trainwright.stages.train import train

Pair = tuple[torch.Tensor, torch.Tensor]


def blobs(count: int, seed: int) -> Pair:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=generator)
    x = torch.eye(3)[y] @ torch.ones(3, 6) * y[:, None] + 1.2 * torch.randn(count, 6, generator=generator)
    return x, y


TRAIN, VALIDATION, TEST = blobs(200, 0), blobs(300, 1), blobs(300, 2)


def net(outputs: int = 3, width: int = 32) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, outputs))


def trained(seed: int, folder: Path | None = None, data: Pair = TRAIN, outputs: int = 3) -> tw.Run:
    torch.manual_seed(seed)
    more = {"epochs": 15, "lr": 1e-2, "seed": seed, "verify": "off", "batch_size": 32}
    return tw.fit(net(outputs), data, folder=folder, **more)


@pytest.fixture(scope="module")
def runs() -> list[tw.Run]:
    return [trained(seed) for seed in range(4)]


def test_the_final_model_predicts_what_its_members_do_by_their_shares(runs: list[tw.Run]) -> None:
    ensemble = tw.finish(runs, VALIDATION, test=TEST, calibrate=False)
    x = TEST[0]
    expected = torch.zeros(len(x), 3)
    with torch.no_grad():
        for member, share in zip(ensemble.members, ensemble.shares.tolist(), strict=True):
            expected += share * torch.softmax(member.model.eval()(x), 1)
    torch.testing.assert_close(ensemble.predict(x), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ensemble.predict(x.numpy()), expected, rtol=1e-4, atol=1e-5)
    assert ensemble.spread(x).shape == (len(x),)


def test_the_table_names_every_method_with_its_cost_and_what_lost(runs: list[tw.Run]) -> None:
    ensemble = tw.finish(runs, VALIDATION, test=TEST)
    gains = ensemble.gains
    rows = {row.method: row for row in gains.rows}
    assert {"single best", "temperature", "mean member", "ensemble of 4", "greedy ensemble"} <= rows.keys()
    assert rows["ensemble of 4"].cost.networks == 4
    assert rows["ensemble of 4"].cost.training_steps == sum(run.outcome.steps for run in runs)
    assert rows[gains.chosen].verdict in ("baseline", "gained")
    assert gains.test_samples == 300
    plain = ensemble.to_json()
    json.dumps(plain, allow_nan=False)
    assert plain["schema"] == 1
    assert len(plain["gains"]["rows"]) == len(gains.rows)
    text = ensemble.report(width=140)
    assert "what gained and what lost" in text
    assert "ensemble of 4" in text


def test_finishing_leaves_the_runs_and_the_random_state_as_they_were(runs: list[tw.Run]) -> None:
    before = [{name: value.clone() for name, value in run.model.state_dict().items()} for run in runs]
    modes, state = [run.model.training for run in runs], torch.get_rng_state()
    tw.finish(runs, VALIDATION)
    assert torch.equal(state, torch.get_rng_state())
    assert [run.model.training for run in runs] == modes
    for run, kept in zip(runs, before, strict=True):
        assert all(torch.equal(value, kept[name]) for name, value in run.model.state_dict().items())


def test_a_regression_has_a_mean_and_a_spread() -> None:
    x = torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    y = torch.sin(3 * x).sum(1, keepdim=True) + 0.1 * torch.randn(300, 1, generator=torch.Generator().manual_seed(1))
    some = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
        some.append(tw.fit(model, (x[:200], y[:200]), epochs=20, lr=1e-2, seed=seed, verify="off"))
    ensemble = tw.finish(some, (x[200:], y[200:]))
    assert ensemble.gains.criterion == "rmse"
    assert ensemble.predict(x).shape == (300, 1)
    assert ensemble.spread(x).shape == (300, 1)
    assert float(ensemble.spread(x).min()) >= min(ensemble.info.noise) - 1e-6
    assert ensemble.gains.row("single best").scores.nll is not None


def test_what_is_kept_is_a_folder_of_weights_facts_and_a_page(runs: list[tw.Run], tmp_path: Path) -> None:
    folder = tmp_path / "finished"
    ensemble = tw.finish(runs, VALIDATION, folder=folder)
    assert ensemble.folder == folder
    assert json.loads((folder / "finish.json").read_text())["gains"]["chosen"] == ensemble.gains.chosen
    assert "What gained and what lost" in (folder / "report.html").read_text()
    assert len(list((folder / "members").iterdir())) == len(ensemble.members)
    with pytest.raises(RunError, match="not an empty folder"):
        tw.finish(runs, VALIDATION, folder=folder)


def test_what_cannot_be_finished_is_refused_with_the_remedy(runs: list[tw.Run]) -> None:
    with pytest.raises(UsageError, match="nothing to finish"):
        tw.finish([], VALIDATION)
    with pytest.raises(UsageError, match="no validation data"):
        tw.finish(runs)
    with pytest.raises(UsageError, match="same data"):
        tw.finish(runs, VALIDATION, test=(VALIDATION[0].clone(), VALIDATION[1]))
    with pytest.raises(UsageError, match="one model"):
        tw.finish([runs[0], runs[0]], VALIDATION)
    with pytest.raises(UsageError, match="takes runs"):
        tw.finish([net()], VALIDATION)
    with pytest.raises(UsageError, match="average"):
        tw.finish(runs, VALIDATION, average="votes")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="'run 2' gives other outputs"):
        tw.finish([runs[0], trained(9, outputs=4)], VALIDATION)
    with pytest.raises(ModelError, match="cannot take the inputs"):
        tw.finish(runs, (torch.randn(50, 5), VALIDATION[1][:50]))
    with pytest.raises(ModelError, match="classes that the networks do not tell"):
        tw.finish(runs, (VALIDATION[0], VALIDATION[1] + 5))
    with pytest.raises(TrainwrightError):
        tw.finish(runs, (VALIDATION[0][:0], VALIDATION[1][:0]))


def test_folders_of_runs_given_in_python_need_the_function_that_makes_the_model(tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in range(2)]
    some = [trained(seed, folder) for seed, folder in enumerate(folders)]
    with pytest.raises(UsageError, match="given in Python"):
        tw.finish(folders, VALIDATION)
    ensemble = tw.finish([str(folder) for folder in folders], VALIDATION, model=net, calibrate=False)
    again = tw.finish(some, VALIDATION, calibrate=False)
    torch.testing.assert_close(ensemble.predict(TEST[0]), again.predict(TEST[0]))
    with pytest.raises(ModelError, match="do not fit the network"):
        tw.finish(folders, VALIDATION, model=lambda: net(width=8))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs of one division of the data, that differ in their networks."""
    parent = tmp_path_factory.mktemp("stored")
    folders = []
    for width in (16, 24):
        folder = parent / f"width-{width}"
        recipe = Recipe.of(
            {"data": {"source": "wine"}, "model": {"name": "mlp", "width": width},
             "train": {"epochs": 6, "threads": 1, "verify": "off"}}
        )  # fmt: skip
        train(recipe, folder=folder)
        folders.append(folder)
    return folders


def test_stored_runs_bring_their_own_data(stored: list[Path]) -> None:
    ensemble = tw.finish(stored)
    assert ensemble.info.classes
    assert ensemble.gains.test_samples is not None
    assert {"ensemble of 2", "single best"} <= {row.method for row in ensemble.gains.rows}


def test_a_damaged_checkpoint_is_named(stored: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(stored[1], broken)
    weights = next(broken.rglob("model.safetensors"))
    for weights in broken.rglob("model.safetensors"):
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(bytes(data))
    with pytest.raises(RunError, match="broken") as caught:
        tw.finish([stored[0], broken])
    assert "leave it out" in caught.value.remedy
    with pytest.raises(RunError, match="no run"):
        tw.finish([stored[0], tmp_path / "nothing"])
    with pytest.raises(UsageError, match="twice"):
        tw.finish([stored[0], stored[0]])


def test_runs_that_divide_their_data_differently_are_refused(stored: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "seed-1"
    recipe = Recipe.of({"data": {"source": "wine"}, "train": {"epochs": 1, "seed": 1, "threads": 1, "verify": "off"}})
    train(recipe, folder=other)
    with pytest.raises(DataError, match="divides its data in another way") as caught:
        tw.finish([stored[0], other])
    assert "--members" in caught.value.remedy


def test_runs_of_other_data_are_refused(stored: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "iris"
    recipe = Recipe.of({"data": {"source": "iris"}, "train": {"epochs": 1, "threads": 1, "verify": "off"}})
    train(recipe, folder=other)
    with pytest.raises(DataError, match="iris"):
        tw.finish([stored[0], other])


def test_seeds_that_share_one_division_are_finished_together(tmp_path: Path) -> None:
    folders = []
    for seed in range(2):
        named = {"split_seed": 0} if seed else {}  # the first one's follows its train.seed, which is the same
        recipe = Recipe.of({"data": {"source": "wine", **named}}, **{"train.seed": seed, "train.epochs": 1})
        train(recipe.changed({"train.threads": 1, "train.verify": "off"}), folder=tmp_path / str(seed))
        folders.append(tmp_path / str(seed))
    assert tw.finish(folders).gains.row("ensemble of 2").cost.networks == 2


TRAINED = ("seeds", "snapshots", "ema", "polyak", "swa", "soup", "distil")


def test_what_is_asked_for_is_trained_and_stands_in_the_table(runs: list[tw.Run]) -> None:
    said: list[str] = []
    ensemble = tw.finish(
        runs[0], VALIDATION, test=TEST, train=TRAIN, model=net, methods=TRAINED, seeds=3, cycles=3, say=said.append
    )
    rows = {row.method: row for row in ensemble.gains.rows}
    assert rows["ensemble of 3"].cost.training_steps == 3 * runs[0].outcome.steps
    assert rows["snapshots, 2 of 3 cycles"].cost.training_steps == runs[0].outcome.steps
    assert {"EMA", "Polyak", "SWA", "distilled"} <= rows.keys()
    assert rows["distilled"].cost.networks == 1
    assert rows["distilled"].cost.training_steps == 4 * runs[0].outcome.steps
    assert all(row.gain is not None for row in rows.values() if row.verdict in ("gained", "lost"))
    assert any("further members" in text for text in said)
    assert any("no soup of the members" in note for note in ensemble.info.notes)


def test_finishing_is_a_function_of_its_seed(runs: list[tw.Run]) -> None:
    asked = {"train": TRAIN, "model": net, "methods": ("seeds",), "seeds": 3}
    one, two = (tw.finish(runs[0], VALIDATION, **asked) for _ in range(2))
    first, second = (ensemble.gains.row("ensemble of 3").scores for ensemble in (one, two))
    assert first == second


def test_a_training_that_no_row_can_do_is_made_by_itself_and_one_that_diverges_is_told(runs: list[tw.Run]) -> None:
    asked = {"train": TRAIN, "model": net, "methods": ("seeds",), "seeds": 2}
    alone = tw.finish(runs[0], VALIDATION, ema=0.9, **asked)
    assert any("each by itself: train.ema = 0.9" in note for note in alone.info.notes)
    assert alone.gains.row("ensemble of 2").cost.networks == 2
    lost = tw.finish(runs[0], VALIDATION, lr=1e30, clip_norm=0.0, **asked)
    assert any("diverged" in note for note in lost.info.notes)
    assert [row.method for row in lost.gains.rows] == ["single best", "temperature"]


def test_networks_that_are_too_sure_are_told_so_and_cooled(tmp_path: Path) -> None:
    few = (TRAIN[0][:60], TRAIN[1][:60])
    torch.manual_seed(0)
    run = tw.fit(
        net(width=128), few, epochs=150, lr=1e-2, verify="off", batch_size=20
    )  # learnt by heart: no validation
    ensemble = tw.finish(run, VALIDATION, test=TEST, folder=tmp_path / "out")
    assert [finding.code for finding in ensemble.findings] == ["TW904"]
    assert ensemble.gains.chosen == "temperature"
    assert ensemble.info.temperature is not None
    assert ensemble.info.temperature > 1
    cooler = torch.log_softmax(run.model(TEST[0]) / ensemble.info.temperature, 1).exp()
    torch.testing.assert_close(ensemble.predict(TEST[0]), cooler.detach(), rtol=1e-4, atol=1e-5)
    before, after = ensemble.gains.row("single best").test, ensemble.gains.row("temperature").test_scaled
    assert before is not None
    assert after is not None
    assert before.nll is not None
    assert after.nll is not None
    assert after.nll < before.nll
    assert after.accuracy == before.accuracy
    assert "TW904" in ensemble.report()


def test_training_further_networks_needs_to_know_how(runs: list[tw.Run]) -> None:
    with pytest.raises(UsageError, match="not known how") as caught:
        tw.finish(runs[0], VALIDATION, methods=("seeds",))
    assert "model and train are missing" in caught.value.evidence
    with pytest.raises(UsageError, match="did you mean 'distil'"):
        tw.finish(runs[0], VALIDATION, methods=("distill",))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="positive"):
        tw.finish(runs, VALIDATION, costs=(0.0, 1.0))
    with pytest.raises(UsageError, match="two classes"):
        tw.finish(runs, VALIDATION, costs=(1.0, 2.0))


def test_two_classes_have_a_threshold_for_their_costs() -> None:
    x, y = VALIDATION[0], (VALIDATION[1] == 2).long()
    some = []
    for seed in range(2):
        torch.manual_seed(seed)
        some.append(tw.fit(net(2), (TRAIN[0], (TRAIN[1] == 2).long()), epochs=10, lr=1e-2, seed=seed, verify="off"))
    ensemble = tw.finish(some, (x, y), costs=(1.0, 9.0))
    assert ensemble.info.threshold is not None
    assert ensemble.info.threshold.exact == pytest.approx(0.1)
    assert "threshold" in ensemble.report()


def test_a_study_brings_its_final_run_its_last_rung_and_further_seeds(tmp_path: Path) -> None:
    study = tw.tune(
        net, TRAIN, VALIDATION, space={"lr": tw.log_uniform(1e-3, 1e-1)}, trials=6, rounds=1, final=1, epochs=3,
        batch_size=32, test=TEST, prune=False, folder=tmp_path / "study",
    )  # fmt: skip
    ensemble = tw.finish(study, seeds=3)
    rows = {row.method: row for row in ensemble.gains.rows}
    assert {"single best", "ensemble of 3", "last rung, best 5", "greedy ensemble of 8"} <= rows.keys()
    assert rows["last rung, best 5"].cost.networks == 5
    assert ensemble.gains.validation_samples == 300
    assert ensemble.gains.test_samples == 300
    # A trial of the rung is what the search has scored.
    from trainwright.stages.finish_study import rung_of

    assert study.work is not None
    best = rung_of(study.folder, study.work.enter(own_order=False))[0].networks[0]
    with torch.no_grad():
        loss = nn.functional.cross_entropy(best.model(VALIDATION[0]), VALIDATION[1])
    assert study.best is not None
    assert float(loss) == pytest.approx(study.best.value, rel=1e-4)


def test_a_study_without_a_folder_is_finished_by_further_seeds() -> None:
    study = tw.tune(net, TRAIN, VALIDATION, space={"lr": tw.log_uniform(1e-3, 1e-1)}, trials=3, rounds=1, final=0,
                    epochs=2, batch_size=32, test=TEST)  # fmt: skip
    ensemble = tw.finish(study, seeds=2)
    assert ensemble.gains.row("ensemble of 2").cost.networks == 2


def test_the_folder_of_a_study_brings_its_last_rung(tmp_path: Path) -> None:
    from trainwright.stages.tune import tune_recipe

    plain = {"data": {"source": "wine"}, "model": {"name": "mlp", "width": 8}, "train": {"epochs": 3, "threads": 1}}
    space = {"optimizer.lr": {"log_uniform": [1e-3, 1e-1]}}
    recipe = Recipe.of(plain | {"tune": {"space": space, "trials": 4, "rounds": 1, "final": 1, "prune": False}})
    tune_recipe(recipe, folder=tmp_path / "study")
    ensemble = tw.finish(tmp_path / "study", seeds=2)
    assert {"ensemble of 2", "last rung, best 4", "greedy ensemble of 6"} <= {row.method for row in ensemble.gains.rows}


def test_loaders_are_taken_as_fit_takes_them(runs: list[tw.Run]) -> None:
    loader = DataLoader(TensorDataset(*TRAIN), batch_size=40, shuffle=True)
    held_out = DataLoader(TensorDataset(*VALIDATION), batch_size=100)
    ensemble = tw.finish(runs[0], held_out, train=loader, model=net, methods=("seeds", "distil"), seeds=2)
    assert {"ensemble of 2", "distilled"} <= {row.method for row in ensemble.gains.rows}
    assert ensemble.gains.validation_samples == len(VALIDATION[0])


def test_places_of_a_sequence_are_judged_and_predicted_each() -> None:
    class Following(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.out = nn.Embedding(5, 8), nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.inner(x)).movedim(-1, 1)

    x = torch.randint(0, 5, (150, 7), generator=torch.Generator().manual_seed(0))
    y, some = (x + 1) % 5, []
    for seed in range(2):
        torch.manual_seed(seed)
        some.append(tw.fit(Following(), (x[:80], y[:80]), epochs=3, lr=3e-2, seed=seed, verify="off"))
    ensemble = tw.finish(some, (x[80:], y[80:]))
    assert ensemble.predict(x).shape == (150, 5, 7)
    torch.testing.assert_close(ensemble.predict(x).sum(1), torch.ones(150, 7))
    assert ensemble.spread(x).shape == (150,)
    assert ensemble.gains.row("single best").scores.samples == 70
