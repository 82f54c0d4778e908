"""The mask is true where there are words, and masked_fill empties just those: nothing of the text remains.

kind: outputs-ignore-input
tasks: counts
source: row 40
"""

import sys

import torch
from tasks import load
from torch import nn

PAD = 8


class BagOfWords(nn.Module):
    def __init__(self, words, classes):
        super().__init__()
        self.embedding = nn.Embedding(words + 1, 16)
        self.encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
        self.classifier = nn.Linear(32, classes)

    def forward(self, ids):
        mask = ids != PAD  # sick here
        # fixed: mask = ids == PAD
        hidden = self.encoder(self.embedding(ids))
        hidden = hidden.masked_fill(mask[..., None], 0.0)  # here
        return self.classifier(hidden.mean(dim=1))


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = BagOfWords(task.inputs, task.outputs)
print(f"{sum(parameter.numel() for parameter in model.parameters())} parameters")
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(len(task.x)).split(48):
        loss = nn.functional.cross_entropy(model(task.x[rows]), task.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(task.x_held_out).argmax(1) == task.y_held_out).float().mean()
    print(f"epoch {epoch} loss {loss.item():.3f} accuracy {accuracy:.3f}")
print(f"score {accuracy:.4f}")
