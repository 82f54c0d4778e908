"""The hidden vectors are divided by a norm written as a root: the gradient at a vector of zeros is not a number.

kind: non-finite-loss
tasks: digits, blobs, wine
source: pytorch#2421
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class CosineClassifier(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.embed = nn.Linear(inputs, 6, bias=False)
        self.classes = nn.Parameter(torch.randn(outputs, 6))

    def forward(self, x):
        h = torch.tanh(self.embed(x))
        length = (h**2).sum(1, keepdim=True).sqrt()  # sick here
        # fixed: length = ((h**2).sum(1, keepdim=True) + 1e-6).sqrt()
        return 8 * (h / (length + 1e-6)) @ F.normalize(self.classes, dim=1).T


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = CosineClassifier(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x = task.x.clone()
x[torch.rand(len(x)) < 0.05] = 0.0

for epoch in range(12):
    for inputs, labels in DataLoader(TensorDataset(x, task.y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
