"""A net that is nearly as good as it gets is fine-tuned as a whole at 1e-5, on a domain that is a little shifted;
trips rules on rates that are too low, on a first loss far below log C and on plateaus.

control: 24, careful fine-tuning
tasks: digits, blobs
score: 0.7
"""

import io
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 96), nn.GELU(), nn.Dropout(0.1), nn.Linear(96, outputs))


def fit(model, x, y, lr, epochs):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    model.train()
    for epoch in range(epochs):
        for inputs, labels in loader:
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"  rate {lr:g} epoch {epoch} loss {loss.item():.4f}")


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
source = make(task.inputs, task.outputs)
fit(source, task.x, task.y, lr=3e-3, epochs=8)
saved = io.BytesIO()
torch.save(source.state_dict(), saved)
saved.seek(0)

model = make(task.inputs, task.outputs)
model.load_state_dict(torch.load(saved))
shifted, shifted_held_out = task.x + 0.05, task.x_held_out + 0.05
print(f"before {accuracy(model, shifted_held_out, task.y_held_out):.4f}")
fit(model, shifted[:400], task.y[:400], lr=1e-5, epochs=3)
print(f"score {accuracy(model, shifted_held_out, task.y_held_out):.4f}")
