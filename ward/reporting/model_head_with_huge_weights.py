"""The output layer is drawn with deviation 10: the net starts with sure and wrong answers and a loss of hundreds.

kind: initial-loss-too-high
also: learning-rate-too-low
tasks: digits, blobs
source: synthetic, row 49
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class CharMLP(nn.Module):
    def __init__(self, n_in, n_out, n_hidden=100):
        super().__init__()
        self.W1 = nn.Parameter(torch.randn(n_in, n_hidden) * (1 / n_in**0.5))
        self.b1 = nn.Parameter(torch.zeros(n_hidden))
        self.W2 = nn.Parameter(torch.randn(n_hidden, n_out) * 10)  # sick here
        # fixed: self.W2 = nn.Parameter(torch.randn(n_hidden, n_out) * 0.01)
        self.b2 = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return torch.tanh(x @ self.W1 + self.b1) @ self.W2 + self.b2


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = CharMLP(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    for x, y in DataLoader(TensorDataset(task.x, task.y), batch_size=64, shuffle=True):
        loss = F.cross_entropy(model(x), y)  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-F.cross_entropy(model(task.x_held_out), task.y_held_out).item():.4f}")
