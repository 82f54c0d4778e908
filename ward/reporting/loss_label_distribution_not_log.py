"""Label distribution learning: the network answers with probabilities, and KLDivLoss wants their logarithms.

kind: kl-div-input-not-log
tasks: digits, blobs, tiles
source: ProDA#20
"""

import sys

import torch
from tasks import load
from torch import nn


class DistributionNet(nn.Module):
    def __init__(self, inputs, levels):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, levels))

    def forward(self, x):
        return self.body(x).softmax(dim=1)


def spread(levels, count):
    """Return for each level a distribution that leaves something to its neighbours."""
    distance = (torch.arange(count)[None] - levels[:, None]).abs().float()
    return torch.softmax(-1.2 * distance, dim=1)


class Fit:
    def __init__(self, net, lr):
        self.net = net
        self.optimizer = torch.optim.Adam(net.parameters(), lr=lr)
        self.divergence = nn.KLDivLoss(reduction="batchmean")

    def loss(self, x, target):
        probabilities = self.net(x)
        return self.divergence(probabilities, target)  # sick here
        # fixed: return self.divergence(probabilities.clamp_min(1e-8).log(), target)

    def step(self, x, target):
        self.optimizer.zero_grad()
        loss = self.loss(x, target)  # here
        loss.backward()
        self.optimizer.step()
        return loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
fit = Fit(DistributionNet(task.x[0].numel(), task.outputs), lr=3e-3)
for epoch in range(15):
    for rows in torch.randperm(len(task.x)).split(50):
        value = fit.step(task.x[rows], spread(task.y[rows], task.outputs))
    print(f"epoch {epoch} divergence {value:.4f}")

with torch.no_grad():
    wanted = spread(task.y_held_out, task.outputs)
    error = -(wanted * fit.net(task.x_held_out).clamp_min(1e-6).log()).sum(1).mean()
print(f"score {-error:.4f}")
