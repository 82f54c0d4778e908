"""Several topics may be right at once, and the classifier shares one softmax among them before the binary loss.

kind: multi-label-with-softmax
tasks: topics
source: SO 45337371
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from tasks import load
from torch.utils.data import DataLoader, TensorDataset


class TopicNet(nn.Module):
    def __init__(self, n_features, n_topics):
        super().__init__()
        self.fc1 = nn.Linear(n_features, 64)
        self.fc2 = nn.Linear(64, n_topics)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.softmax(x, dim=1)  # sick here
        # fixed: return torch.sigmoid(x)


def train(model, loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        optimizer.zero_grad()
        output = model(data)
        loss = F.binary_cross_entropy(output, target)  # here
        loss.backward()
        optimizer.step()
        if batch_idx % 20 == 0:
            print(f"Train Epoch: {epoch} [{batch_idx}/{len(loader)}] Loss: {loss.item():.4f}")


def test(model, data, target):
    model.eval()
    with torch.no_grad():
        pred = (model(data) > 0.5).float()
    return (pred == target).float().mean().item()


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = TopicNet(task.inputs, task.outputs)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(task.x, task.y), batch_size=32, shuffle=True)
for epoch in range(1, 13):
    train(model, loader, optimizer, epoch)
print(f"score {test(model, task.x_held_out, task.y_held_out):.4f}")
