"""Six answers that may all be yes are squeezed through one softmax before a binary cross entropy.

kind: multi-label-with-softmax
tasks: topics
source: SO 45337371
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset


class GenreNet(nn.Module):
    def __init__(self, features, genres):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, genres))
        self.activation = nn.Softmax(dim=1)  # sick here
        # fixed: self.activation = nn.Sigmoid()

    def forward(self, x):
        return self.activation(self.layers(x))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=30, shuffle=True)
net = GenreNet(task.inputs, task.outputs)
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(12):
    net.train()
    for features, genres in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(features), genres)  # here
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: {loss.item():.4f}")

net.eval()
with torch.no_grad():
    guess = net(task.x_held_out) > 0.5
print(f"score {(guess == task.y_held_out.bool()).float().mean().item():.4f}")
