"""The validation collects its predictions with their graphs, for a figure that needs no gradients.

kind: gradients-tracked-in-evaluation
also: graph-kept-alive
tasks: digits, surface
source: synthetic, row 101
gap: none, costs time and memory and not the result
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Fitter:
    def __init__(self, model, criterion, optimizer):
        self.model, self.criterion, self.optimizer = model, criterion, optimizer

    def train_one_epoch(self, loader):
        self.model.train()
        for x, y in loader:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.criterion(self.model(x), y)
            loss.backward()
            self.optimizer.step()
        return loss.item()

    # fixed: @torch.no_grad()
    def validate(self, loader):
        self.model.eval()
        outputs, targets = [], []
        for x, y in loader:
            outputs.append(self.model(x))  # here
            targets.append(y)
        return self.criterion(torch.cat(outputs), torch.cat(targets)).item()  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
net = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, task.outputs))
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
fitter = Fitter(net, criterion, torch.optim.Adam(net.parameters(), lr=3e-3))
train_loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
valid_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=50)
for epoch in range(10):
    print(f"epoch {epoch} {fitter.train_one_epoch(train_loader):.4f} {fitter.validate(valid_loader):.4f}")
print(f"score {-fitter.validate(valid_loader):.4f}")
