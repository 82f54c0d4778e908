"""What a run kept becomes a network that says of new data what the run itself would have said."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.data.newdata import Remarks
from trainwright.errors import DataError, ModelError, RunError, UsageError
from trainwright.records import Finding, Location
from trainwright.stages.export import export
from trainwright.stages.kept import read_kept
from trainwright.stages.predict import predict
from trainwright.stages.recipe import Recipe
from trainwright.stages.train import train

TEXT = "the cat sat on the mat, and the dog on the log. " * 60


def write_table(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "kind", "wet", "cold", "price", "mood"])
        for place in range(160):
            size, kind = rng.uniform(0, 9), "abc"[place % 3]
            shown = f"{size:.3f}" if place % 11 else ""
            mood = ["so so", "good, old", "bad"][place % 3]
            writer.writerow([shown, kind, int(size > 4), int(kind == "a"), f"{1000 + 70 * size:.2f}", mood])
    return folder / "table.csv"


TASKS: dict[str, dict[str, Any]] = {
    "two classes": {"data": {"source": "table.csv", "target": "wet", "ignore": ["price", "mood", "cold"]}},
    "two classes, two units": {
        "data": {"source": "table.csv", "target": "wet", "ignore": ["price"]},
        "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    },
    "three classes": {"data": {"source": "table.csv", "target": "mood", "ignore": ["kind"]}},
    "log-probabilities": {
        "data": {"source": "table.csv", "target": "mood", "ignore": ["kind"]},
        "loss": {"name": "nll"},
    },
    "labels": {"data": {"source": "table.csv", "target": ["wet", "cold"], "ignore": ["mood"]}},
    "a quantity": {"data": {"source": "table.csv", "target": "price", "ignore": ["mood"]}},
    "two quantities": {"data": {"source": "table.csv", "target": ["price", "size"]}},
    "images": {"data": {"source": "digits"}, "model": {"name": "cnn"}, "train": {"steps": 12}},
    "a text": {
        "data": {"source": "text.txt", "context": 12},
        "model": {"name": "transformer", "layers": 1, "width": 16, "heads": 2},
        "train": {"steps": 30},
    },
}
QUICK = {"train": {"steps": 20, "verify": "off", "batch_size": 32}, "doctor": {"level": "off"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Train what a task names, once, and return the run's folder, beside which the raw data lie."""
    folder = tmp_path_factory.mktemp("runs")
    write_table(folder)
    (folder / "text.txt").write_text(TEXT)

    def run(task: str) -> Path:
        place = folder / task.replace(" ", "-").replace(",", "")
        if not place.exists():
            asked = TASKS[task]
            sections = {**QUICK, **asked, "train": {**QUICK["train"], **asked.get("train", {})}}
            train(Recipe.of(sections), folder=place, data_root=str(folder))
        return place

    return run


def source_of(folder: Path, task: str) -> str:
    name = TASKS[task]["data"]["source"]
    return name if name == "digits" else str(folder.parent / name)


@pytest.mark.parametrize("task", TASKS)
def test_the_network_scores_the_raw_file_as_the_run_scored_its_splits(
    trained: Callable[[str], Path], task: str
) -> None:
    folder = trained(task)
    found = predict(tw.load(folder), source_of(folder, task))
    head = json.loads((folder / "run.json").read_text())
    best = head["outcome"]["best"]
    counts = {name: split["samples"] for name, split in head["data"]["splits"].items()}
    whole = 1 if task == "a text" else found.scored / sum(counts.values())
    assert whole == 1  # every sample is of one of the splits
    for name, value in found.scores.items():
        parts = [best[split][name] for split in counts]
        mean = sum(part * count for part, count in zip(parts, counts.values(), strict=True)) / sum(counts.values())
        if name.startswith("rmse"):
            squares = [part**2 * count for part, count in zip(parts, counts.values(), strict=True)]
            mean = (sum(squares) / sum(counts.values())) ** 0.5
        if task != "a text" and name != "f1":  # whose windows lie otherwise; and which is no mean over samples
            assert value == pytest.approx(mean, rel=1e-4), name


@pytest.mark.parametrize("task", [task for task in TASKS if task != "a text"])
def test_probabilities_sum_to_one_and_values_are_in_the_users_units(trained: Callable[[str], Path], task: str) -> None:
    folder = trained(task)
    model = tw.load(folder)
    found = model.predict(source_of(folder, task))
    if model.task == "regression":
        assert found.dtype == torch.float64
        assert found.shape[1] == len(model.targets)
        price = found[:, model.targets.index("price")]
        assert 1000 < float(price.mean()) < 1700
        return
    assert found.shape[1] == len(model.classes)
    if model.task == "classification":
        assert torch.allclose(found.sum(1), torch.ones(len(found)), atol=1e-5)
    assert ((found >= 0) & (found <= 1)).all()


def test_the_network_is_that_of_the_best_weights_and_in_evaluation_mode(trained: Callable[[str], Path]) -> None:
    folder = trained("images")
    model = tw.load(folder)
    kept = read_kept(folder)
    assert all(torch.equal(value, kept.state[name]) for name, value in model.model.state_dict().items())
    assert not any(module.training for module in model.model.modules())
    assert model.classes == tuple("0123456789")


@pytest.mark.parametrize("form", ["safetensors", "torch"])
@pytest.mark.parametrize("task", TASKS)
def test_an_export_says_what_the_run_says(trained: Callable[[str], Path], tmp_path: Path, task: str, form: str) -> None:
    folder = trained(task)
    made = export(folder, form, tmp_path / "out")
    assert made.card["metrics"] == json.loads((folder / "run.json").read_text())["outcome"]["best"]
    data = TEXT[:9] if task == "a text" else source_of(folder, task)
    expected, found = tw.load(folder), tw.load(made.folder)
    assert torch.allclose(found.predict(data), expected.predict(data), atol=1e-6)
    assert (found.classes, found.task, found.targets) == (expected.classes, expected.task, expected.targets)


@pytest.mark.parametrize("task", ["three classes", "a text"])
def test_an_onnx_export_says_what_the_run_says(trained: Callable[[str], Path], tmp_path: Path, task: str) -> None:
    folder = trained(task)
    made = export(folder, "onnx", tmp_path / "out")
    data = TEXT[:9] if task == "a text" else source_of(folder, task)
    assert torch.allclose(tw.load(made.folder).predict(data), tw.load(folder).predict(data), atol=1e-5)
    assert torch.allclose(tw.load(made.folder / "model.onnx").predict(data), tw.load(folder).predict(data), atol=1e-5)
    if task == "a text":
        said = tw.load(made.folder).generate("the c", 20, temperature=0)
        assert said == tw.load(folder).generate("the c", 20, temperature=0)


def test_a_text_goes_on_by_its_seed_and_temperature(trained: Callable[[str], Path], tmp_path: Path) -> None:
    model = tw.load(trained("a text"))
    said = model.generate("the c", 60, temperature=0.8, seed=1)
    assert said.startswith("the c")
    assert len(said) == 65
    assert said == model.generate("the c", 60, temperature=0.8, seed=1)
    assert said != model.generate("the c", 60, temperature=0.8, seed=2)
    assert model.generate("the c", 5, temperature=0, seed=1) == model.generate("the c", 5, temperature=0, seed=2)
    assert model.generate("the c", 5, temperature=1e-300) == model.generate("the c", 5, temperature=0)
    for asked in ({"temperature": math.inf}, {"temperature": math.nan}, {"seed": 10**23}, {"length": 10**20}):
        with pytest.raises(UsageError) as refused:
            model.generate("the c", **asked)  # type: ignore[arg-type]
        assert refused.value.remedy
    following = model.predict("the c")
    (tmp_path / "text.txt").write_text("the c")  # a path, and the string of a file that is there, are the file
    assert torch.equal(following, model.predict(tmp_path / "text.txt"))
    assert torch.equal(following, model.predict(str(tmp_path / "text.txt")))
    with pytest.raises(DataError, match="cannot be found"):
        model.predict(tmp_path / "no.txt")
    assert following.shape == (1, len(model.classes))
    assert model.classes[int(following.argmax())] == model.generate("the c", 1, temperature=0)[-1]
    with pytest.raises(DataError, match="cannot begin with nothing"):
        model.generate("")
    with pytest.raises(DataError, match="not in the vocabulary"):
        model.generate("THE")


def test_only_a_model_of_texts_goes_on(trained: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="only a model of texts"):
        tw.load(trained("labels")).generate("the")


def test_a_card_tells_no_place_on_the_machine_that_trained(
    trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained("two classes")
    made = export(folder, "safetensors", tmp_path / "out")
    for name in ("card.json", "card.md"):
        assert str(folder.parent) not in (made.folder / name).read_text()
    card = json.loads((made.folder / "card.json").read_text())
    assert {"data", "recipe", "metrics", "findings", "limits", "preprocessing", "files"} <= set(card)
    assert card["recipe"]["data"]["source"] == "table.csv"
    sick = Finding(
        code="TW601", kind="k", severity="warning", title="t", where=Location(file="/home/me/r.toml", line=3)
    )
    kept = replace(read_kept(folder), findings=(sick,))
    monkeypatch.setattr("trainwright.stages.export.read_kept", lambda run: kept)
    other = export(folder, "safetensors", tmp_path / "sick")
    assert other.card["findings"][0]["where"]["file"] == "r.toml"
    assert any("warning[TW601] t" in limit for limit in other.card["limits"])
    text = (made.folder / "card.md").read_text()
    assert "| test |" in text
    assert "The probabilities were not calibrated" in text


def damaged(folder: Path, tmp_path: Path, change: Callable[[Path], object]) -> Path:
    shutil.copytree(folder, tmp_path / "copy")
    change(tmp_path / "copy")
    return tmp_path / "copy"


def test_a_run_that_is_damaged_or_not_there_is_refused(trained: Callable[[str], Path], tmp_path: Path) -> None:
    folder = trained("labels")

    def flip(place: Path) -> None:
        for weights in place.glob("checkpoints/*/model.safetensors"):
            content = bytearray(weights.read_bytes())
            content[-1] ^= 1
            weights.write_bytes(bytes(content))

    with pytest.raises(RunError, match="checkpoint 'best' is damaged"):
        tw.load(damaged(folder, tmp_path, flip))
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(RunError, match=r"run in .* is damaged"):
        tw.load(damaged(folder, tmp_path, lambda place: (place / "run.json").write_text("{")))
    with pytest.raises(RunError, match="there is no"):
        tw.load(tmp_path / "nothing")
    with pytest.raises(RunError, match="holds no run, no finished model and no export"):
        tw.load(tmp_path)


def test_a_run_that_never_finished_says_so_or_is_refused(trained: Callable[[str], Path], tmp_path: Path) -> None:
    def cut(place: Path) -> None:
        head = json.loads((place / "run.json").read_text())
        for name in ("outcome", "findings", "digest"):
            head.pop(name)
        (place / "run.json").write_text(json.dumps(head | {"status": "running"}))

    unfinished = damaged(trained("labels"), tmp_path, cut)
    model = tw.load(unfinished)
    assert any("has not ended" in note for note in model.notes)
    made = export(unfinished, "safetensors", tmp_path / "out")
    assert "never came to its end" in made.card["limits"][0]
    (unfinished / "checkpoints" / "best.json").unlink()
    with pytest.raises(RunError, match="never finished, and kept no weights"):
        tw.load(unfinished)


def test_an_export_of_which_a_mean_has_changed_is_refused(trained: Callable[[str], Path], tmp_path: Path) -> None:
    made = export(trained("a quantity"), "safetensors", tmp_path / "out")
    path = made.folder / "card.json"
    card = json.loads(path.read_text())
    card["limits"].append("Not for houses by the sea.")  # whoever adds to the card may
    path.write_text(json.dumps(card))
    tw.load(made.folder)
    card["preprocessing"]["columns"][0]["mean"] += 1e-9
    path.write_text(json.dumps(card))
    with pytest.raises(RunError, match=r"card in .* is damaged(.|\n)*preprocessing"):
        tw.load(made.folder)


@pytest.mark.parametrize("file", ["model.safetensors", "card.json"])
def test_an_export_of_which_a_bit_has_flipped_is_refused(
    trained: Callable[[str], Path], tmp_path: Path, file: str
) -> None:
    made = export(trained("labels"), "safetensors", tmp_path / "out")
    content = bytearray((made.folder / file).read_bytes())
    content[-3] ^= 255
    (made.folder / file).write_bytes(bytes(content))
    with pytest.raises(RunError, match="is damaged"):
        tw.load(made.folder)


def test_nothing_is_overwritten_unless_asked_and_never_what_is_no_export(
    trained: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = trained("labels")
    export(folder, "safetensors", tmp_path / "out")
    before = (tmp_path / "out" / "card.json").read_bytes()
    with pytest.raises(RunError, match="exists already"):
        export(folder, "torch", tmp_path / "out")
    assert (tmp_path / "out" / "card.json").read_bytes() == before
    assert export(folder, "torch", tmp_path / "out", overwrite=True).card["format"] == "torch"
    assert not (tmp_path / "out" / "model.safetensors").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for place in (tmp_path / "mine", folder):
        with pytest.raises(RunError, match="is no earlier export"):
            export(folder, "torch", place, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_what_cannot_be_exported_leaves_nothing(
    trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainwright.serving.comparing.TOLERANCE", -1.0)
    with pytest.raises(RunError, match="computes something else"):
        export(trained("labels"), "torch", tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="no form 'pickle'"):
        export(trained("labels"), "pickle", tmp_path / "out")


class Net(nn.Sequential):
    def __init__(self, width: int = 8) -> None:
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))


def test_a_network_given_in_python_gets_its_weights_back_and_needs_to_be_given_again(tmp_path: Path) -> None:
    x = torch.randn(90, 4)
    run = tw.fit(Net(), (x, x[:, :3].argmax(1)), folder=tmp_path / "run", epochs=3, level="off", verify="off")
    with pytest.raises(UsageError, match=r"given in Python(.|\n)*tw\.load\(folder, model=Net\(\)\)"):
        tw.load(tmp_path / "run")
    model = tw.load(tmp_path / "run", model=Net())
    with torch.no_grad():
        assert torch.equal(model.predict(x), run.model(x).softmax(1))
    with pytest.raises(ModelError, match="do not fit the network"):
        tw.load(tmp_path / "run", model=Net(width=9))


def test_new_rows_in_memory_are_predicted_like_those_of_the_file(trained: Callable[[str], Path]) -> None:
    model = tw.load(trained("a quantity"))
    rows = {"size": [1.0, None, 5.0], "kind": ["a", "b", "z"], "wet": [0, 1, 1], "cold": [1, 0, 0]}
    found = model.predict(rows)
    assert found.shape == (3, 1)
    reordered = dict(reversed(rows.items()))
    assert torch.equal(model.predict(reordered), found)
    remarks = Remarks()
    list(model.answers(rows, remarks))
    assert any("'z'" in sentence for sentence in remarks.sentences(model.preprocessing))
    with pytest.raises(DataError, match="lack the column 'kind'"):
        model.predict({name: rows[name] for name in ("size", "wet", "cold")})


def test_predictions_that_are_no_numbers_are_counted(trained: Callable[[str], Path]) -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :1] / 0 * (torch.arange(len(x)) % 4 == 0)[:, None]

    model = replace(tw.load(trained("a quantity")), model=Broken())
    found = predict(model, {"size": [1.0] * 8, "kind": ["a"] * 8, "wet": [0] * 8, "cold": [1] * 8})
    assert any(note.startswith("8 predictions are no finite numbers") for note in found.notes)


FACTORY = """
from torch import nn


class Net(nn.Module):
    def __init__(self, input_shape, outputs, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(*input_shape, width), nn.Tanh(), nn.Linear(width, outputs))

    def forward(self, x):
        return self.layers(x)
"""


def test_a_network_of_the_users_own_is_made_again_by_its_factory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "own_net_to_export.py").write_text(FACTORY)
    table = write_table(tmp_path)
    asked = {"data": {"source": str(table), "target": "price", "ignore": ["mood"]}, **QUICK}
    asked["model"] = {"name": "own_net_to_export:Net", "width": 5, "folder": str(tmp_path / "house")}
    train(Recipe.of(asked), folder=tmp_path / "run")
    expected = tw.load(tmp_path / "run").predict(table)
    made = export(tmp_path / "run", "safetensors", tmp_path / "out")
    assert any("own_net_to_export:Net" in limit for limit in made.card["limits"])
    monkeypatch.chdir(tmp_path / "house")
    assert torch.equal(tw.load(made.folder).predict(table), expected)
    program = export(tmp_path / "run", "torch", tmp_path / "program")
    assert torch.allclose(tw.load(program.folder).predict(table), expected, atol=1e-3)
    assert not any("own_net_to_export:Net" in limit for limit in program.card["limits"])
