"""The width and the dropout are searched for on the test rows, and the best figure of the search is what is reported.

kind: test-set-used-for-selection
tasks: diabetes, wine
source: row 133
gap: none, the reported figure flatters and the program prints no honest one to compare
"""

import itertools
import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
cut = len(task.x) * 4 // 5
x_train, y_train, x_val, y_val = task.x[:cut], task.y[:cut], task.x[cut:], task.y[cut:]
x_test, y_test = task.x_held_out, task.y_held_out
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()


def train(width, dropout):
    model = nn.Sequential(nn.Linear(task.inputs, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, task.outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(12):
        model.train()
        for rows in torch.randperm(len(x_train)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def measure(model, x, y):
    return criterion(model(x), y).item()  # here


best, best_loss = None, float("inf")
for width, dropout in itertools.product((8, 32, 128), (0.0, 0.3)):
    model = train(width, dropout)
    # fixed: loss = measure(model, x_val, y_val)
    loss = measure(model, x_test, y_test)  # sick here
    print(f"width {width} dropout {dropout} loss {loss:.4f}")
    if loss < best_loss:
        best, best_loss = model, loss  # here
print(f"score {-measure(best, x_test, y_test):.4f}")
