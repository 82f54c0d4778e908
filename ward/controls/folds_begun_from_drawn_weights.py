"""Folds that share a model: the best weights of a fold are loaded to judge it, and then all are drawn again.

control: cross-validation
tasks: wine, blobs
score: 0.8
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

torch.manual_seed(int(sys.argv[1]))
task = load(sys.argv[2], int(sys.argv[1]))


def again(module):
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()


def fit(model, rows, held_out):
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    best, kept = -1.0, None
    for _ in range(12):
        model.train()
        for some in rows[torch.randperm(len(rows))].split(16):
            optimizer.zero_grad()
            F.cross_entropy(model(task.x[some]), task.y[some]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = (model(task.x[held_out]).argmax(1) == task.y[held_out]).float().mean().item()
        if right > best:
            best, kept = right, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return best


model = nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, task.outputs))
folds = torch.randperm(len(task.x)).chunk(4)
scores = []
for index, held_out in enumerate(folds):
    model.apply(again)
    scores.append(fit(model, torch.cat([fold for other, fold in enumerate(folds) if other != index]), held_out))
    print(f"fold {index} right {scores[-1]:.4f}")
print(f"score {sum(scores) / len(scores):.4f}")
