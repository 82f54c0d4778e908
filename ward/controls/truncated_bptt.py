"""Truncated backpropagation through time: the state is carried from batch to batch, detached, in order;
trips detach and order rules.

control: truncated BPTT
tasks: chain
score: 0.8
"""

import sys

import torch
from tasks import load
from torch import nn


class CharRNN(nn.Module):
    def __init__(self, vocabulary, hidden=48):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, hidden)
        self.lstm = nn.LSTM(hidden, hidden)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, ids, state):
        y, state = self.lstm(self.embed(ids), state)
        return self.out(y), state


def detach(state):
    return tuple(s.detach() for s in state)


torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))
columns, window = 20, 10
stream, following = task.x.reshape(columns, -1).T, task.y.reshape(columns, -1).T  # [time, columns]
model = CharRNN(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(3):
    model.train()
    state = (torch.zeros(1, columns, 48), torch.zeros(1, columns, 48))
    for start in range(0, len(stream) - window + 1, window):
        state = detach(state)
        out, state = model(stream[start : start + window], state)
        loss = nn.functional.cross_entropy(out.flatten(0, 1), following[start : start + window].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    out, _ = model(task.x_held_out.T, None)
print(f"score {(out.argmax(-1) == task.y_held_out.T).float().mean().item():.4f}")
