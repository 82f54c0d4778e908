"""One finding with all that its patch is made from: the run's facts and the parsed files of the program."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from trainwright.healing.source import Edit, Source, Unclear, bound, parameters
from trainwright.records import Chart, Finding, Location, LoopFacts, Scalar

Read = Callable[[str], bytes]
"""Gives the content of a file; raises `OSError` where it cannot be read."""
_DEEPEST = 6


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Edits of one file, and in words what they do. `loss_factor`: what they make of the loss by definition alone.

    It is None where the loss afterwards is another quantity, which cannot be compared with the one before.
    """

    source: Source
    edits: tuple[Edit, ...]
    text: str
    loss_factor: float | None = 1.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A finding to be mended."""

    finding: Finding
    chart: Chart
    read: Read
    _sources: dict[str, Source] = field(default_factory=dict)

    @property
    def loop(self) -> LoopFacts:
        """What was seen of the loop."""
        return self.chart.info.loop or LoopFacts()

    def source(self, where: Location) -> Source:
        """Return the parsed file of a place. Raises `Unclear` where there is none to edit."""
        if where.file is None:
            raise Unclear("it is not known in which file")
        if where.file not in self._sources:
            try:
                content = self.read(where.file)
            except OSError as problem:
                raise Unclear(f"{where.file} cannot be read ({problem.strerror or problem})") from None
            self._sources[where.file] = Source(where.file, content)
        return self._sources[where.file]

    def at(self, where: Location) -> tuple[Source, ast.stmt]:
        """Return the statement of a place, and its file."""
        source = self.source(where)
        return source, source.statement(where.line)

    def here(self) -> tuple[Source, ast.stmt]:
        """Return the statement that the finding points to, and its file."""
        return self.at(self.finding.where)

    def evidence(self, words: str) -> Scalar | None:
        """Return the value of the evidence whose name begins with `words`."""
        return next((one.value for one in self.finding.evidence if one.name.startswith(words)), None)

    def number(self, words: str) -> float:
        """Return such evidence as a number. Raises `Unclear` where it is none."""
        value = self.evidence(words)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unclear(f"the number of '{words}' is not known")
        return value

    def step(self, source: Source) -> tuple[ast.stmt, str]:
        """Return the statement that steps the optimizer, in `source`, and how the optimizer is written there."""
        where = self.loop.step_where
        if where.file != source.path:
            raise Unclear("the optimizer is stepped in another file")
        statement = source.statement(where.line)
        call = next((call for call in calls(statement) if method(call) == "step"), None)
        if call is None:
            raise Unclear("the line that steps the optimizer does not name it")
        return statement, source.text(call.args[0] if _by_scaler(call) else receiver(call))

    def backward(self, source: Source) -> tuple[ast.stmt, ast.Call]:
        """Return the statement and the call of the backward pass, in `source`."""
        where = self.loop.backward_where
        if where.file != source.path:
            raise Unclear("the backward pass is in another file")
        statement = source.statement(where.line)
        call = next((call for call in calls(statement) if method(call) == "backward"), None)
        if call is None:
            raise Unclear("the line of the backward pass does not call backward()")
        return statement, call

    def optimizer(self) -> tuple[Source, ast.stmt, ast.Call]:
        """Return the file, the statement and the call that make the run's only optimizer."""
        made = self.loop.optimizers
        if len(made) != 1:
            raise Unclear("there are several optimizers" if made else "no optimizer was seen")
        source, statement = self.at(made[0].where)
        found = [call for call in calls(statement) if name_of(call.func).split(".")[-1] == made[0].name]
        if len(found) != 1:
            raise Unclear("the line that makes the optimizer does not name its class")
        return source, statement, found[0]

    def model(self, source: Source) -> str:
        """Return how the model is written: the one name that is called and whose parameters, or modes, are used."""
        called, used = set[str](), set[str]()
        for call in calls(source.tree):
            called.add(name_of(call.func))
            if method(call) in ("parameters", "named_parameters", "train", "eval", "state_dict", "load_state_dict"):
                used.add(name_of(receiver(call)))
        names = {name for name in called & used if name and name != "self"}
        if len(names) != 1:
            raise Unclear(f"the model is not known by one name ({', '.join(sorted(names)) or 'none was found'})")
        return names.pop()

    def constant(self, source: Source, value: ast.expr, depth: int = _DEEPEST) -> ast.expr:
        """Return the expression in which a value has its origin: a literal, or what is computed there.

        Follows names that are assigned once, attributes that one class or one statement sets, and parameters of
        functions that are called once. Raises `Unclear` where the way forks.
        """
        if depth == 0:
            raise Unclear("the value comes a long way")
        match value:
            case ast.Name(id=name):
                function = source.function(value)
                if isinstance(function, ast.FunctionDef) and name in parameters(function):
                    return self.constant(source, _argument(source, function, name), depth - 1)
                return self.constant(source, _assigned(source, name), depth - 1)
            case ast.Attribute(attr=name):
                return self.constant(source, _attribute(source, name), depth - 1)
            case _:
                return value


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield all calls in a tree. Of a compound statement those of its head alone: its body has statements of its own."""
    if isinstance(tree, ast.stmt) and hasattr(tree, "body"):
        for name, value in ast.iter_fields(tree):
            if name not in ("body", "orelse", "finalbody", "handlers"):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, ast.AST):
                        yield from calls(part)
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def within(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield all calls in a tree, those of the body of a compound statement among them."""
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def method(call: ast.Call) -> str:
    """Return the name of the method that is called, "" where a function is."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def receiver(call: ast.Call) -> ast.expr:
    """Return the object whose method is called."""
    assert isinstance(call.func, ast.Attribute)
    return call.func.value


def name_of(node: ast.AST) -> str:
    """Return a dotted name as it is written, "" for what is none."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            outer = name_of(value)
            return f"{outer}.{attr}" if outer else ""
        case _:
            return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a keyword, None where it is not given."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def only(items: list, what: str):  # type: ignore[no-untyped-def]
    """Return the one item of a list. Raises `Unclear` where there are none, or several."""
    if len(items) != 1:
        raise Unclear(f"there {'are several' if items else 'is no'} {what}")
    return items[0]


def imported(source: Source, module: str) -> str:
    """Return by which name a module such as `torch.nn` can be reached in a file."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if alias.name == module and (alias.asname or "." not in module):
                        return alias.asname or module
            case ast.ImportFrom(module=outer, names=names) if outer:
                for alias in names:
                    if f"{outer}.{alias.name}" == module:
                        return alias.asname or alias.name
    if "." in module:
        outer, _, inner = module.rpartition(".")
        return f"{imported(source, outer)}.{inner}"
    raise Unclear(f"{module} is not imported")


def _by_scaler(call: ast.Call) -> bool:
    """Say whether it is `scaler.step(optimizer)`: optimizers take at most a closure."""
    return len(call.args) == 1 and "scaler" in name_of(receiver(call)).lower()


def _assigned(source: Source, name: str) -> ast.expr:
    values: list[ast.expr] = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                values.append(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                values.append(value)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=parts)):
                values += [part for one, part in zip(targets, parts, strict=False) if name_of(one) == name]
            case ast.Name(id=target, ctx=ast.Store()) if target == name:
                values += [] if _is_assignment(source, node) else [node, node]
            case _:
                continue
    return only(values, f"assignment of {name}" if not values else f"assignments of {name}")


def _is_assignment(source: Source, node: ast.AST) -> bool:
    holder = source.holder(node)
    return isinstance(holder, ast.Assign | ast.AnnAssign)


def _attribute(source: Source, name: str) -> ast.expr:
    """Return what an attribute is set to: in a class's body, in a method, or as an option of the command line."""
    values: list[ast.expr] = []
    for node in ast.walk(source.tree):
        match node:
            case ast.ClassDef(body=body):
                for statement in body:
                    match statement:
                        case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                            values.append(value)
                        case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                            values.append(value)
            case ast.Assign(targets=[ast.Attribute(attr=target)], value=value) if target == name:
                values.append(value)
            case ast.Call(func=ast.Attribute(attr="add_argument")) if _option(node) == name:
                default = keyword(node, "default")
                values += [] if default is None else [default]
            case ast.keyword(arg=target, value=value) if target == name and isinstance(value, ast.Constant):
                call = next(source.parents(node))
                if isinstance(call, ast.Call) and any(name in bound(one) for one in ast.walk(source.tree)):
                    values.append(value)
    return only(values, f"place where {name} is set" if not values else f"places where {name} is set")


def _option(call: ast.Call) -> str:
    """Return the name under which `add_argument` keeps its value."""
    names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    long = next((name for name in names if name.startswith("--")), names[0] if names else "")
    return long.lstrip("-").replace("-", "_")


def _argument(source: Source, function: ast.FunctionDef, name: str) -> ast.expr:
    """Return what a parameter is given: by the only call of the function, or by its default."""
    made = [call for call in within(source.tree) if name_of(call.func).split(".")[-1] == function.name]
    call = only(made, f"call of {function.name}()" if not made else f"calls of {function.name}()")
    given = keyword(call, name)
    if given is not None:
        return given
    names = parameters(function)
    place = names.index(name) - (1 if names[0] == "self" else 0)
    if place < len(call.args):
        return call.args[place]
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip([one.arg for one in reversed(positional)], reversed(arguments.defaults), strict=False))
    defaults |= {one.arg: value for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value}
    if name not in defaults:
        raise Unclear(f"{function.name}() is not given {name}")
    return defaults[name]
