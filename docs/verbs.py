"""Draws one small picture for each verb from what the verb gives on the digits: docs/pictures/verb-NAME.svg.

python -m docs.verbs             runs and draws (a minute)
python -m docs.verbs --compare   writes nothing, says what differs
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from docs.blocks import DOCS
from docs.execute import same
from docs.sheet import COLORS, Sheet
from sklearn.datasets import load_digits

import trainwright as tw
from trainwright.report.axes import Axis

FOLDER = DOCS / "pictures"
_SIZE = {"width": 480, "height": 240}
_SIGNS = {
    "passed": ("✓", "healthy"),
    "warned": ("◆", "warning"),
    "failed": ("▲", "error"),
    "skipped": ("–", "reference"),
}
_SHOWN = ("gradients", "initial-loss", "parameters-reached", "samples-apart", "penalty", "tiny-batch")


def main() -> int:
    """Draw or compare the pictures."""
    torch.set_num_threads(1)
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16).float(), torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    parts = [(x[rows], y[rows]) for rows in order.split([500, 600, 697])]
    wrong = []
    for name, draw in (("verify", _verify), ("train", _train), ("tune", _tune), ("finish", _finish)):
        torch.manual_seed(0)
        path, made = FOLDER / f"verb-{name}.svg", draw(*parts)
        if not same(path.read_text(encoding="utf-8") if path.is_file() else "", made):
            wrong.append(name)
            if "--compare" not in sys.argv:
                path.write_text(made, encoding="utf-8")
    print(f"{'differ' if '--compare' in sys.argv else 'drawn'}: {', '.join(wrong) or 'none'}")
    return int("--compare" in sys.argv and bool(wrong))


Pair = tuple[torch.Tensor, torch.Tensor]


class Cut(torch.nn.Module):
    """A network whose second layer no gradient reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64), torch.nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 64) to (N, 10)."""
        return self.last(self.second(self.first(x).relu()).detach().relu())


def _network(*last: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10), *last)


def _verify(train: Pair, validation: Pair, test: Pair) -> str:
    model = Cut()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    report = tw.verify(model, "cross_entropy", train, optimizer=optimizer, checks=_SHOWN)
    sheet = Sheet("tw.verify(model, loss, data)", **_SIZE)
    for row, result in enumerate(report.results):
        sign, color = _SIGNS[result.status]
        found = result.findings[0] if result.findings else None
        sheet.mark(24, 64 + 28 * row, sign, COLORS[color])
        sheet.words(48, 64 + 28 * row, result.check, style="strong")
        sheet.words(200, 64 + 28 * row, f"{found.code} {found.kind}" if found else "as expected")
    return sheet.svg("; ".join(f"{result.check} {result.status}" for result in report.results))


def _train(train: Pair, validation: Pair, test: Pair) -> str:
    sheet = Sheet("tw.fit: a softmax too many, and without it", **_SIZE)
    sheet.axes(Axis(low=0, high=160), Axis(low=0, high=3), "step", "training loss")
    for name, net in (("sick", _network(torch.nn.Softmax(dim=1))), ("healed", _network())):
        run = tw.fit(net, train, validation, loss="cross_entropy", epochs=20, lr=3e-3, batch_size=64, verify="off")
        steps = [record.step for record in run.history.steps]
        sheet.line(
            steps, [record.loss for record in run.history.steps], COLORS["error" if name == "sick" else "healthy"]
        )
        for finding in run.findings:
            if finding.code == "TW301":
                sheet.dot(0, run.history.steps[0].loss, COLORS["error"], 5)
                sheet.words(84, 74, "TW301 softmax is applied before cross_entropy", style="strong")
    sheet.legend([("sick", COLORS["error"]), ("healed", COLORS["healthy"])])
    return sheet.svg("The loss of the sick run stays above 1.46, that of its healed twin goes to zero.")


def _tune(train: Pair, validation: Pair, test: Pair) -> str:
    study = tw.tune(
        _network,
        train,
        validation,
        space={"lr": tw.log_uniform(1e-5, 1e-3)},
        trials=24,
        rounds=2,
        epochs=8,
        final=0,
    )
    sheet = Sheet("tw.tune: the best lay at the edge, so the range was widened", **_SIZE)
    sheet.axes(Axis(low=1e-5, high=1e-1, log=True), Axis(low=0, high=2.6), "learning rate", "validation loss")
    first = study.trials[0].round
    for trial in study.trials:
        if trial.score is not None:
            sheet.dot(
                float(trial.values["lr"]),
                trial.score,
                COLORS["sgd" if trial.round == first else "train"],
                3.5,
                opacity=0.9,
            )
    sheet.legend([("round 1", COLORS["sgd"]), ("round 2", COLORS["train"])])
    return sheet.svg("; ".join(f"{move.name}: {move.reason}" for move in study.moves))


def _finish(train: Pair, validation: Pair, test: Pair) -> str:
    run = tw.fit(_network(), train, validation, epochs=20, lr=1e-3)
    ensemble = tw.finish(run, validation, test=test, train=train, model=_network_new, methods=("seeds", "swa"), seeds=5)
    rows = [(row.method, row.gain, row.verdict) for row in ensemble.gains.rows if row.gain is not None]
    rows = [row for row in rows if row[0] != "temperature"]
    reach = max(max(abs(gain.low), abs(gain.high)) for _, gain, _ in rows)
    sheet = Sheet("tw.finish: gain in loss over the best single network", **_SIZE)
    scale = Axis(low=-reach, high=reach)
    sheet.bars(scale, [(name, gain.low, gain.value, gain.high, verdict) for name, gain, verdict in rows])
    return sheet.svg("; ".join(f"{name} {verdict}" for name, _, verdict in rows))


def _network_new() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    sys.exit(main())
