"""A ReLU recurrence with a gain of 1.6 multiplies its state at each token, and its gradient with it.

kind: exploding-gradients
also: non-finite-loss, learning-rate-too-high, activations-change-scale-with-depth
tasks: counts, chain
source: synthetic, row 103
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ReluRNN(nn.Module):
    def __init__(self, vocab, out, every_step, hidden=32):
        super().__init__()
        self.every_step = every_step
        self.embedding = nn.Embedding(vocab, hidden)
        self.recurrent = nn.RNN(hidden, hidden, nonlinearity="relu", batch_first=True)
        self.readout = nn.Linear(hidden, out)
        nn.init.eye_(self.recurrent.weight_hh_l0)
        self.recurrent.weight_hh_l0.data.mul_(1.6)  # sick here
        # fixed: self.recurrent.weight_hh_l0.data.mul_(0.8)

    def forward(self, ids):
        states, _ = self.recurrent(self.embedding(ids))  # here
        return self.readout(states).transpose(1, 2) if self.every_step else self.readout(states[:, -1])


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = ReluRNN(task.inputs, task.outputs, task.kind == "next token")
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(10):
    for ids, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(ids), labels)
        loss.backward()  # here
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")
with torch.no_grad():
    held_out = criterion(model(task.x_held_out), task.y_held_out)
print(f"score {-held_out.nan_to_num(nan=99.0).clamp(max=99.0).item():.4f}")
