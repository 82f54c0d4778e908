"""Five folds are cut by hand, and the fold that validates stays among those that train.

kind: validation-overlaps-training
tasks: diabetes, cancer
source: row 6
gap: none, the fault flatters the validation score and leaves the network much as it is
"""

import sys

import torch
from tasks import load
from torch import nn

SEED = int(sys.argv[1])
torch.manual_seed(SEED)
task = load(sys.argv[2], SEED)
is_values = task.kind == "values"
criterion = nn.MSELoss() if is_values else nn.CrossEntropyLoss()


def new_model():
    return nn.Sequential(nn.Linear(task.inputs, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, task.outputs))


def train(model, x, y, epochs=8):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()


@torch.no_grad()
def evaluate(model, x, y):
    model.eval()
    return criterion(model(x), y).item()  # here


folds = torch.randperm(len(task.x)).chunk(5)
losses = []
for k, held_back in enumerate(folds):
    # fixed: rest = folds[:k] + folds[k + 1 :]
    rest = folds[:k] + folds[k:]  # sick here
    rows = torch.cat(rest)
    model = new_model()
    train(model, task.x[rows], task.y[rows])
    losses.append(evaluate(model, task.x[held_back], task.y[held_back]))  # here
    print(f"fold {k}: validation loss {losses[-1]:.4f}")

print(f"mean over folds {sum(losses) / len(losses):.4f}")
print(f"score {-evaluate(model, task.x_held_out, task.y_held_out):.4f}")
