"""log_softmax runs over dimension 0, so the samples of a batch compete instead of the classes.

kind: softmax-wrong-dimension
tasks: digits, wine, rings
source: row 58
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = nn.Sequential(nn.Linear(task.inputs, 48), nn.Sigmoid(), nn.Linear(48, task.outputs))
opt = optim.Adam(model.parameters(), lr=4e-3)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=24, shuffle=True)


def log_probabilities(x):
    return F.log_softmax(model(x), dim=0)  # sick here
    # fixed: return F.log_softmax(model(x), dim=1)


for epoch in range(260 // len(loader) + 1):
    for x, y in loader:
        loss = F.nll_loss(log_probabilities(x), y)  # here
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"epoch {epoch} nll {loss.item():.4f}")

model.eval()
with torch.no_grad():
    held_out = F.cross_entropy(model(task.x_held_out), task.y_held_out)
print(f"score {-held_out:.4f}")
