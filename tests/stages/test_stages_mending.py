"""Settings, targets and batches that once were taken and did nothing, or broke in the middle: trained, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.errors import DataError, ModelError, RecipeError, TrainwrightError, UsageError
from trainwright.parts import losses
from trainwright.parts.augment import SOFT_LOSSES
from trainwright.stages.choose import advice
from trainwright.stages.fit_together import check_pairing
from trainwright.stages.recipe import Recipe
from trainwright.stages.run import Run
from trainwright.stages.setup import load_data, prepare
from trainwright.stages.splits import facts_of
from trainwright.stages.train import train

QUIET: dict[str, Any] = {"epochs": 2, "threads": 1, "level": "off", "verify": "off"}
RECIPE: dict[str, Any] = {
    "data.source": "breast_cancer",
    "model.width": 8,
    "train.epochs": 1,
    "train.threads": 1,
    "train.verify": "off",
    "doctor.level": "off",
}


def fit(model: nn.Module, data: Any, validation: Any = None, **settings: Any) -> Run:
    finished = tw.fit(model, data, validation, **(QUIET | settings))
    assert finished.outcome.status == "finished"
    return finished


def follow(**changes: Any) -> Run:
    settings = RECIPE | {name.replace("__", "."): value for name, value in changes.items()}
    finished = train(Recipe.of(None, **settings))
    assert finished.outcome.status == "finished"
    return finished


def net(outputs: int, *ending: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, outputs), *ending)


def inputs(count: int = 100) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(0))


def classes(count: int = 100, number: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    x = inputs(count)
    return x, x[:, :number].argmax(1)


def loader(x: torch.Tensor, y: torch.Tensor, **settings: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), **({"batch_size": 25, "shuffle": True} | settings))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "some.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).random((60, 1, 8, 8)).astype(np.float32)
    path = tmp_path / "pictures.npz"
    np.savez(path, x=x, y=(x.mean((1, 2, 3)) > 0.5).astype(np.int64))
    return path


# --- mixing two classes ---


@pytest.mark.parametrize("name", SOFT_LOSSES)
def test_two_classes_are_mixed_under_every_loss_of_soft_targets(name: str) -> None:
    assert follow(augment__mixup=0.2, loss__name=name).digest != follow(loss__name=name).digest


def test_pictures_of_two_classes_are_cut_and_pasted(pictures: Path) -> None:
    run = follow(data__source=str(pictures), model__name="cnn", model__width=4, augment__cutmix=1.0)
    assert run.history.info.loss == "bce_with_logits"


def test_one_logit_sees_probabilities_in_the_shape_of_its_targets() -> None:
    recipe = Recipe.of(None, **RECIPE, **{"augment.mixup": 0.5})
    _, y = next(iter(prepare(recipe, load_data(recipe)).splits["train"].epoch(0)))
    assert y.shape == (64,)
    assert y.is_floating_point()
    assert int(((y > 0) & (y < 1)).sum()) > 5


@pytest.mark.parametrize("shape", [(100,), (100, 1)])
@pytest.mark.parametrize("stream", [False, True])
def test_whole_numbers_are_mixed_for_a_network_of_one_unit_and_of_two(shape: tuple[int, ...], stream: bool) -> None:
    x, y = classes()
    given = (x, y.reshape(shape))
    run = fit(net(1), loader(*given) if stream else given, mixup=0.2)
    assert run.history.info.loss == "bce_with_logits"
    if len(shape) == 1:
        assert fit(net(2), loader(*given) if stream else given, mixup=0.2).history.info.loss == "cross_entropy"


def test_more_units_than_classes_seen_are_mixed_too() -> None:
    fit(net(4), classes(), mixup=0.2)


HARD_LOSSES = [name for name, spec in losses.CATALOGUE.items() if name not in SOFT_LOSSES and spec.target != "values"]


@pytest.mark.parametrize("name", HARD_LOSSES)
def test_the_loss_that_a_refusal_of_mixing_names_mixes(name: str) -> None:
    with pytest.raises(RecipeError) as refused:
        follow(augment__mixup=0.2, loss__name=name)
    follow(augment__mixup=0.2, loss__name=re.findall(r"use '(\w+)'", str(refused.value))[-1])
    for outputs in (1, 2, 3) if name == "focal" else (2, 3):
        with pytest.raises(RecipeError) as refused:
            fit(net(outputs), classes(), mixup=0.2, loss=name)
        fit(net(outputs), classes(), mixup=0.2, loss=re.findall(r"use '(\w+)'", str(refused.value))[-1])


def test_several_labels_are_mixed() -> None:
    y = (inputs()[:, :3] > 0).float()
    fit(net(3), (inputs(), y), mixup=0.2, task="multi-label")


def of_ids(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(output.log_softmax(1), target)


def test_a_loss_of_one_s_own_that_takes_ids_alone_is_refused_where_targets_are_mixed(tmp_path: Path) -> None:
    fit(net(2), classes(), loss=of_ids)
    with pytest.raises(ModelError, match=r"soft targets that augment.mixup makes(.|\n)*shape \(32, 2\)"):
        fit(net(2), classes(), loss=of_ids, mixup=0.2, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    fit(net(2), classes(), loss=lambda output, target: F.cross_entropy(output, target), mixup=0.2)


# --- texts ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train.sampler": "balanced"}, "leave it at 'shuffled'"),
        ({"augment.mixup": 0.2}, "take [augment] out"),
        ({"augment.noise": 0.1}, "take [augment] out"),
    ],
)
def test_what_tokens_cannot_be_put_through_is_refused(text: Path, changes: dict[str, Any], words: str) -> None:
    settings = RECIPE | {"data.source": str(text), "data.context": 16, "model.name": "transformer", "model.width": 16}
    recipe = Recipe.of(None, **settings, **changes)
    with pytest.raises(RecipeError, match=re.escape(words)):
        prepare(recipe, load_data(recipe))


def test_letters_are_not_advised_to_be_drawn_alike(text: Path) -> None:
    facts = facts_of(load_data(Recipe.of(None, **{"data.source": str(text), "data.context": 16})))
    assert max(facts.class_counts) > 5 * min(facts.class_counts)
    assert not any("sampler" in said for said in advice(facts))


# --- targets ---


def test_rows_that_are_no_probabilities_are_refused() -> None:
    x, rows = inputs(), torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    for loss in ("cross_entropy", nn.CrossEntropyLoss()):
        for data in ((x, rows), loader(x, rows)):
            with pytest.raises(DataError, match="sum to 1"):
                fit(net(3), data, loss=loss)
        fit(net(3), (x, rows / rows.sum(1, keepdim=True)), loss=loss)


def test_labels_under_a_loss_of_yes_and_no_are_pointed_to_their_task() -> None:
    labels = (inputs()[:, :3] > 0).float()
    for data in ((inputs(), labels), loader(inputs(), labels)):
        with pytest.raises(RecipeError, match='task="multi-label"'):
            fit(net(3), data, loss="bce_with_logits")
        assert fit(net(3), data, loss="bce_with_logits", task="multi-label").history.info.task == "multi-label"
    with pytest.raises(RecipeError, match=r"BCEWithLogitsLoss\(\)"):
        fit(net(3), (inputs(), labels * 0.5), loss="bce_with_logits")
    fit(net(3), (inputs(), labels * 0.5), loss=nn.BCEWithLogitsLoss())
    with pytest.raises(RecipeError, match="use 'mse'"):
        fit(net(3), (inputs(), labels * 5), loss="bce_with_logits")


class Places(nn.Module):
    """Tells a class for each of six places: of vectors, or of the tokens that it looks up."""

    def __init__(self, *, tokens: bool, last: bool = False) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Embedding(4, 8) if tokens else nn.Linear(3, 8), nn.Linear(8, 4))
        self.last = last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.inner(x)
        return found if self.last else found.transpose(1, 2)


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("loss", [None, "cross_entropy", nn.CrossEntropyLoss(), of_ids])
def test_a_class_at_each_place_trains_from_a_pair(tokens: bool, loss: Any) -> None:
    source = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 4, (64, 6), generator=source)
    x = ids.roll(1, 1) if tokens else torch.randn(64, 6, 3, generator=source)
    settings = {} if loss is None else {"loss": loss}
    run = fit(Places(tokens=tokens), (x, ids.numpy().astype(np.int32)), (x[:9], ids[:9]), **settings)
    assert run.history.info.task == "classification"
    with pytest.raises(ModelError, match=r"classes come last(.|\n)*output.movedim\(-1, 1\)"):
        fit(Places(tokens=tokens, last=True), (x, ids), **settings)
    with pytest.raises(DataError, match="one class for each sample"):
        fit(Places(tokens=False), (torch.randn(64, 6, 3), ids), mixup=0.2, **settings)
    with pytest.raises(UsageError, match="for a class at each of several places"):
        fit(Places(tokens=tokens), (x, ids), sampler="balanced", **settings)


def squares(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((output - target) ** 2).mean()


@pytest.mark.parametrize("loss", [squares, lambda output, target: F.mse_loss(output, target)])
@pytest.mark.parametrize("zero", [False, True])
def test_a_loss_that_broadcasts_unnoticed_is_refused(loss: Callable, zero: bool) -> None:
    model = net(1)
    if zero:  # as many begin their last layer: every output is alike
        nn.init.zeros_(model[-1].weight)  # type: ignore[arg-type]
    x = inputs()
    with pytest.raises(ModelError, match=r"different shapes(.|\n)*\(100, 1\), the target \(100,\)"):
        fit(model, (x, x[:, 0]), loss=loss)
    with pytest.raises(ModelError, match="different shapes"):
        fit(nn.Sequential(net(1), nn.Flatten(0)), (x, x[:, :1]), loss=loss)
    fit(net(1), (x, x[:, :1]), loss=loss)


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: squares(output.squeeze(1), target),
        lambda output, target: squares(output, target[:, None]),
        lambda output, target: (output - output.T).square().mean() * 0 + squares(output.flatten(), target),
        lambda output, target: output.square().mean(),  # of the outputs alone
        lambda output, target: (output.mean() - target.mean()) ** 2,  # of no pairs, in whatever shape
    ],
)
def test_a_loss_that_pairs_or_never_pairs_is_left_alone(loss: Callable) -> None:
    x = inputs()
    check_pairing(net(1), loss, (x, x[:, 0]))


# --- settings without effect ---


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [({"batch_size": 4}, "leave batch_size out"), ({"sampler": "balanced"}, "WeightedRandomSampler")],
)
def test_settings_that_cannot_reach_into_a_loader_are_refused(settings: dict[str, Any], remedy: str) -> None:
    for data in (loader(*classes()), [classes(25), classes(25)]):
        with pytest.raises(UsageError, match=remedy):
            fit(net(2), data, **settings)
    fit(net(2), loader(*classes()), batch_size=25)  # as the record of a run has it


def test_the_whole_data_are_one_update_and_nothing_else_is_taken() -> None:
    for changes in ({"accumulate": 2}, {"accumulate": 2, "batch_size": 25}):
        with pytest.raises(RecipeError, match=r"whole of the data(.|\n)*leave it out"):
            fit(net(2), classes(), optimizer="lbfgs", **changes)
    assert fit(net(2), classes(), optimizer="lbfgs").history.info.setting("train.batch_size") == 100
    assert fit(net(2), classes(), optimizer="lbfgs", accumulate=4, batch_size=25).outcome.steps == 2
    assert fit(net(2), loader(*classes()), optimizer="lbfgs").outcome.steps == 2
    with pytest.raises(RecipeError, match="leave it out"):
        follow(optimizer__name="lbfgs", train__accumulate=2)


def test_pieces_of_an_update_are_said_to_be_pieces() -> None:
    changes = {"optimizer.name": "lbfgs", "train.batch_size": 100}
    recipe = Recipe.of(None, **(RECIPE | changes))
    notes = prepare(recipe, load_data(recipe)).facts["data"]["notes"]
    assert any("train.batch_size = 100 is the size of the pieces" in note for note in notes)


def test_a_second_average_is_refused() -> None:
    words = "averages the weights itself"
    with pytest.raises(RecipeError, match=words):
        fit(net(2), classes(), optimizer="schedule_free", ema=0.9)
    with pytest.raises(RecipeError, match=words):
        follow(optimizer__name="schedule_free", train__ema=0.9)
    fit(net(2), classes(), ema=0.9)


# --- outputs that the loss does not take ---


@pytest.mark.parametrize("loss", ["nll", nn.NLLLoss(), F.nll_loss])
def test_raw_logits_are_refused_where_log_probabilities_are_taken(loss: Any) -> None:
    with pytest.raises(ModelError, match=r"append nn.LogSoftmax\(1\)"):
        fit(net(3), classes(number=3), loss=loss)
    fit(net(3, nn.LogSoftmax(1)), classes(number=3), loss=loss)


def test_a_softmax_before_a_divergence_is_refused_and_its_other_forms_are_left_alone() -> None:
    x = inputs()
    y = torch.rand(100, 3, generator=torch.Generator().manual_seed(0)).softmax(1)
    for loss in ("kl_div", nn.KLDivLoss(reduction="batchmean")):
        with pytest.raises(ModelError, match=r"in the place of nn.Softmax\(1\)"):
            fit(net(3, nn.Softmax(1)), (x, y), loss=loss)
        fit(net(3, nn.LogSoftmax(1)), (x, y), loss=loss)
    fit(net(3, nn.LogSoftmax(1)), (x, y.log()), loss=nn.KLDivLoss(reduction="batchmean", log_target=True))


def test_an_id_that_torch_s_loss_ignores_is_left_alone() -> None:
    x, y = classes()
    fit(net(3), (x, y - 1), loss=nn.CrossEntropyLoss(ignore_index=-1))


# --- double precision ---


@pytest.mark.parametrize("form", [lambda tensor: tensor, lambda tensor: tensor.numpy()], ids=["torch", "numpy"])
def test_a_model_in_float64_trains_on_data_in_float64(form: Callable) -> None:
    x = inputs().double()
    values = x[:, :1] / 3
    cases: list[tuple[torch.Tensor, int, dict[str, Any]]] = [
        (values, 1, {}),
        (values[:, 0], 1, {}),
        (values, 1, {"loss": nn.MSELoss()}),
        (classes()[1], 2, {"mixup": 0.2}),
        (classes()[1], 2, {"loss": nn.CrossEntropyLoss(), "sampler": "balanced"}),
    ]
    for y, outputs, settings in cases:
        model = net(outputs).double()
        pair = form(x), form(y)
        run = tw.fit(model, pair, pair, epochs=2, threads=1, **settings)  # with all that is measured
        assert run.outcome.status == "finished"
        assert {weight.dtype for weight in model.parameters()} == {torch.float64}
    seen: list[torch.Tensor] = []

    def own(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append(target)
        return squares(output, target)

    fit(net(1).double(), (form(x), form(values)), loss=own, batch_size=100)
    assert seen[0].dtype == torch.float64
    assert any(torch.equal(target.sort(0).values, values.sort(0).values) for target in seen)  # every digit of it


def test_whole_numbers_reach_a_model_in_float64_as_float64() -> None:
    x, y = classes()
    fit(net(2).double(), (x.round().long(), y))
    fit(net(2), (x.double(), y))  # and floats one in float32, as ever


# --- a last batch of one ---


def normalised(*, images: bool = False) -> nn.Sequential:
    if images:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 9, 2))
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def test_a_loader_that_leaves_one_over_is_refused_where_the_model_cannot_train_on_it() -> None:
    x, y = classes(51)
    model = normalised()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(DataError, match=r"51 samples in batches of 25(.|\n)*drop_last=True"):
        fit(model, loader(x, y))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    fit(normalised(), loader(x, y, drop_last=True))
    fit(normalised(), loader(x, y, batch_size=10, sampler=range(50), shuffle=False))
    fit(net(2), loader(x, y))
    model[1].eval()  # frozen on purpose: it takes single samples
    fit(model, loader(x, y))
    fit(normalised(images=True), loader(torch.randn(51, 1, 5, 5), y))  # one image has many values of each channel


def test_nothing_is_said_of_batch_normalisation_without_it() -> None:
    notes = {}
    for norm in ("none", "batch"):
        changes = {"data.source": "iris", "train.batch_size": 3, "model.name": "mlp", "model.norm": norm}
        recipe = Recipe.of(None, **(RECIPE | changes))
        setup = prepare(recipe, load_data(recipe))
        assert setup.splits["train"].samples % 3 == 1
        notes[norm] = " ".join(setup.facts["data"]["notes"])
    assert "joins the batch before it" in notes["batch"]
    assert "batch normalisation" not in notes["none"]


def test_every_refusal_comes_before_anything_is_written(tmp_path: Path) -> None:
    x, y = classes(51)
    for model, data, settings in (
        (normalised(), loader(x, y), {}),
        (net(2), loader(x, y), {"batch_size": 4}),
        (net(1), (x, x[:, 0]), {"loss": squares}),
        (net(2), (x, y), {"loss": nn.NLLLoss()}),
    ):
        with pytest.raises(TrainwrightError):
            fit(model, data, folder=tmp_path / "run", **settings)
    assert list(tmp_path.iterdir()) == []
