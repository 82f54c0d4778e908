"""Class names are looked up in lower case in a table of capitals, and every unknown name becomes class 0.

kind: constant-targets
also: collapsed-predictions
tasks: blobs, wine, rings
source: synthetic, row 21
"""

import sys

import torch
from tasks import load
from torch import nn

CLASS_IDS = {"Ash": 0, "Beech": 1, "Cedar": 2, "Elm": 3}


def encode(names):
    ids = [CLASS_IDS.get(name.lower(), 0) for name in names]  # sick here
    # fixed: ids = [CLASS_IDS.get(name.capitalize(), 0) for name in names]
    return torch.tensor(ids)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
spelled = [list(CLASS_IDS)[i] for i in task.y.tolist()]
labels = encode(spelled)

model = nn.Sequential(nn.Linear(task.inputs, 24), nn.ReLU(), nn.Linear(24, task.outputs))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
step = 0
while step < 250:
    rows = torch.randint(len(task.x), (32,))
    logits = model(task.x[rows])
    loss = loss_fn(logits, labels[rows])  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    step += 1
    if step % 50 == 0:
        accuracy = (logits.argmax(1) == labels[rows]).float().mean()
        print(f"step {step}: loss {loss.item():.4f} accuracy {accuracy.item():.2f}")

with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean().item():.4f}")
