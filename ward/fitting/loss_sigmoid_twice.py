"""The network ends in a sigmoid, and the loss is BCEWithLogitsLoss.

kind: sigmoid-before-bce-with-logits
tasks: rings, cancer, blobs
source: UNet3plus_pth#23
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, 1))
        self.activation = nn.Sigmoid()  # sick here
        # fixed: self.activation = nn.Identity()

    def forward(self, x):
        return self.activation(self.layers(x)).squeeze(1)


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
target = (task.y == 0).float()
model = Net(task.inputs)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
threshold = 0.5  # sick
# fixed: threshold = 0.0

batches = DataLoader(TensorDataset(task.x, target), batch_size=32, shuffle=True)
for epoch in range(7):
    for x, y in batches:
        optimizer.zero_grad()
        loss = criterion(model(x), y)  # here
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print(f"epoch {epoch} loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    positive = model(task.x_held_out) > threshold
    odds = model.layers(task.x_held_out).squeeze(1)
print("accuracy", (positive == (task.y_held_out == 0)).float().mean().item())
print(f"score {-criterion(odds, (task.y_held_out == 0).float()):.4f}")
