"""A deep ReLU net with weights from a standard normal: the gradients are enormous from the first step.

kind: exploding-gradients
also: activations-change-scale-with-depth, initial-loss-too-high, learning-rate-too-high, non-finite-loss, dead-relu
tasks: digits, blobs, surface
source: SO 48385830
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
data = load(sys.argv[2], seed)


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight, mean=0.0, std=1.0)  # sick here
        # fixed: nn.init.kaiming_normal_(m.weight)
        nn.init.zeros_(m.bias)


mlp = nn.Sequential(
    nn.Linear(data.inputs, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 30), nn.ReLU()
)
mlp.append(nn.Linear(30, data.outputs))
mlp.apply(init_weights)
loss = F.cross_entropy if data.kind == "classes" else F.mse_loss
optimizer = torch.optim.SGD(mlp.parameters(), lr=0.05)

for epoch in range(10):
    for batch in torch.randperm(len(data.x)).split(32):
        value = loss(mlp(data.x[batch]), data.y[batch])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()  # here
    print(f"epoch {epoch} loss {value.item():.4f}")

with torch.no_grad():
    print(f"score {-loss(mlp(data.x_held_out), data.y_held_out).item():.4f}")
