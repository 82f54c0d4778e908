"""Numbers of the optimizer, changed where they are written: a literal that was the value in use, or nothing."""

from __future__ import annotations

import ast
import math

from trainwright.healing.case import Case, Proposal
from trainwright.healing.code import argument_added, keyword, name_of, only, within
from trainwright.healing.origin import origin
from trainwright.healing.source import Edit, Source, Unclear

_USUAL = {"adam": 1e-3, "adamw": 1e-3, "nadam": 1e-3, "radam": 1e-3, "rmsprop": 1e-3, "sgd": 1e-2, "adagrad": 1e-2}
"""Rates that mostly work: torch's own defaults for the adaptive ones, what texts begin with for SGD with momentum."""
_PLAIN = 0.1
"""And for SGD without momentum."""
_DECAY, _EPSILON, _MOMENTUM, _DROPOUT = 1e-4, "1e-4", "0.1", "0.5"
"""Usual values of weight decay, of epsilon for float16, of batch norm's momentum (torch's own), and of dropout."""


def other_rate(case: Case) -> Proposal:
    """The remedy's rate; a usual one for this optimizer where that lies further in the same direction."""
    rate = case.chart.info.setting("optimizer.lr")
    wanted = next((one.change["optimizer.lr"] for one in case.finding.remedies if one.change), None)
    if not isinstance(rate, int | float) or not isinstance(wanted, int | float) or not rate > 0:
        raise Unclear("the rate in use is not known")
    made = case.loop.optimizers[0] if case.loop.optimizers else None
    usual = _USUAL.get(made.name.lower() if made else "", wanted)
    if made and made.name == "SGD" and made.groups and not made.groups[0].momentum:
        usual = _PLAIN
    wanted = max(wanted, usual) if wanted > rate else min(wanted, usual)
    source, node = _written(case, "lr", 1, rate)
    return Proposal(
        source=source, edits=(source.replace(node, f"{wanted:g}"),), text=f"learning rate {wanted:g}, not {rate:g}"
    )


def whole_rate(case: Case) -> Proposal:
    """A rate that a whole-number division made zero: `/` for `//`."""
    if case.chart.info.setting("optimizer.lr") != 0:
        raise Unclear("the rate is not zero")
    source, _, call = case.optimizer()
    given = keyword(call, "lr") or (call.args[1] if len(call.args) > 1 else None)
    if given is None:
        raise Unclear("the rate is not given where the optimizer is made")
    value = origin(source, given)
    found = [node for node in ast.walk(value) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)]
    node = only(found, "whole-number division in the rate")
    start, end = source.span(node.left)[1], source.span(node.right)[0]
    between = source.content[start:end]
    if between.count(b"//") != 1 or b"#" in between:
        raise Unclear("the division is written in an unusual way")
    place = start + between.index(b"//")
    return Proposal(
        source=source, edits=(Edit(start=place, end=place + 2, text=b"/"),), text="a true division for the rate"
    )


def other_decay(case: Case) -> Proposal:
    """A usual weight decay."""
    decay = case.number("weight decay")
    source, node = _written(case, "weight_decay", None, decay)
    wanted = min(_DECAY, decay / 10)
    return Proposal(
        source=source, edits=(source.replace(node, f"{wanted:g}"),), text=f"weight decay {wanted:g}, not {decay:g}"
    )


def other_epsilon(case: Case) -> Proposal:
    """An epsilon that is not zero in the weights' format."""
    source, _, call = case.optimizer()
    given = keyword(call, "eps")
    if given is None:
        edit = argument_added(source, call, f"eps={_EPSILON}")
    else:
        edit = source.replace(_same(origin(source, given), case.number("epsilon")), _EPSILON)
    return Proposal(source=source, edits=(edit,), text=f"epsilon {_EPSILON}")


def decoupled_decay(case: Case) -> Proposal:
    """`AdamW` in place of `Adam`, with the same arguments."""
    source, _, call = case.optimizer()
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "Adam":
        raise Unclear("AdamW would have to be imported" if name_of(call.func) == "Adam" else "it is not Adam")
    end = source.span(call.func)[1]
    return Proposal(source=source, edits=(Edit(start=end, end=end, text=b"W"),), text="AdamW in place of Adam")


def decay_of_weights_alone(case: Case) -> Proposal:
    """Two groups: weights with the decay, biases and parameters of normalisations without."""
    source, _, call = case.optimizer()
    match call.args:
        case [ast.Call(func=ast.Attribute(attr="parameters"), args=[], keywords=[]) as given, *_]:
            weights = source.text(given)
        case _:
            raise Unclear("the optimizer is not given model.parameters()")
    groups = (
        f'[{{"params": [p for p in {weights} if p.ndim > 1]}}, '
        f'{{"params": [p for p in {weights} if p.ndim <= 1], "weight_decay": 0.0}}]'
    )
    return Proposal(source=source, edits=(source.replace(given, groups),), text="no decay for biases and norms")


def usual_scale(case: Case) -> Proposal:
    """The scale that torch's own scaler begins with."""
    source = case.source(case.loop.backward_where)  # the step itself is what was skipped
    made = [call for call in within(source.tree) if name_of(call.func).split(".")[-1] == "GradScaler"]
    scale = keyword(only(made, "GradScaler in that file"), "init_scale")
    if scale is None:
        raise Unclear("the scaler begins as usual")
    edit = source.replace(origin(source, scale), "2.0**16")
    return Proposal(source=source, edits=(edit,), text="the scaler begins at 65536, as usual")


def usual_momentum(case: Case) -> Proposal:
    """Torch's own momentum for the statistics of batch norm."""
    momentum = case.number("momentum of the statistics")
    source = case.source(case.finding.where)
    nodes = _arguments(case, source, "BatchNorm", "momentum", momentum)
    return Proposal(source=source, edits=_each(source, nodes, _MOMENTUM), text=f"momentum {_MOMENTUM}")


def milder_dropout(case: Case) -> Proposal:
    """Dropout of a half where nearly everything was dropped."""
    source = case.source(case.finding.where)
    shares = [one.value for one in case.finding.evidence if isinstance(one.value, float) and 0.5 < one.value < 1]
    nodes = _arguments(case, source, "Dropout", "p", only(shares, "share that is dropped"))
    return Proposal(source=source, edits=_each(source, nodes, _DROPOUT), text=f"dropout {_DROPOUT}", loss_factor=None)


def _each(source: Source, nodes: list[ast.expr], text: str) -> tuple[Edit, ...]:
    return tuple(source.replace(node, text) for node in nodes)


def _arguments(case: Case, source: Source, module: str, name: str, value: float) -> list[ast.expr]:
    """Return the literals of that value which modules of a class are given. Raises `Unclear` where there are none."""
    found: dict[tuple[int, int], ast.expr] = {}
    for call in within(source.tree):
        if name_of(call.func).split(".")[-1].startswith(module):
            given = keyword(call, name) or (call.args[0] if name == "p" and call.args else None)
            if given is not None:
                try:
                    node = _same(origin(source, given), value)
                except Unclear:
                    continue
                found[source.span(node)] = node
    if not found:
        raise Unclear(f"{name}={value:g} is written nowhere in the file")
    return list(found.values())


def _written(case: Case, name: str, place: int | None, value: float) -> tuple[Source, ast.expr]:
    """Return the literal from which an argument of the optimizer has its value, and its file."""
    source, _, call = case.optimizer()
    given = keyword(call, name)
    if given is None and place is not None and place < len(call.args):
        given = call.args[place]
    if given is None:
        raise Unclear(f"{name} is not given where the optimizer is made")
    return source, _same(origin(source, given), value)


def _same(node: ast.expr, value: float) -> ast.expr:
    """Return a literal. Raises `Unclear` where it is none, or not the value that was in use."""
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    try:
        written = float(ast.literal_eval(node)) if isinstance(inner, ast.Constant) else math.nan
    except (TypeError, ValueError):
        written = math.nan
    if not math.isclose(written, value, rel_tol=1e-6):
        raise Unclear(f"{value:g} is not written as a number: it is computed, or given on the command line")
    return node


PATCHES = {
    "learning-rate-too-high": other_rate,
    "learning-rate-too-low": other_rate,
    "weights-never-updated": whole_rate,
    "weight-decay-too-strong": other_decay,
    "epsilon-wrong-for-dtype": other_epsilon,
    "l2-inside-adam": decoupled_decay,
    "weight-decay-on-bias-or-norm": decay_of_weights_alone,
    "scaler-keeps-skipping": usual_scale,
    "batch-norm-statistics-stale": usual_momentum,
    "dropout-too-strong": milder_dropout,
}
