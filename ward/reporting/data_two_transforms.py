"""The training transform centres the pixels, the test transform leaves them as they are.

kind: validation-preprocessed-differently
tasks: tiles, shapes, digits
source: row 5
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset):
    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.labels[i]


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
lowest, spread = task.x.min(), task.x.max() - task.x.min()
raw, raw_test = (255 * (task.x - lowest) / spread).round(), (255 * (task.x_held_out - lowest) / spread).round()
mean, std = raw.mean(), raw.std()


def train_transform(image):
    return (image - mean) / std


def test_transform(image):
    return image  # sick here
    # fixed: return (image - mean) / std


train_loader = DataLoader(Pictures(raw, task.y, train_transform), batch_size=50, shuffle=True)
test_loader = DataLoader(Pictures(raw_test, task.y_held_out, test_transform), batch_size=100)  # here

model = nn.Sequential(nn.Flatten(), nn.Linear(raw[0].numel(), 64), nn.Tanh(), nn.Linear(64, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def evaluate():
    model.eval()
    correct = 0
    with torch.no_grad():
        for image, label in test_loader:
            correct += (model(image).argmax(dim=1) == label).sum().item()  # here
    return correct / len(raw_test)


for epoch in range(8):
    model.train()
    for image, label in train_loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(image), label)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}, loss {loss.item():.4f}, test accuracy {evaluate():.3f}")
print(f"score {evaluate():.4f}")
