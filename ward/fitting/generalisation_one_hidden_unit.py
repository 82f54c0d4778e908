"""A bottleneck of one unit stands between the inputs and the answers.

kind: underfitting
tasks: digits, surface
source: synthetic, row 91
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HPARAMS = {
    "hidden": (1, 32),  # sick here
    # fixed: "hidden": (64, 32),
    "lr": 5e-3,
    "epochs": 15,
    "batch_size": 32,
}


def build_mlp(n_in, n_out, hidden):
    sizes = [n_in, *hidden, n_out]
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(nn.Linear(sizes[i], sizes[i + 1]))
        if i < len(sizes) - 2:
            layers.append(nn.Tanh())
    return nn.Sequential(*layers)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = build_mlp(task.inputs, task.outputs, HPARAMS["hidden"])  # here
criterion = nn.CrossEntropyLoss() if task.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=HPARAMS["lr"])
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=HPARAMS["batch_size"], shuffle=True)
for epoch in range(HPARAMS["epochs"]):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_loss = criterion(model(task.x_held_out), task.y_held_out).item()  # here
    print(f"epoch {epoch} train {loss.item():.4f} test {test_loss:.4f}")
print(f"score {-test_loss:.4f}")
