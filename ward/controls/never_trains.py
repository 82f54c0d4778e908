"""Uses torch as an array library: nearest neighbours, nothing is trained at all; there is nothing to say about it.

control: never trains
tasks: digits, blobs, rings, wine
score: 0.8
"""

import sys

import torch
from tasks import load

task = load(sys.argv[2], int(sys.argv[1]))
distances = torch.cdist(task.x_held_out, task.x)
nearest = distances.topk(7, largest=False).indices
votes = torch.nn.functional.one_hot(task.y[nearest], task.outputs).sum(dim=1)
right = votes.argmax(dim=1) == task.y_held_out
print(f"{len(task.x)} neighbours to choose from")
print(f"score {right.float().mean().item():.4f}")
