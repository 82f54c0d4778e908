"""Of sixty small networks the one is kept that does best on forty test rows, and that figure is told.

kind: test-set-used-for-selection
tasks: diabetes
up: loss that is told, minus the loss on other rows
across: networks that were tried
shows: The figure that the sick program tells lies below what other rows give: the best of sixty is luck in part.
form: linear
"""

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
task, shown = load("diabetes", 0), []
x_train, y_train, x_val, y_val = task.x[:100], task.y[:100], task.x[100:140], task.y[100:140]
x_test, y_test = task.x[140:180], task.y[140:180]
x_fresh, y_fresh = torch.cat([task.x[180:], task.x_held_out]), torch.cat([task.y[180:], task.y_held_out])


def train(width):
    model = nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Linear(width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x_train), y_train)
        loss.backward()
        optimizer.step()
    return model.eval()


@torch.no_grad()
def measure(model, x, y):
    return F.mse_loss(model(x), y).item()


best, best_loss = None, float("inf")
for number in range(60):
    model = train(4 + number % 12)
    # fixed: loss = measure(model, x_val, y_val)
    loss = measure(model, x_test, y_test)  # sick
    if loss < best_loss:
        best, best_loss = model, loss
    shown.append((number + 1, measure(best, x_test, y_test) - measure(best, x_fresh, y_fresh)))
