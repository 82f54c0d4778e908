"""The samples lie sorted by class and the loader does not shuffle them.

kind: data-not-shuffled
tasks: digits, blobs, rings
source: super-gradients#416
"""

import argparse

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("seed", type=int)
parser.add_argument("task")
args = parser.parse_args()

torch.manual_seed(args.seed)
task = load(args.task, args.seed)
by_class = torch.argsort(task.y, stable=True)  # one folder per class
train_set = TensorDataset(task.x[by_class], task.y[by_class])
train_loader = DataLoader(train_set, batch_size=16)  # sick here
# fixed: train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
test_loader = DataLoader(TensorDataset(task.x_held_out, task.y_held_out), batch_size=128)

model = nn.Sequential(nn.Linear(task.inputs, 64), nn.ReLU(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()

epochs = 5
for epoch in range(epochs):
    model.train()
    for images, labels in train_loader:  # here
        optimizer.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        optimizer.step()
    print(f"Epoch {epoch + 1}/{epochs} loss {loss.item():.4f}")

model.eval()
correct = 0
with torch.no_grad():
    for images, labels in test_loader:
        correct += (model(images).argmax(1) == labels).sum().item()
print(f"score {correct / len(test_loader.dataset):.4f}")
