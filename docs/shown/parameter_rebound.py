"""A step by hand puts the result of a computation where a parameter was.

kind: parameter-rebound
tasks: blobs
up: training loss
shows: After its first step the sick program's weights are no leaves any more and get no gradient: nothing moves again.
"""

import torch
from tasks import load
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("blobs", 0), []
weight = torch.zeros(4, 8, requires_grad=True)
for _ in range(4):
    for x, y in zip(task.x.split(60), task.y.split(60), strict=True):
        loss = F.cross_entropy(x @ weight.T, y)
        shown.append((len(shown), loss.item()))
        loss.backward()
        weight = weight - 0.5 * weight.grad if weight.is_leaf else weight  # sick
        # fixed: weight.data -= 0.5 * weight.grad
        # fixed: weight.grad = None
