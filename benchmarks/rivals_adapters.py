"""Puts other people's watchers into a program from outside, each as its authors' README says, in about ten lines.

A watcher is entered into the loop at two places: `attach(model, optimizer)` runs once, when the program has just made
an optimizer, and `after_backward(loss)` after every `loss.backward()`. `said()` returns the names of what it complained
of, those below a warning apart. Nothing here is imported by the library, and none of these packages is needed by it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

CADENCE = 10  # steps between two looks of a rival that its user calls now and then; a program has some hundreds
CHECKS = (  # of neural_net_checklist, without the two that train a model of their own for up to 65,536 steps
    "assert_balanced_classification_cross_entropy_loss_at_init",
    "assert_balanced_classification_cross_entropy_init_calibrated",
    "assert_forward_batch_independence",
    "assert_non_zero_gradients",
    "assert_backward_batch_independence",
)


class Rival(Protocol):
    """What each adapter does. `applied` says whether it could be put into the program at all."""

    applied: bool

    def attach(self, model: nn.Module | None, optimizer: torch.optim.Optimizer, names: Mapping[str, Any]) -> None:
        """Begin with this model (None: the program has no single one), given the variables of the program."""
        ...

    def after_backward(self, loss: Tensor) -> None:
        """Look at the loss and the gradients."""
        ...

    def said(self) -> dict[str, bool]:
        """Return each name of a complaint, and whether it is a warning or worse."""
        ...


class TorchAudit:
    """torch_audit's `autopatch`, the mode that its README names for loops that are not to be edited."""

    applied = False

    def __init__(self, every: int = CADENCE) -> None:
        from torch_audit import autopatch  # pyright: ignore[reportMissingImports]

        self.patch, self.every = autopatch, every
        self.auditors: dict[int, Any] = {}

    def attach(self, model: nn.Module | None, optimizer: torch.optim.Optimizer, names: Mapping[str, Any]) -> None:
        """Patch the model and the optimizer."""
        if model is None:
            return
        self.applied = True
        if id(model) in self.auditors:
            self.auditors[id(model)].unpatch()  # a second optimizer of the same model takes the place of the first
        self.auditors[id(model)] = self.patch(model, optimizer=optimizer, every_n_steps=self.every)

    def after_backward(self, loss: Tensor) -> None:
        """Its own patches see all that it looks at."""

    def said(self) -> dict[str, bool]:
        """Return the rules that it found."""
        found = [finding for auditor in self.auditors.values() for finding in auditor.finish().findings]
        return {f.rule_id: any(g.rule_id == f.rule_id and g.severity.value != "INFO" for g in found) for f in found}


class TrainingDoctor:
    """training_doctor's `log` with loss, rate and norm of the gradients; no program hands it an evaluation loss."""

    applied = False

    def __init__(self) -> None:
        from training_doctor import Doctor  # pyright: ignore[reportMissingImports]

        self.doctor, self.step = Doctor(), 0
        self.optimizer: torch.optim.Optimizer | None = None

    def attach(self, model: nn.Module | None, optimizer: torch.optim.Optimizer, names: Mapping[str, Any]) -> None:
        """Keep the optimizer, whose rate is logged."""
        self.optimizer = optimizer

    def after_backward(self, loss: Tensor) -> None:
        """Log one step."""
        if loss.numel() != 1:
            return
        told = {"loss": float(loss.detach())}
        if self.optimizer is not None:
            gradients = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
            told["lr"] = float(self.optimizer.param_groups[0]["lr"])
            told["grad_norm"] = float(nn.utils.get_total_norm(gradients))
        self.doctor.log(step=self.step, **told)
        self.applied, self.step = True, self.step + 1

    def said(self) -> dict[str, bool]:
        """Return the problems that it diagnosed."""
        # Its README calls a confidence above 0.6 a strong signal; what it is less sure of is not held against it.
        strong = {found.problem for found in self.doctor.diagnoses if found.confidence > 0.6}
        return {found.problem: found.problem in strong for found in self.doctor.diagnoses}


class TorchDiag:
    """torchdiag's `check_gradients` after every tenth backward, and `check_dead_neurons` on the last batch."""

    applied = False

    def __init__(self, every: int = CADENCE) -> None:
        import torchdiag  # pyright: ignore[reportMissingImports]

        self.package, self.every, self.step = torchdiag, every, 0
        self.model: nn.Module | None = None
        self.batch: Any = None
        self.problems: set[str] = set()

    def attach(self, model: nn.Module | None, optimizer: torch.optim.Optimizer, names: Mapping[str, Any]) -> None:
        """Keep the model, and the batches that go into it."""
        if model is None or model is self.model:
            return
        self.applied, self.model = True, model
        model.register_forward_pre_hook(lambda _, inputs: setattr(self, "batch", inputs[0] if inputs else None))

    def after_backward(self, loss: Tensor) -> None:
        """Check the gradients at every tenth call."""
        if self.model is not None and self.step % self.every == 0:
            statuses = {layer["status"] for layer in self.package.check_gradients(self.model).values()}
            self.problems |= statuses - {"OK"}
        self.step += 1

    def said(self) -> dict[str, bool]:
        """Check for dead neurons, and return the states that were not OK."""
        if self.model is not None and isinstance(self.batch, Tensor):
            layers = self.package.check_dead_neurons(self.model, self.batch).values()
            self.problems |= {"dead neurons" for layer in layers if layer["dead_pct"] > 20}
        return dict.fromkeys(self.problems, True)


class Checklist:
    """neural_net_checklist before training: for a classifier with a DataLoader of inputs and class numbers."""

    applied = False

    def __init__(self) -> None:
        from neural_net_checklist import torch_diagnostics  # pyright: ignore[reportMissingImports]

        self.package = torch_diagnostics
        self.failed: dict[str, bool] = {}
        self.model: nn.Module | None = None
        self.names: Mapping[str, Any] = {}
        self.looked = False

    def attach(self, model: nn.Module | None, optimizer: torch.optim.Optimizer, names: Mapping[str, Any]) -> None:
        """Keep a copy of the model as it was made."""
        if self.model is None and model is not None:
            self.model, self.names = copy.deepcopy(model), names

    def after_backward(self, loss: Tensor) -> None:
        """At the first call, check the copy on the first batch of a loader."""
        loaders = [value for value in self.names.values() if isinstance(value, DataLoader)]
        if self.model is None or not loaders or self.looked:
            return
        self.looked = True
        with torch.random.fork_rng():
            batch = next(iter(loaders[0]))
            if not isinstance(batch, list | tuple) or len(batch) != 2 or batch[1].dtype != torch.int64:
                return
            outputs = copy.deepcopy(self.model)(batch[0])
            if outputs.dim() != 2 or batch[1].dim() != 1 or outputs.size(1) < 2:
                return
            self.applied = True
            for name in CHECKS:
                self._check(name, self.model, (batch[0], batch[1]), outputs.size(1))

    def _check(self, name: str, model: nn.Module, batch: tuple[Tensor, Tensor], classes: int) -> None:
        own = copy.deepcopy(model)
        more = {"num_classes": classes} if "balanced" in name else {}
        try:
            getattr(self.package, name)((lambda: own) if "independence" in name else own, batch, **more)
        except AssertionError:
            self.failed[name.removeprefix("assert_")] = True
        except Exception as problem:  # a check that its own package cannot do on this network says nothing of it
            print(f"{name} could not be done: {problem}")

    def said(self) -> dict[str, bool]:
        """Return the assertions that failed."""
        return self.failed


ADAPTERS = {  # the checklist comes first: it copies the network, and what the others put into it must not be copied
    "neural_net_checklist": Checklist,
    "torch_audit": TorchAudit,
    "training_doctor": TrainingDoctor,
    "torchdiag": TorchDiag,
}
