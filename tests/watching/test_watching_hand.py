"""What newer books say of planted faults, and do not say of healthy loops that look like them."""

from __future__ import annotations

import copy
import weakref

import pytest
import torch
import watching_loops as loops
from torch import nn
from torch.nn import functional as F

from trainwright.watching.flat import FlatBooks
from trainwright.watching.losses import Given
from trainwright.watching.relabelled import RelabelledBooks
from trainwright.watching.sightings import Sightings
from trainwright.watching.written import _TEST


def one_number() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 1))


def stepped(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def weighted_crosswise(model, optimizer, x, y, index) -> None:
    stepped(optimizer, ((model(x) ** 2) * y.float()).mean())


def weighted_by_a_mask(model, optimizer, x, y, index) -> None:
    at_risk = (y[:, None] <= y[None, :]).float()
    risk = model(x).squeeze(1)
    stepped(optimizer, ((risk.exp() * at_risk).sum(1).log() - risk).mean())


def test_a_column_of_outputs_times_a_row_of_weights_is_all_pairs_and_a_square_mask_is_not() -> None:
    name = "difference-of-all-pairs"
    assert name in loops.seen(loops.run(weighted_crosswise, model=one_number(), steps=4))
    assert name not in loops.seen(loops.run(weighted_by_a_mask, model=one_number(), steps=4))


def relabelled(labels_of, *, second: bool = False, models: int = 1) -> dict[str, float]:
    """Return the facts of one label for each of 64 samples, drawn again 6 times."""
    sightings, torn = Sightings(), torch.Generator().manual_seed(0)
    books, x = RelabelledBooks(sightings), torch.randn(64, 5, generator=torch.Generator().manual_seed(2))
    kept = [nn.Linear(5, 4) for _ in range(models)]
    base = torch.randint(4, (64,), generator=torch.Generator().manual_seed(1))
    for turn in range(6):
        given = Given(x, weakref.ref(kept[turn % models]))
        books.labelled(given, base if second else labels_of(base, torn), None)
        if second:
            books.labelled(given, labels_of(base, torn), None)
    sighting = sightings.records().get("labels-of-a-sample-change")
    return {name: float(value or 0) for name, value in sighting.facts.items()} if sighting else {}


def anew(base: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return base[torch.randperm(len(base), generator=generator)]


def numbered_anew(base: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randperm(4, generator=generator)[base]


def test_labels_dealt_out_anew_part_what_was_together_and_classes_numbered_anew_do_not() -> None:
    facts = relabelled(anew)
    assert facts["apart"] > 0.6 * facts["pairs"] > 0
    assert relabelled(numbered_anew)["apart"] == 0


def test_a_second_loss_of_one_pass_and_another_model_may_have_labels_of_their_own() -> None:
    assert not relabelled(anew, second=True)
    assert not relabelled(anew, models=2)


def test_weights_behind_rounding_are_named_until_another_loss_teaches_them() -> None:
    sightings, model = Sightings(), nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    books, x = FlatBooks(sightings), torch.randn(4, 3)
    books.look(model[1](torch.round(model[0](x))).mean(), [model])
    assert "parameters-behind-flat-operation" in sightings.records()
    books.look(model(x).mean(), [model])
    assert "parameters-behind-flat-operation" not in sightings.records()


def loaded(layers: list[int]) -> dict[str, int]:
    """Return what is seen where these layers are drawn again after loading."""
    model = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    state = copy.deepcopy(model.state_dict())
    done: list[bool] = []

    def step(model, optimizer, x, y, index) -> None:
        if not done:
            model.load_state_dict(state)
            for layer in layers:
                model[layer].reset_parameters()
            done.append(True)
        stepped(optimizer, F.cross_entropy(model(x), y))

    return loops.seen(loops.run(step, model=model, steps=3))


def test_drawing_all_after_loading_is_named_and_drawing_the_upper_layers_is_not() -> None:
    assert "weights-drawn-after-loading" in loaded([0, 2, 4])
    assert "weights-drawn-after-loading" not in loaded([2, 4])


@pytest.mark.parametrize(
    ("name", "data"),
    [("test_loader", True), ("x_test", True), ("test", True), ("test_time_average", False), ("latest", False)],
)
def test_names_of_test_data_are_those_of_data(name: str, data: bool) -> None:
    assert bool(_TEST.search(name)) is data


class Beside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(20, 3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return sum(part(x) for part in self.parts)  # pyright: ignore[reportReturnType]


def test_layers_beside_one_another_that_are_added_up_are_a_linear_model_on_purpose() -> None:
    assert "linear-throughout" not in loops.seen(loops.run(loops.healthy, model=Beside(), steps=3))
