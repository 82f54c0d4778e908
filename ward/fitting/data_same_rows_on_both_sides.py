"""Two permutations are drawn for one split, so most rows of the validation set are trained on.

kind: validation-overlaps-training
tasks: digits, cancer, blobs
source: RIAWELC#2
gap: none, the fault flatters the validation score and leaves the network as it is
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
dataset = TensorDataset(task.x, task.y)
cut = int(0.8 * len(dataset))
order = torch.randperm(len(dataset))
train = Subset(dataset, order[:cut].tolist())
valid = Subset(dataset, torch.randperm(len(dataset))[cut:].tolist())  # sick here
# fixed: valid = Subset(dataset, order[cut:].tolist())
train_loader = DataLoader(train, batch_size=32, shuffle=True)
valid_loader = DataLoader(valid, batch_size=64)  # here

model = nn.Sequential(nn.Linear(task.inputs, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, task.outputs))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()


@torch.no_grad()
def accuracy(batches):
    model.eval()
    hits = [(model(x).argmax(1) == y).float() for x, y in batches]  # here
    model.train()
    return torch.cat(hits).mean().item()


for epoch in range(8):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} loss {loss.item():.3f} validation {accuracy(valid_loader):.3f}")

test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=64)
print(f"score {accuracy(test_loader):.4f}")
