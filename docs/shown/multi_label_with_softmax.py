"""A sample may have several of six topics, and a softmax lets them compete.

kind: multi-label-with-softmax
tasks: topics
up: share of held-out topics that are told right
shows: The sick program's probabilities share one whole between all topics, so that more than one is never told.
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task = load("topics", 0)
model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 6))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
shown = []
for _ in range(8):
    for x, y in zip(task.x.split(50), task.y.split(50), strict=True):
        with torch.no_grad():
            answered = model.eval()(task.x_held_out)
            answered = answered.softmax(1)  # sick
            # fixed: answered = answered.sigmoid()
            right = (answered > 0.5) == (task.y_held_out > 0.5)
        shown.append((len(shown), right.float().mean().item()))
        model.train()
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(model(x).softmax(1), y)  # sick
        # fixed: loss = F.binary_cross_entropy(model(x).sigmoid(), y)
        loss.backward()
        optimizer.step()
