"""The head of a recurrent network reads the state it started from instead of the one it ended in.

kind: outputs-ignore-input
also: parameters-without-gradient
tasks: counts, digits, rings
source: row 40
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn.functional import cross_entropy, one_hot


class Recurrent(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.start = nn.Parameter(torch.zeros(1, 1, 32))
        self.gru = nn.GRU(width, 32, batch_first=True)
        self.head = nn.Linear(32, classes)

    def forward(self, steps):
        first = self.start.expand(1, len(steps), 32).contiguous()
        states = torch.stack([first, self.gru(steps, first)[1]])
        return self.head(states[0, 0])  # sick here
        # fixed: return self.head(states[-1, 0])


def as_steps(task, x):
    if task.kind == "sequences":
        return one_hot(x, task.inputs).float()
    return x.reshape(len(x), -1, 8 if task.inputs == 64 else 1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_test = as_steps(task, task.x), as_steps(task, task.x_held_out)
model = Recurrent(x.shape[-1], task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for i in range(250):
    rows = torch.randint(len(x), (40,))
    optimizer.zero_grad()
    loss = cross_entropy(model(x[rows]), task.y[rows])
    loss.backward()  # here
    optimizer.step()
    if i % 50 == 0:
        print(f"{i} {loss.item():.4f}")

with torch.no_grad():
    score = (model(x_test).argmax(1) == task.y_held_out).float().mean()
print(f"score {score:.4f}")
