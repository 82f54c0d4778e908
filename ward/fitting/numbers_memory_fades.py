"""A tanh recurrence with a gain of a third must remember the first token: its gradient is gone after a few steps.

kind: vanishing-gradients
tasks: chain
source: row 102
"""

import sys

import torch
from tasks import load
from torch import nn


class Recurrence(nn.Module):
    def __init__(self, ids, width=32, gain=1.0):
        super().__init__()
        self.embed = nn.Embedding(ids, width)
        self.inward = nn.Linear(width, width, bias=False)
        self.onward = nn.Linear(width, width)
        nn.init.orthogonal_(self.onward.weight, gain=gain)
        self.out = nn.Linear(width, ids)

    def forward(self, ids):
        state = torch.zeros(len(ids), self.onward.in_features)
        for token in self.embed(ids).unbind(dim=1):
            state = torch.tanh(self.onward(state) + 0.3 * self.inward(token))  # here
        return self.out(state)


def shuffled(x):
    """The order of the chain is destroyed, so that only memory helps to name the first token."""
    columns = torch.rand(x.shape).argsort(dim=1)
    return x.gather(1, columns)[:, :14]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
# fixed: model = Recurrence(task.inputs)
model = Recurrence(task.inputs, gain=0.33)  # sick here
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(700):
    ids = shuffled(task.x[torch.randint(len(task.x), (64,))])
    loss = nn.functional.cross_entropy(model(ids), ids[:, 0])
    optimizer.zero_grad()
    loss.backward()  # here
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    ids = shuffled(task.x_held_out)
    print(f"score {-nn.functional.cross_entropy(model(ids), ids[:, 0]).item():.4f}")
