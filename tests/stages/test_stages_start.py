"""Starting from a run, a file, Hugging Face or timm: in a recipe, in `fit`, and from the shell."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.errors import ModelError, RunError, TrainwrightError, UsageError
from trainwright.parts.pretrained import Logits
from trainwright.runs.layout import RUN
from trainwright.stages.recipe import Recipe
from trainwright.stages.report import report_run
from trainwright.stages.setup import load_data, prepare
from trainwright.stages.start import start_from
from trainwright.stages.train import train

DIGITS: dict[str, Any] = {
    "data": {"source": "digits"},
    "model": {"name": "mlp", "width": 16, "depth": 2},
    "train": {"epochs": 1, "batch_size": 128, "verify": "off"},
}


def recipe(**changes: Any) -> Recipe:
    return Recipe.of(DIGITS, **{name.replace("__", "."): value for name, value in changes.items()})


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    train(recipe(), folder=folder)
    return folder


def test_a_run_starts_from_the_best_weights_of_another(first: Path, tmp_path: Path) -> None:
    setup = prepare(recipe(model__start=str(first)), load_data(recipe()))
    model = prepare(recipe(), load_data(recipe())).model
    start_from(model, first)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in setup.model.state_dict().items())
    assert setup.loaded is not None
    assert len(setup.loaded.loaded) == setup.loaded.tensors == 6


def test_what_was_loaded_is_in_the_runs_head_its_events_its_notes_and_the_report(first: Path, tmp_path: Path) -> None:
    run = train(recipe(model__start=str(first)), folder=tmp_path / "second")
    head = json.loads((tmp_path / "second" / RUN).read_text())
    assert head["start"]["numbers"] == head["start"]["all_numbers"]
    assert any("6 of 6 tensors loaded" in note for note in head["data"]["notes"])
    assert any(event.name == "started" for event in run.history.events)
    report_run(tmp_path / "second")
    assert "6 of 6 tensors loaded" in (tmp_path / "second" / "report.html").read_text()


def test_a_start_without_a_network_takes_the_networks_of_that_run(first: Path) -> None:
    plain = Recipe.of({"data": {"source": "digits"}, "model": {"start": str(first)}, "train": {"epochs": 1}})
    setup = prepare(plain, load_data(plain))
    assert (setup.recipe.model.name, setup.recipe.model.options["width"]) == ("mlp", 16)


def test_a_kept_recipe_finds_its_start_from_anywhere(first: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(first.parent)
    train(recipe(model__start="first"), folder=tmp_path / "second")
    monkeypatch.chdir(tmp_path)
    again = Recipe.read(tmp_path / "second" / "recipe.toml")
    assert again.model.start == str(first)
    assert train(again).digest == train(recipe(model__start=str(first))).digest


def test_a_start_is_looked_for_beside_the_recipe(first: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"")
    torch.save(prepare(recipe(), load_data(recipe())).model.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "one.toml").write_text(recipe(model__start="weights.pt").to_toml(given=True))
    read = Recipe.read(tmp_path / "one.toml")
    assert prepare(read, load_data(read)).loaded is not None


def test_another_number_of_classes_gets_a_new_head(first: Path) -> None:
    wine = {"data": {"source": "wine"}, "model": {**DIGITS["model"], "start": str(first)}}
    other = Recipe.of(wine)
    with pytest.raises(ModelError, match="of another shape"):  # other inputs: no head
        prepare(other, load_data(other))
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(),
                        nn.Dropout(), nn.Linear(16, 3))  # fmt: skip
    loaded = tw.start_from(net, first)
    assert loaded.head == ("7.weight", "7.bias")


def test_fit_takes_a_start_and_lower_rates_for_earlier_layers(first: Path) -> None:
    x, y = torch.randn(60, 64), torch.arange(60) % 3
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(),
                        nn.Dropout(), nn.Linear(16, 3))  # fmt: skip
    kept = tw.start_from(net, first)
    run = tw.fit(net, (x, y), epochs=1, start=first, layer_decay=0.5, rates={"head": 10.0}, batch_size=20, verify="off")
    assert run.outcome.status == "finished"
    assert run.loaded is not None
    assert run.loaded.loaded == kept.loaded == tw.start_from(net, run).loaded[:4]
    assert kept.loaded == ("1.weight", "1.bias", "4.weight", "4.bias")


def test_pretrained_weights_do_not_look_like_a_leak_or_a_run_that_was_not_undone(first: Path) -> None:
    run = train(recipe(model__start=str(first), train__verify="full", train__freeze=["body"]))
    assert not [finding.kind for finding in run.findings if finding.severity != "note"]


def test_hardly_anything_loaded_is_a_finding_and_all_of_it_is_none(first: Path, tmp_path: Path) -> None:
    state = prepare(recipe(), load_data(recipe())).model.state_dict()
    torch.save(
        {name if name == "1.bias" else f"other.{name}.x": value for name, value in state.items()}, tmp_path / "w.pt"
    )
    run = train(recipe(model__start=str(tmp_path / "w.pt")))
    (finding,) = [finding for finding in run.findings if finding.kind == "weights-not-loaded"]
    assert (finding.code, finding.severity) == ("TW415", "warning")
    healthy = train(recipe(model__start=str(first)))
    assert "weights-not-loaded" not in {finding.kind for finding in healthy.findings}


class TestBadInput:
    def test_a_run_without_weights_is_refused(self, first: Path, tmp_path: Path) -> None:
        head = json.loads((first / RUN).read_text())
        (tmp_path / "killed").mkdir()
        (tmp_path / "killed" / RUN).write_text(json.dumps({**head, "outcome": None, "status": "running"}))
        with pytest.raises(RunError, match="has no weights to start from") as caught:
            start_from(nn.Linear(2, 2), tmp_path / "killed")
        assert "it has not ended" in caught.value.evidence

    def test_a_run_that_never_ended_gives_its_best_so_far_and_says_so(self, first: Path, tmp_path: Path) -> None:
        shutil.copytree(first, tmp_path / "going")
        head = json.loads((first / RUN).read_text())
        (tmp_path / "going" / RUN).write_text(json.dumps({**head, "outcome": None, "status": "running"}))
        loaded = start_from(prepare(recipe(), load_data(recipe())).model, tmp_path / "going")
        assert any("has not ended" in note for note in loaded.notes)

    def test_a_damaged_checkpoint_is_refused(self, first: Path, tmp_path: Path) -> None:
        shutil.copytree(first, tmp_path / "bent")
        for path in (tmp_path / "bent" / "checkpoints").glob("*/model.safetensors"):
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(bytes(content))
        with pytest.raises(RunError, match="is damaged"):
            start_from(nn.Linear(2, 2), tmp_path / "bent")

    def test_what_is_not_there_gets_the_nearest_run(self, first: Path) -> None:
        with pytest.raises(UsageError) as caught:
            start_from(nn.Linear(2, 2), first.parent / "fisrt")
        assert caught.value.remedy == "did you mean 'first'?"

    def test_a_folder_of_hugging_face_is_told_by_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(UsageError, match="is a folder of Hugging Face"):
            start_from(nn.Linear(2, 2), tmp_path)

    @pytest.mark.parametrize("source", [3, {"a": 1}, {}], ids=str)
    def test_what_is_no_source_is_refused(self, source: Any) -> None:
        with pytest.raises(UsageError):
            start_from(nn.Linear(2, 2), source)

    def test_a_recipe_names_the_line_of_a_part_that_does_not_exist(self, tmp_path: Path) -> None:
        (tmp_path / "one.toml").write_text('[data]\nsource = "digits"\n[train]\nfreeze = ["bdoy"]\n')
        read = Recipe.read(tmp_path / "one.toml")
        with pytest.raises(TrainwrightError, match=r"one.toml:4: no parameter is called 'bdoy'.*did you mean 'body'"):
            prepare(read, load_data(read))

    @pytest.mark.parametrize("value", ["sudden", 3, {"a": "b"}, [0.1]], ids=str)
    def test_a_malformed_unfreeze_is_refused(self, value: Any) -> None:
        with pytest.raises(TrainwrightError, match=r"train\.unfreeze"):
            Recipe.of({"train": {"unfreeze": value}})


class TestLibraries:
    """Stand-ins of the same interface: the libraries themselves are extras, and may not be here."""

    def test_one_that_is_not_installed_is_told_with_its_extra(self, monkeypatch: Any) -> None:
        for name in ("timm", "transformers"):
            monkeypatch.setitem(sys.modules, name, None)
        for start in ("timm:resnet18", "hf:somewhere"):
            with pytest.raises(UsageError, match="which is not installed") as caught:
                start_from(nn.Linear(2, 2), start)
            assert "trainwright[transfer]" in caught.value.remedy

    def test_a_network_of_timm_is_made_for_the_data_and_given_its_weights(self, monkeypatch: Any) -> None:
        def create_model(name: str, *, pretrained: bool, num_classes: int = 7, in_chans: int = 3) -> nn.Module:
            torch.manual_seed(1 if pretrained else 2)
            return nn.Sequential(
                nn.Conv2d(in_chans, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)
            )

        stand_in = SimpleNamespace(
            create_model=create_model, is_model=lambda name: name == "tiny", list_models=lambda: ["tiny"]
        )
        monkeypatch.setitem(sys.modules, "timm", _module("timm", stand_in))
        plain = Recipe.of(
            {"data": {"source": "digits"}, "model": {"start": "timm:tiny"}, "train": {"epochs": 1, "freeze": ["body"]}}
        )
        setup = prepare(plain, load_data(plain))
        assert setup.loaded is not None
        assert setup.loaded.head == ("3.weight", "3.bias")
        torch.manual_seed(1)
        assert torch.equal(setup.model[0].weight, nn.Conv2d(1, 4, 3).weight)  # type: ignore[index]
        assert train(setup.recipe).outcome.status == "finished"  # the resolved recipe names the factory
        with pytest.raises(UsageError) as caught:
            start_from(setup.model, "timm:tinny")
        assert caught.value.remedy == "did you mean 'tiny'?"

    def test_a_network_of_hugging_face_is_made_for_the_data_and_given_its_weights(self, monkeypatch: Any) -> None:
        class Classifier(nn.Module):
            def __init__(self, config: Any) -> None:
                super().__init__()
                self.body = nn.Linear(64, 5)
                self.classifier = nn.Linear(5, config.num_labels)

            def forward(self, x: torch.Tensor) -> Any:
                return SimpleNamespace(logits=self.classifier(self.body(x.flatten(1)).relu()))

            @classmethod
            def from_pretrained(cls, name: str) -> Classifier:
                torch.manual_seed(1)
                return cls(SimpleNamespace(num_labels=7))

        config = SimpleNamespace(num_labels=7, architectures=["Classifier"])
        auto = SimpleNamespace(from_pretrained=lambda name: config)
        made = SimpleNamespace(from_config=Classifier)
        stand_in = SimpleNamespace(
            AutoConfig=auto, AutoModelForImageClassification=made, AutoModel=Classifier, Classifier=Classifier
        )
        monkeypatch.setitem(sys.modules, "transformers", _module("transformers", stand_in))
        plain = Recipe.of(
            {"data": {"source": "digits"}, "model": {"start": "hf:tiny"}, "train": {"epochs": 1, "freeze": ["body"]}}
        )
        setup = prepare(plain, load_data(plain))
        assert isinstance(setup.model, Logits)
        assert setup.loaded is not None
        assert (setup.loaded.added, set(setup.loaded.head)) == (
            "model.",
            {"model.classifier.weight", "model.classifier.bias"},
        )

    def test_timm_itself(self, tmp_path: Path) -> None:
        timm = pytest.importorskip("timm")
        saved = timm.create_model("resnet10t", num_classes=7, in_chans=1)
        timm.models.save_for_hf(saved, tmp_path / "tiny", model_config={"input_size": (1, 8, 8)})
        model = timm.create_model("resnet10t", num_classes=10, in_chans=1)
        loaded = start_from(model, f"timm:local-dir:{tmp_path / 'tiny'}")
        assert set(loaded.head) == {"fc.weight", "fc.bias"}
        assert torch.equal(model.conv1[0].weight, saved.conv1[0].weight)

    def test_transformers_itself(self, tmp_path: Path) -> None:
        transformers = pytest.importorskip("transformers")
        config = transformers.ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=8,
            patch_size=4, num_channels=1, num_labels=7,
        )  # fmt: skip
        transformers.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
        plain = Recipe.of({"data": {"source": "digits"}, "model": {"start": f"hf:{tmp_path / 'vit'}"}})
        setup = prepare(plain, load_data(plain))
        assert setup.loaded is not None
        assert set(setup.loaded.head) == {"model.classifier.weight", "model.classifier.bias"}


def _module(name: str, content: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(vars(content))
    return module
