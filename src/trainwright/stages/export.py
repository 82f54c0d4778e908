"""The verb export: a run's best network, with its card, in a form that others can load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from trainwright import __version__
from trainwright.data.preprocessing import Preprocessing
from trainwright.errors import RunError, UsageError
from trainwright.parts import losses
from trainwright.runs.durable import check_unused, whole
from trainwright.runs.layout import is_run
from trainwright.serving import card as cards
from trainwright.serving import onnx_file, program
from trainwright.serving.comparing import TOLERANCE, deviation
from trainwright.stages.load import WEIGHTS, Kept, of_run, read_kept


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was written: the folder, and the card in it as plain values."""

    folder: Path
    card: Mapping[str, Any]


def export(run: str | Path, form: str, output: str | Path | None = None, *, overwrite: bool = False) -> Export:
    """Write the best network of the run in folder `run` as "safetensors", "onnx" or "torch", with its card.

    `output` is the folder to make, else the run's name and the form beside the run. What was written is loaded again
    and compared with the network before it is put in place; what cannot be written leaves nothing. Raises `RunError`
    where the run cannot be read, the folder exists (unless `overwrite`), or the other form computes something else;
    `ModelError` where the network cannot be brought into the form; `UsageError` where a package is missing.
    """
    if form not in cards.FORMATS:
        raise UsageError(f"there is no form '{form}'", remedy=f"known: {', '.join(cards.FORMATS)}")
    folder = Path(run)
    named = folder if folder.name not in ("", "..") else folder.resolve()
    target = Path(output) if output is not None else named.with_name(f"{named.name}-{form}")
    _check_target(target, overwrite)
    if form == "onnx":
        onnx_file.check_installed()
    kept = read_kept(folder)
    network = of_run(kept).model
    with whole(target, overwrite=overwrite) as place:
        place.mkdir()
        check = _FORMS[form](network, kept.preprocessing, place)
        card = _card(kept, target.name, form, place, check)
        (place / cards.JSON).write_text(json.dumps(card, indent=1, allow_nan=False), encoding="utf-8")
        (place / cards.TEXT).write_text(cards.card_text(card), encoding="utf-8")
        for file in place.iterdir():  # safetensors writes for its owner alone
            file.chmod((place / cards.TEXT).stat().st_mode)
    return Export(folder=target, card=card)


def _check_target(target: Path, overwrite: bool) -> None:
    check_unused(target, overwrite=overwrite)
    ours = not target.exists() or (target / cards.JSON).is_file() or (target.is_dir() and not any(target.iterdir()))
    if is_run(target) or not ours:
        raise RunError(
            f"{target} is no earlier export, and is not overwritten",
            evidence="it holds a run" if is_run(target) else f"it holds no {cards.JSON}",
            remedy="choose another --output",
        )


def _card(kept: Kept, name: str, form: str, place: Path, check: Mapping[str, Any]) -> dict[str, Any]:
    spec = losses.CATALOGUE.get(kept.recipe.loss.name)
    return cards.make_card(
        name=name,
        form=form,
        folder=place,
        info=kept.info,
        facts=kept.facts,
        recipe=kept.recipe.plain(),
        preprocessing=kept.preprocessing,
        expects=spec.expects if spec is not None else "logits",
        outcome=kept.outcome,
        findings=kept.findings,
        versions={"trainwright": __version__, "torch": torch.__version__, "trained_with": dict(kept.versions)},
        check=check,
    )


def _safetensors(network: nn.Module, preprocessing: Preprocessing, place: Path) -> dict[str, Any]:
    # Tied weights share storage, which safetensors refuses: a copy of each is written.
    state = {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}
    save_file(state, place / WEIGHTS)
    return {}


def _onnx(network: nn.Module, preprocessing: Preprocessing, place: Path) -> dict[str, Any]:
    assert preprocessing.shape is not None  # or the network could not have been made again
    onnx_file.save(network, preprocessing.shape, place / onnx_file.NAME)
    return _agreement(deviation(network, onnx_file.load(place / onnx_file.NAME), preprocessing.shape, "ONNX"))


def _torch(network: nn.Module, preprocessing: Preprocessing, place: Path) -> dict[str, Any]:
    assert preprocessing.shape is not None
    program.save(program.traced(network, preprocessing.shape), place / program.NAME)
    return _agreement(deviation(network, program.load(place / program.NAME), preprocessing.shape, "torch.export"))


_FORMS = {"safetensors": _safetensors, "onnx": _onnx, "torch": _torch}


def _agreement(found: float) -> dict[str, Any]:
    text = f"outputs deviate by {found:.2g} of the largest at most (allowed: {TOLERANCE:g})"
    return {"deviation": found, "tolerance": TOLERANCE, "text": text}
