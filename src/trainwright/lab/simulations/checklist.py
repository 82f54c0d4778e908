"""The checks before a run, made by the library's own verifier on a small model with a fault of the reader's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.checks.catalogue import CATALOGUE as CHECKS
from trainwright.lab.controls import choice, claim, fact, folder, preset, seed
from trainwright.lab.schema import Result, Sign, Simulation, Table, Values, Verdict
from trainwright.lab.slices import rebuilt
from trainwright.lab.tiny import clusters, network
from trainwright.parts import optimizers
from trainwright.parts.catalogue import resolve_options
from trainwright.parts.losses import cross_entropy
from trainwright.parts.penalties import Penalty
from trainwright.randomness import isolated
from trainwright.runs.layout import RECIPE
from trainwright.runs.reader import read_run
from trainwright.stages.verify import Report, choose_checks, verify, verify_setup

SHOWN = (
    "loss-fits",
    "parameters-reached",
    "parameters-updated",
    "initial-loss",
    "initial-signal",
    "penalty",
    "gradients",
    "tiny-batch",
)
"""The guide's four checks, and those beside them that catch what the four miss."""
_SIGNS: Mapping[str, Sign | None] = {"passed": "healthy", "warned": "warning", "failed": "error", "skipped": None}


@dataclass(frozen=True, kw_only=True)
class _Fault:
    """A planted fault: what it does to the parts of a training, as (model, loss, x, y) -> the same."""

    label: str
    plant: Callable[[nn.Module, Any, torch.Tensor, torch.Tensor], tuple[nn.Module, Any, torch.Tensor, torch.Tensor]]


def _softmax(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    return nn.Sequential(model, nn.Softmax(dim=1)), loss, x, y


def _frozen(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    for parameter in list(model.parameters())[:-2]:
        parameter.requires_grad_(False)
    return model, loss, x, y


def _shifted(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    return model, loss, x, y + 1  # classes 1 to 4, where a loss counts from 0


def _confident(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    with torch.no_grad():
        last = list(model.parameters())[-2]
        last.mul_(60)
    return model, loss, x, y


def _zeros(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model, loss, x, y


def _detached(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    return model, lambda output, target: loss(output.detach(), target), x, y


def _same(model: nn.Module, loss: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
    return model, loss, x, y


_FAULTS: Mapping[str, _Fault] = {
    "none": _Fault(label="none: a healthy model", plant=_same),
    "double-softmax": _Fault(label="a softmax before the loss", plant=_softmax),
    "frozen": _Fault(label="layers frozen by accident", plant=_frozen),
    "labels": _Fault(label="labels counted from 1", plant=_shifted),
    "confident": _Fault(label="a last layer sixty times too large", plant=_confident),
    "zeros": _Fault(label="all weights begin at zero", plant=_zeros),
    "detached": _Fault(label="the loss cut off from the model", plant=_detached),
    "dead-penalty": _Fault(label="a penalty that adds nothing", plant=_same),
}


def run(values: Values) -> Result:
    """Build the model, plant the fault, and verify."""
    fault, first = str(values["fault"]), int(values["seed"])
    if values["folder"]:
        place = Path(str(values["folder"]))
        setup = rebuilt(place, read_run(place).recipe)
        return _result(verify_setup(setup, choose_checks(extent="quick")), f"trainwright verify {RECIPE}", first)
    x, y = clusters(128, first)
    with isolated(first):
        model = network(8, 4, width=16, depth=2)()
        model, loss, x, y = _FAULTS[fault].plant(model, cross_entropy, x, y)
        alive = Penalty(model, l2=0.01) if any(each.requires_grad for each in model.parameters()) else None
        if fault == "zeros":
            alive = None  # of weights that are all zero no penalty can say anything
        rows = [{"params": list(model.parameters()), "lr": 1e-3}]
        adamw = optimizers.CATALOGUE["adamw"]
        moving = adamw.factory(rows, **resolve_options(adamw.options, {"weight_decay": 0.0}, "adamw"))
        penalty = (lambda: torch.zeros(())) if fault == "dead-penalty" else alive
        report = verify(model, loss, (x, y), optimizer=moving, penalty=penalty, checks=[*SHOWN], seed=first)
    return _result(report, "the bundled model", first)


def _result(report: Report, title: str, first: int) -> Result:
    failed = [finding for finding in report.findings if finding.severity != "note"]
    if failed:
        worst = failed[0]
        verdict = Verdict(sign=worst.severity, text=f"{worst.code} {worst.title}: mend this before the long run")
    elif report.findings:
        noted = report.findings[0]
        verdict = Verdict(sign="note", text=f"no check failed; {noted.code} {noted.title}: was that meant?")
    else:
        verdict = Verdict(sign="healthy", text="every check passed: worth a long run")
    return Result(
        verdict=verdict,
        tables=(
            Table(
                title=f"before the run: {title}",
                columns=("check", "question", "measured", "expected", "outcome"),
                rows=tuple(
                    (
                        result.check,
                        CHECKS[result.check].question,
                        result.value,
                        result.expected,
                        f"{result.status}: {result.reason}" if result.reason else result.status,
                    )
                    for result in report.results
                ),
                signs=tuple(_SIGNS[result.status] for result in report.results),
            ),
        ),
        evidence=(
            *(fact(result.check, result.status) for result in report.results),
            fact("findings", ", ".join(finding.kind for finding in report.findings) or "none"),
        ),
        python=f"""import torch
import trainwright as tw
from trainwright.lab.tiny import clusters, network

torch.manual_seed({first})
report = tw.verify(network(8, 4, width=16, depth=2)(), "cross_entropy", clusters(128, {first}))
print(report)
""",
    )


SIMULATION = Simulation(
    name="checklist",
    number=7,
    title="The checklist before every run",
    guide="G2, chapter 2; G3, debugging checklist",
    teaches="Cheap checks catch most faults before the long run. Memorising a handful of samples is the one that no "
    "broken pipeline passes; demand its floor, not zero, where the loss has one.",
    parameters=(
        choice("fault", "Planted fault", "none", {name: each.label for name, each in _FAULTS.items()}),
        seed(),
        folder("Your own run", "A run's folder: checks its model and data, as `trainwright verify` does."),
    ),
    run=run,
    seconds=1.5,
    presets=tuple(preset(name, each.label, fault=name) for name, each in _FAULTS.items()),
    claims=(
        claim(
            "A healthy model passes every check: the initial loss is log C, the penalty raises it, a tiny batch is "
            "memorised, and gradients reach every weight.",
            "G2, chapter 2",
            lambda result: (
                result["findings"] == "none"
                and all(result[name] in ("passed", "skipped") for name in SHOWN)
                and result["tiny-batch"] == "passed"
            ),
        ),
        claim(
            "If adding regularization does not change the loss, the regularization code is dead.",
            "G2, chapter 2",
            lambda result: "penalty-inert" in result["findings"],
            {"fault": "dead-penalty"},
        ),
        claim(
            "Memorising a tiny batch fails for a broken backward pass; frozen layers and wrong labels are "
            "found too, some "
            "by checks of their own.",
            "G2, chapter 2",
            lambda detached, frozen, labels: (
                "loss-detached" in detached["findings"]
                and frozen["findings"] != "none"
                and "labels-out-of-range" in labels["findings"]
            ),
            {"fault": "detached"},
            {"fault": "frozen"},
            {"fault": "labels"},
            as_written="If your network can't memorize 5 examples, something is fundamentally broken.",
        ),
        claim(
            "Weights that all begin at zero break no symmetry.",
            "G3, initialization",
            lambda result: "symmetric-initialisation" in result["findings"],
            {"fault": "zeros"},
            as_written="Initializing all weights to zero breaks symmetry---all neurons compute identical gradients.",
        ),
        claim(
            "A softmax before the cross-entropy is found, though the initial loss looks right.",
            "G3, common pitfalls",
            lambda result: "softmax-before-cross-entropy" in result["findings"] and result["initial-loss"] == "passed",
            {"fault": "double-softmax"},
        ),
    ),
)
