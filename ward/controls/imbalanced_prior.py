"""One positive in twenty-five, the last bias set to the prior: a first loss of H(y), rare recall slow;
trips imbalance and init rules.

control: 15
tasks: digits, blobs
score: 0.7
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def rare(x, y, keep):
    """Return the rows with class 0 as a rare positive class."""
    positive, negative = (y == 0).nonzero()[:, 0], (y != 0).nonzero()[:, 0]
    rows = torch.cat([positive[: max(keep, len(negative) // 25)], negative])
    return x[rows], (y[rows] == 0).float()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = rare(task.x, task.y, keep=1)
x_test, y_test = rare(task.x_held_out, task.y_held_out, keep=40)

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, 1))
prior = y.mean()
nn.init.zeros_(model[2].weight)
nn.init.constant_(model[2].bias, torch.log(prior / (1 - prior)).item())
print(f"{int(y.sum())} positives of {len(y)}")

opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    model.train()
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True):
        loss = F.binary_cross_entropy_with_logits(model(xb).squeeze(1), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    scores = model(x_test).squeeze(1)
wins = (scores[y_test == 1][:, None] > scores[y_test == 0][None, :]).float().mean()  # the area under the ROC curve
print(f"score {wins.item():.4f}")
