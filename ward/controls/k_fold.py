"""Five-fold cross-validation, a new model and a new optimizer for each fold;
trips optimizer-recreated and stale-parameter rules.

control: k-fold
tasks: cancer, wine, blobs
score: 0.8
"""

import sys

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from tasks import load
from torch import nn


def train_fold(x, y, inputs, outputs):
    model = nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss()
    model.train()
    for _ in range(max(5, 2500 // len(x))):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
    return model, loss.item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
accuracies, models = [], []
folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
for fold, (train, test) in enumerate(folds.split(np.zeros(len(task.y)), task.y.numpy())):
    train, test = torch.from_numpy(train), torch.from_numpy(test)
    model, loss = train_fold(task.x[train], task.y[train], task.inputs, task.outputs)
    model.eval()
    with torch.no_grad():
        accuracies.append((model(task.x[test]).argmax(1) == task.y[test]).float().mean().item())
    models.append(model)
    print(f"fold {fold}: loss {loss:.4f}, accuracy {accuracies[-1]:.4f}")
print(f"cross-validated {np.mean(accuracies):.4f} +- {np.std(accuracies):.4f}")
with torch.no_grad():
    votes = sum(model(task.x_held_out).softmax(1) for model in models)
print(f"score {(votes.argmax(1) == task.y_held_out).float().mean().item():.4f}")
