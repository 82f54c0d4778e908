"""The embedding and the recurrent layer run under no_grad, as they did when they were pretrained.

kind: parameters-without-gradient
tasks: counts, tags
source: row 31
"""

import sys

import torch
from tasks import load
from torch import nn


class Reader(nn.Module):
    def __init__(self, ids, outputs, per_token):
        super().__init__()
        self.per_token = per_token
        self.embed = nn.Embedding(ids, 8)
        self.lstm = nn.LSTM(8, 10, batch_first=True)
        self.out = nn.Linear(10, outputs)

    def forward(self, tokens):
        # fixed: with torch.enable_grad():
        with torch.no_grad():  # sick here
            states, _ = self.lstm(self.embed(tokens))  # here
        return self.out(states if self.per_token else states[:, -1])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
reader = Reader(task.inputs, task.outputs, task.y.ndim == 2)
optimizer = torch.optim.Adam(reader.parameters(), lr=0.02)
loss_fn = nn.CrossEntropyLoss()
for step in range(250):
    rows = torch.randint(len(task.x), (32,))
    scores = reader(task.x[rows])
    loss = loss_fn(scores.flatten(0, -2), task.y[rows].flatten())
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step} loss {loss.item():.4f}")

with torch.no_grad():
    scores = reader(task.x_held_out)
print(f"score {(scores.argmax(-1) == task.y_held_out).float().mean():.4f}")
