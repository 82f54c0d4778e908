"""Word vectors are put into the embedding as a new parameter after the optimizer was built, which holds the old one.

kind: parameter-rebound
also: parameters-not-in-optimizer
tasks: chain, counts
source: pytorch#14467
"""

import sys

import torch
from tasks import load
from torch import nn


class BigramNet(nn.Module):
    def __init__(self, words, outputs, width=12):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.out = nn.Linear(width, outputs)

    def forward(self, ids):
        return self.out(self.embed(ids))


def word_vectors(words, width):
    """Return vectors as they are read from a file: all words of this corpus are rare, and so nearly alike."""
    return torch.randn(1, width) + 0.02 * torch.randn(words, width)


def objective(task, logits, y):
    if task.kind == "sequences":
        return nn.functional.cross_entropy(logits.sum(1), y)
    return nn.functional.cross_entropy(logits.transpose(1, 2), y)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = BigramNet(task.inputs, task.outputs)
# fixed: model.embed.weight = nn.Parameter(word_vectors(task.inputs, 12))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
model.embed.weight = nn.Parameter(word_vectors(task.inputs, 12))  # sick here
for step in range(200):
    rows = torch.randint(len(task.x), (32,))
    loss = objective(task, model(task.x[rows]), task.y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
    if step % 40 == 0:
        print(f"step {step} loss {loss.item():.3f}")
with torch.no_grad():
    print(f"score {-objective(task, model(task.x_held_out), task.y_held_out):.4f}")
