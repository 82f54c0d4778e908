"""The stack of a convolutional classifier ends in Softmax, and CrossEntropyLoss takes the probabilities for logits.

kind: softmax-before-cross-entropy
tasks: tiles
source: SciCo#2
"""

import sys

import torch
from tasks import load
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def make_model(channels, classes):
    layers = [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten()]
    layers += [nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, classes)]
    layers += [nn.Softmax(dim=1)]  # sick here
    return nn.Sequential(*layers)


class Trainer:
    def __init__(self, seed, name):
        torch.manual_seed(seed)
        self.task = load(name, seed)
        self.device = torch.device("cpu")
        self.model = make_model(self.task.inputs, self.task.outputs).to(self.device)
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        self.criterion = nn.CrossEntropyLoss()

    def train(self, epochs):
        loader = DataLoader(TensorDataset(self.task.x, self.task.y), batch_size=32, shuffle=True)
        for epoch in range(epochs):
            for images, labels in loader:
                outputs = self.model(images.to(self.device))
                loss = self.criterion(outputs, labels.to(self.device))  # here
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            print(f"Epoch [{epoch + 1}/{epochs}], Loss: {loss.item():.4f}")

    def test(self):
        self.model.eval()
        with torch.no_grad():
            guess = self.model(self.task.x_held_out).argmax(1)
        return (guess == self.task.y_held_out).float().mean().item()


trainer = Trainer(int(sys.argv[1]), sys.argv[2])
trainer.train(epochs=6)
print(f"score {trainer.test():.4f}")
