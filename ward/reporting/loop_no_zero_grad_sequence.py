"""The language model's loop clips and steps, and nobody clears the gradients between two batches.

kind: missing-zero-grad
tasks: chain, counts
source: torchforge#71
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn


class LSTMNet(nn.Module):
    def __init__(self, vocab, out, every_step):
        super().__init__()
        self.every_step = every_step
        self.embed = nn.Embedding(vocab, 16)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.decoder = nn.Linear(32, out)

    def forward(self, x):
        states, (h, _) = self.lstm(self.embed(x))
        return self.decoder(states).transpose(1, 2) if self.every_step else self.decoder(h[-1])


def get_batches(x, y, size):
    for rows in torch.randperm(len(x)).split(size):
        yield x[rows], y[rows]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = LSTMNet(task.inputs, task.outputs, task.kind == "next token")
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for epoch in range(10):
    for inputs, targets in get_batches(task.x, task.y, 32):
        # fixed: optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()  # here
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()  # here
    print(f"| epoch {epoch:2d} | loss {loss.item():6.3f}")

with torch.no_grad():
    print(f"score {-F.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
