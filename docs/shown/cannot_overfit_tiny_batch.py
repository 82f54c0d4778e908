"""What the body computes is detached before the last layer, which two features are too few for.

kind: cannot-overfit-tiny-batch
tasks: blobs
up: loss of sixteen samples
across: step of Adam on those samples alone
shows: Sixteen samples are learnt by heart in a moment, unless something stands in the way.
finds: verify
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

import trainwright as tw


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
        self.head = nn.Linear(2, 4)

    def forward(self, x):
        features = self.body(x)
        return self.head(features.detach())  # sick
        # fixed: return self.head(features)


torch.manual_seed(0)
task = load("blobs", 0)
model = Network()
told = tw.verify(model, "cross_entropy", (task.x, task.y), checks=["tiny-batch"]).findings
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
shown = []
for step in range(150):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(task.x[:16]), task.y[:16])
    shown.append((step, loss.item()))
    loss.backward()
    optimizer.step()
