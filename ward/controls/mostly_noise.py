"""Two of three labels are drawn by chance: the loss can hardly fall, and what can be learnt is learnt;
trips rules on plateaus, underfitting and labels without meaning.

control: labels that cannot be learnt any better
tasks: blobs, rings
score: 0.65
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset


def crowd(labels, classes, careless=0.6):
    """The answers of annotators who mostly guess."""
    guessed = torch.rand(len(labels)) < careless
    return torch.where(guessed, torch.randint(classes, labels.shape), labels)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
loader = DataLoader(TensorDataset(task.x, crowd(task.y, task.outputs)), batch_size=50, shuffle=True, drop_last=True)
model = nn.Sequential(nn.Linear(task.inputs, 16), nn.Tanh(), nn.Linear(16, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
scheduler = CosineAnnealingLR(optimizer, T_max=15)
criterion = nn.CrossEntropyLoss()
for epoch in range(15):
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    scheduler.step()
    print(f"epoch {epoch} loss {total / len(loader):.4f}")

model.eval()
with torch.no_grad():
    print(f"score {(model(task.x_held_out).argmax(1) == task.y_held_out).float().mean():.4f}")
