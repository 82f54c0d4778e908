# ruff: noqa: D101, D102
"""skorch: a classifier with its own split for validation."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 3))

    def forward(self, x):
        return self.layers(x)


torch.manual_seed(0)
np.random.seed(0)
x = np.random.randn(1024, 20).astype(np.float32)
y = x[:, :3].argmax(1).astype(np.int64)
net = NeuralNetClassifier(
    Classifier,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=3e-3,
    max_epochs=4,
    batch_size=32,
    iterator_train__shuffle=True,
    verbose=0,
)
net.fit(x, y)
