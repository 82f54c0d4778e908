"""The optimizer holds the frozen embedding and the normalisation, and none of the layers that were to be trained.

kind: parameters-not-in-optimizer
also: parameters-frozen
tasks: digits, wine, blobs
source: forum 84911
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class Model(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.projection = nn.Linear(inputs, 48)
        self.norm = nn.BatchNorm1d(48)
        self.hidden = nn.Linear(48, 32)
        self.head = nn.Linear(32, outputs)
        self.projection.requires_grad_(False)

    def forward(self, x):
        return self.head(torch.relu(self.hidden(torch.relu(self.norm(self.projection(x))))))


model = Model(task.inputs, task.outputs)
selected = [p for n, p in model.named_parameters() if n.startswith(("projection", "norm"))]  # sick here
# fixed: selected = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.Adam(selected, lr=3e-3)  # here
criterion = nn.CrossEntropyLoss()

for epoch in range(10):
    model.train()
    for rows in torch.randperm(len(task.x)).split(32):
        if len(rows) < 2:
            continue
        loss = criterion(model(task.x[rows]), task.y[rows])
        model.zero_grad()
        loss.backward()
        optimizer.step()  # here
    print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
