"""Runs programs of the ward under other people's watchers, in a Python that has these; benchmarks/rivals.py calls it.

    /path/to/a/venv/bin/python benchmarks/rivals_visit.py < jobs      lines of JSON: name, path, task, seed

Prints a line of JSON for each job: for each rival whether it could be put in, and what it said. The watchers that only
look are put in together, in one run; anomaly mode ends a program, and so has a run of its own.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import json
import os
import signal
import sys
import types
import warnings
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy  # noqa: F401 - imported before the first fork, and so only once
import sklearn.datasets  # noqa: F401
import torch
import torch._dynamo  # takes a second, which every optimizer of every forked program would wait for
from torch import Tensor, nn

from rivals_adapters import ADAPTERS, Rival

WARD = Path(__file__).resolve().parent.parent / "ward"
SECONDS = 60  # of the longest program


class Put:
    """The places at which the rivals are put into a program, without a change that its own author would have to make.

    Every assignment of a call is followed by a look at the variables, which finds a new optimizer's model: the only
    module that is not part of another one and holds a parameter of the optimizer's. The rivals are attached at the
    first backward after it, when all is made: torch_audit's patch of `step` breaks a scheduler that is made later.
    """

    def __init__(self, rivals: dict[str, Rival]) -> None:
        self.rivals = rivals
        self.new: list[torch.optim.Optimizer] = []
        self.found: list[tuple[nn.Module | None, torch.optim.Optimizer, Mapping[str, Any]]] = []
        self.problems: dict[str, str] = {}
        made, backward = torch.optim.Optimizer.__init__, Tensor.backward

        def init(optimizer: torch.optim.Optimizer, *args: Any, **options: Any) -> None:
            made(optimizer, *args, **options)
            self.new.append(optimizer)

        def after(loss: Tensor, *args: Any, **options: Any) -> None:
            while self.found:
                self._all("attach", *self.found.pop(0))
            backward(loss, *args, **options)
            self._all("after_backward", loss)

        torch.optim.Optimizer.__init__ = init  # pyright: ignore[reportAttributeAccessIssue]
        Tensor.backward = after  # type: ignore[method-assign]

    def look(self, local: Mapping[str, Any], everywhere: Mapping[str, Any]) -> None:
        """Find the model of each optimizer made since the last look."""
        while self.new:
            optimizer = self.new.pop(0)
            layers = (local, getattr(local.get("self"), "__dict__", {}), everywhere)
            names = ChainMap(*(cast(dict[str, Any], layer) for layer in layers))
            self.found.append((_model(optimizer, names), optimizer, names))

    def _all(self, method: str, *args: Any) -> None:
        for name, rival in self.rivals.items():
            if name not in self.problems:
                try:
                    getattr(rival, method)(*args)
                except Exception as problem:
                    self.problems[name] = f"{type(problem).__name__}: {problem}"


def _model(optimizer: torch.optim.Optimizer, names: Mapping[str, Any]) -> nn.Module | None:
    modules = {id(value): value for value in names.values() if isinstance(value, nn.Module)}
    inner = {id(part) for module in modules.values() for part in module.modules() if part is not module}
    roots = [module for at, module in modules.items() if at not in inner and any(True for _ in module.parameters())]
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = [module for module in roots if any(id(p) in held for p in module.parameters())] or roots
    return own[0] if len(own) == 1 else None


class _Looks(ast.NodeTransformer):
    def visit_Assign(self, node: ast.Assign) -> Any:
        if not any(isinstance(part, ast.Call) for part in ast.walk(node.value)):
            return node
        return [node, ast.parse("__look__(locals(), globals())").body[0]]


def _run(job: dict[str, Any], *, anomaly: bool) -> dict[str, Any]:
    """Run one program here, as the only thing that this process still does, and return what the rivals said of it."""
    os.chdir(Path(job["path"]).parent)
    sys.argv = [job["path"], str(job["seed"]), job["task"]]
    sys.path.insert(0, str(WARD))
    main = types.ModuleType("__main__")
    main.__file__ = job["path"]
    sys.modules["__main__"] = main
    tree, error, said = ast.parse(Path(job["path"]).read_text()), "", {}
    put = None
    if not anomaly:
        installed = {name: kind for name, kind in ADAPTERS.items() if importlib.util.find_spec(name)}
        put = Put({name: kind() for name, kind in installed.items()})
        tree = ast.fix_missing_locations(_Looks().visit(tree))
        vars(main)["__look__"] = put.look
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        if anomaly:
            stack.enter_context(torch.autograd.set_detect_anomaly(True))
        try:
            exec(compile(tree, job["path"], "exec"), vars(main))
        except BaseException as problem:
            error = f"{type(problem).__name__}: {problem}"
        if put is None:
            return _of_torch_itself(error, caught)
        for name, rival in put.rivals.items():
            try:
                said[name] = {"applied": rival.applied, "said": rival.said()}
            except Exception as problem:
                put.problems[name] = f"{type(problem).__name__}: {problem}"
                said[name] = {"applied": False, "said": {}}
    if error and not error.startswith("SystemExit"):
        put.problems = dict.fromkeys(said, error) | put.problems
    for name, problem in put.problems.items():
        said[name]["problem"] = problem.splitlines()[0][:120]
    return said


def _of_torch_itself(error: str, caught: list[warnings.WarningMessage]) -> dict[str, Any]:
    """Return what anomaly mode added, and the warnings and the exception that a plain run would have had too."""
    heard = {
        f"{told.category.__name__}: {str(told.message)[:60]}" for told in caught if "nomaly" not in str(told.message)
    }
    found = "returned nan" in error
    if error and not found and not error.startswith("SystemExit"):
        heard.add(error.split(":")[0])
    return {
        "anomaly mode": {"applied": True, "said": {"nan in backward": True} if found else {}},
        "PyTorch alone": {"applied": True, "said": dict.fromkeys(sorted(heard), True)},
    }


def _forked(job: dict[str, Any], *, anomaly: bool) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        with os.fdopen(writing, "w") as pipe, contextlib.suppress(BaseException):
            json.dump(_run(job, anomaly=anomaly), pipe)
            pipe.flush()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {}


def main() -> int:
    """Run the jobs of the standard input."""
    torch.set_num_threads(1)
    for name in ADAPTERS:
        if importlib.util.find_spec(name):
            __import__(name)
    for line in sys.stdin:
        job = json.loads(line)
        said = _forked(job, anomaly=False) | _forked(job, anomaly=True)
        print(json.dumps({**job, "rivals": said}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
