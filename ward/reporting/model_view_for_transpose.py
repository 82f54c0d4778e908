"""A view brings batch and time into the order that the recurrent layer wants, and mixes the samples.

kind: samples-mixed-in-batch
tasks: counts, digits, rings
source: Speech-Separation#4
unseen: only a test of which samples an output depends on decides it
"""

import sys

import torch
from tasks import load
from torch import nn


class SequenceClassifier(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.project = nn.Linear(width, 16)
        self.rnn = nn.GRU(16, 32)
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        batch, length = x.shape[:2]
        x = self.project(x)
        x = x.view(length, batch, -1)  # sick here
        # fixed: x = x.transpose(0, 1)
        _, hidden = self.rnn(x)
        return self.fc(hidden[-1])


def steps(task, x):
    if task.kind == "sequences":
        return nn.functional.one_hot(x, task.inputs).float()
    return x.view(len(x), -1, 8 if task.inputs == 64 else 1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, x_test = steps(task, task.x), steps(task, task.x_held_out)
model = SequenceClassifier(x.shape[2], task.outputs)
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for i in range(250):
    rows = torch.randint(len(x), (32,))
    loss = nn.functional.cross_entropy(model(x[rows]), task.y[rows])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 50 == 0:
        print(f"batch {i}: loss {loss.item():.3f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(x_test).argmax(1) == task.y_held_out).float().mean():.4f}")
