"""What a notebook shows: HTML without a style sheet, plain text without codes, and one display for a run."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.report import inline
from trainwright.report.notebook import bundle
from trainwright.report.signs import BOLD, DIM, SIGNS, paint


class Screen:
    """A notebook's front end, as far as it is used: places in the output of a cell, each with all it ever showed."""

    def __init__(self) -> None:
        self.places: list[list[dict[str, str]]] = []

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        place = [content]
        self.places.append(place)
        return SimpleNamespace(update=lambda newer, raw: place.append(newer))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    kernel = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: kernel))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=screen.display))  # type: ignore[arg-type]
    return screen


def data(rows: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def test_colours_become_styles_at_the_elements_and_plain_text_has_none() -> None:
    shown = bundle(f"{paint('error', BOLD, SIGNS['error'].ansi, color=True)} {paint('dim', DIM, color=True)}")
    assert shown["text/plain"] == "error dim"
    assert '<span style="color:#D55E00;font-weight:bold">error</span>' in shown["text/html"]
    assert shown["text/html"].count("<span") == shown["text/html"].count("</span>") == 2
    assert "class=" not in shown["text/html"]


def test_what_stands_in_a_name_is_text_and_never_markup() -> None:
    shown = bundle("<script>alert(1)</script> \x1b]0;title\x07")
    assert "<script" not in shown["text/html"]
    assert "\x1b" not in shown["text/html"]


def test_a_run_shows_one_display_that_is_updated_and_ends_with_how_it_ended(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "_SECONDS", 0.0)
    tw.fit(network(), data(), epochs=4, batch_size=16, verify="off")
    assert len(screen.places) == 1
    assert len(screen.places[0]) == 4 * 4 + 1
    assert "epoch 2" in screen.places[0][6]["text/plain"]
    assert "finished: 16 steps" in screen.places[0][-1]["text/plain"]


def test_updates_are_no_faster_than_they_can_be_read(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "_SECONDS", 1e9)
    tw.fit(network(), data(), epochs=4, batch_size=16, verify="off")
    assert len(screen.places[0]) == 2  # the first step, and the end


def test_without_progress_and_outside_of_a_notebook_nothing_is_shown(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    tw.fit(network(), data(), epochs=1, progress=False, verify="off")
    monkeypatch.delitem(sys.modules, "IPython")
    tw.fit(network(), data(), epochs=1, verify="off")
    assert screen.places == []


def test_the_display_changes_nothing_of_the_run(screen: Screen) -> None:
    digests = []
    for progress in (True, False):
        torch.manual_seed(0)
        digests.append(tw.fit(network(), data(), epochs=2, progress=progress, verify="off").digest)
    assert digests[0] == digests[1]


def test_findings_of_a_watched_cell_stand_below_it_and_not_among_its_errors(
    screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    model, (x, y) = network(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tw.watch() as watched:
        for _ in range(6):
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert any("TW501" in place[0]["text/plain"] for place in screen.places)
    assert capsys.readouterr().err == ""
    assert "TW501" in watched._repr_mimebundle_()["text/html"]


def test_every_object_that_a_verb_gives_shows_its_report() -> None:
    x, y = data()
    run = tw.fit(network(), (x, y), (x[:20], y[:20]), epochs=2, verify="off")
    shown = {
        "run": run,
        "verification": tw.verify(network(), "cross_entropy", (x, y), checks=["samples-apart"]),
        "gradients": tw.gradcheck(network(), "cross_entropy", (x, y)),
        "rate": tw.find_lr(network(), "cross_entropy", (x, y), epochs=2, repeats=2, trial_steps=4),
    }
    for name, each in shown.items():
        content = each._repr_mimebundle_(include=None, exclude=None)
        assert set(content) == {"text/plain", "text/html"}, name
        assert content["text/plain"].strip(), name
        assert "\x1b" not in content["text/plain"] + content["text/html"], name
