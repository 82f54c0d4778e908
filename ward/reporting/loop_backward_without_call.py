"""loss.backward is named and not called; Python has nothing against it.

kind: missing-backward
also: weights-never-updated
tasks: counts
source: row 69
"""

import sys

import torch
from tasks import load
from torch import nn


class TextClassifier(nn.Module):
    def __init__(self, vocabulary, classes, width=24):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.conv = nn.Conv1d(width, 32, kernel_size=3, padding=1)
        self.head = nn.Linear(32, classes)

    def forward(self, ids):
        x = self.embed(ids).transpose(1, 2)
        return self.head(torch.relu(self.conv(x)).mean(-1))


def epochs(n, x, y, batch_size):
    for epoch in range(n):
        for rows in torch.randperm(len(x)).split(batch_size):
            yield epoch, x[rows], y[rows]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TextClassifier(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
seen = -1
for epoch, ids, labels in epochs(8, task.x, task.y, 32):
    optimizer.zero_grad()
    loss = criterion(model(ids), labels)
    # fixed: loss.backward()
    loss.backward  # noqa: B018  # sick here
    optimizer.step()  # here
    if epoch != seen:
        seen = epoch
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
