"""The evaluation tracks gradients, and keeps its predictions with their graphs.

kind: gradients-tracked-in-evaluation
tasks: digits
up: nodes of graphs that are kept
across: batch of the first evaluation
shows: Each batch of the sick evaluation adds a graph, with the activations of all layers, which nobody will walk.
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


def evaluate():
    model.eval()
    predictions = []
    for x in task.x_held_out.float().split(32):
        predictions.append(model(x))
        shown.append((len(predictions), sum(map(nodes, predictions))))
    return (torch.cat(predictions).argmax(1) == task.y_held_out).float().mean().item()


torch.manual_seed(0)
task, shown = load("digits", 0), []
# fixed: evaluate = torch.no_grad()(evaluate)
model = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for _ in range(6):
    model.train()
    for x, y in zip(task.x.float().split(40), task.y.split(40), strict=False):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    evaluate()
shown = shown[: len(shown) // 6]
