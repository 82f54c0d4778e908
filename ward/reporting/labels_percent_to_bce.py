"""The annotators' agreement comes in per cent, 0 or 100, and goes into a loss that takes probabilities.

kind: labels-out-of-range
tasks: topics, cancer
source: synthetic, row 20
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def annotations(task):
    if task.kind == "several":
        return 100 * task.y, 100 * task.y_held_out
    return 100 * task.y[:, None].float(), 100 * task.y_held_out[:, None].float()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
agreement, agreement_test = annotations(task)
loader = DataLoader(TensorDataset(task.x, agreement), batch_size=32, shuffle=True)
net = nn.Sequential(nn.Linear(task.inputs, 48), nn.ReLU(), nn.Linear(48, agreement.shape[1]))
bce = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)

for epoch in range(15):
    for x, percent in loader:
        target = percent  # sick
        # fixed: target = percent / 100
        opt.zero_grad()
        loss = bce(net(x), target)  # here
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())

with torch.no_grad():
    probability = torch.sigmoid(net(task.x_held_out))
print(f"score {-(probability - agreement_test / 100).square().mean().item():.4f}")
