"""Your own network on your own tensors, with a mistake that is easily made: `fit` finds it and names its line."""

import torch
from sklearn.datasets import load_digits
from torch import nn

import trainwright as tw
from trainwright.report.text import render_findings


class Net(nn.Module):
    """Two layers, and one function too many."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 64) to (N, 10)."""
        hidden = self.hidden(x).relu()
        return self.output(hidden).softmax(dim=1)  # the mistake: cross_entropy wants the raw logits


images, labels = load_digits(return_X_y=True)
x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
train, held_out = order[:1400], order[1400:]

torch.manual_seed(0)  # the weights are made here, outside fit, so their randomness is yours to fix
run = tw.fit(Net(), (x[train], y[train]), (x[held_out], y[held_out]), loss="cross_entropy", epochs=20, lr=1e-3)

best = run.outcome.best["validation"]
print(f"{run.outcome.status}: accuracy {best['accuracy']:.3f}, loss {best['loss']:.3f} on what was held out\n")
print(render_findings(run.findings))
