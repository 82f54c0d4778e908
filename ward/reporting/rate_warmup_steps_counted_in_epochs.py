"""The lambda of the schedule counts batches, but is stepped after each epoch: the warmup never ends.

kind: scheduler-wrong-frequency
also: learning-rate-too-low
tasks: chain
source: row 83
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

WARMUP = 60


class LanguageModel(nn.Module):
    def __init__(self, vocabulary, width=48):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids):
        hidden, _ = self.lstm(self.embed(ids))
        return self.head(hidden)


def linear_warmup(total):
    def factor(step):
        if step < WARMUP:
            return (step + 1) / WARMUP
        return max(0.05, (total - step) / (total - WARMUP))

    return factor


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
model = LanguageModel(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
epochs = 8
scheduler = LambdaLR(optimizer, linear_warmup(total=epochs * len(loader)))  # here
for epoch in range(epochs):
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        # fixed: scheduler.step()
    scheduler.step()  # sick here
    print(f"epoch {epoch} loss {loss.item():.4f} rate {scheduler.get_last_lr()[0]:.5f}")

model.eval()
with torch.no_grad():
    logits = model(task.x_held_out)
    print(f"score {-nn.functional.cross_entropy(logits.flatten(0, 1), task.y_held_out.flatten()).item():.4f}")
