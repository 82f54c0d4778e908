"""A plain ReLU recurrent net on a memory task: now and then the gradient explodes, and nothing clips it.

kind: exploding-gradients
also: learning-rate-too-high, non-finite-loss
tasks: counts, tags, chain
source: synthetic, exploding RNN without clip (copy task)
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class CopyNet(nn.Module):
    """Reads the tokens, then names the first of them at every position."""

    def __init__(self, tokens, width=48):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.rnn = nn.RNN(width, width, nonlinearity="relu", batch_first=True)
        self.out = nn.Linear(width, tokens)
        nn.init.normal_(self.rnn.weight_hh_l0, std=1.6 / width**0.5)

    def forward(self, ids):
        return self.out(self.rnn(self.embed(ids))[0][:, -6:])


def recall(ids):
    return ids[:, :1].expand(-1, 6)


model = CopyNet(task.inputs)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
criterion = nn.CrossEntropyLoss()
for step in range(400):
    ids = task.x[torch.randint(len(task.x), (32,))]
    optimizer.zero_grad()
    loss = criterion(model(ids).flatten(0, 1), recall(ids).flatten())
    loss.backward()  # here
    # fixed: nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()  # here
    if step % 80 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    guesses = model(task.x_held_out).argmax(-1)
print(f"score {(guesses == recall(task.x_held_out)).float().mean().item():.4f}")
