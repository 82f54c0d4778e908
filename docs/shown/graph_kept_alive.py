"""The losses are added up with their graphs.

kind: graph-kept-alive
tasks: blobs
up: nodes of graphs that are kept in memory
shows: Each step of the sick program adds its graph to all that are kept already, with the tensors that belong to it.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F


def nodes(tensor):
    seen, waiting = set(), [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    return len(seen)


torch.manual_seed(0)
task = load("blobs", 0)
model = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
total, shown = torch.zeros(()), []
for _ in range(3):
    for x, y in zip(task.x.split(30), task.y.split(30), strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total = total + loss  # sick
        # fixed: total = total + loss.detach()
        shown.append((len(shown), nodes(total)))
