"""The activation is made in __init__ and never called in forward: three linear layers are one.

kind: no-nonlinearity
also: underfitting
tasks: rings, curve, surface
source: synthetic, row 34
"""

import sys

import torch
import torch.nn as nn
from tasks import load
from torch.utils.data import DataLoader, TensorDataset


class MLP(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.fc1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden_size, hidden_size)
        self.fc3 = nn.Linear(hidden_size, output_size)

    def forward(self, x):
        out = self.fc1(x)
        # fixed: out = self.relu(out)
        out = self.fc2(out)
        # fixed: out = self.relu(out)
        out = self.fc3(out)
        return out


# Hyper-parameters
seed = int(sys.argv[1])
hidden_size = 40
num_epochs = 15
batch_size = 32
learning_rate = 0.005

torch.manual_seed(seed)
data = load(sys.argv[2], seed)
train_loader = DataLoader(dataset=TensorDataset(data.x, data.y), batch_size=batch_size, shuffle=True)
model = MLP(data.inputs, hidden_size, data.outputs)  # here
criterion = nn.CrossEntropyLoss() if data.kind == "classes" else nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)

total_step = len(train_loader)
for epoch in range(num_epochs):
    for i, (x, y) in enumerate(train_loader):
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (i + 1) % 10 == 0:
            print(f"Epoch [{epoch + 1}/{num_epochs}], Step [{i + 1}/{total_step}], Loss: {loss.item():.4f}")

with torch.no_grad():
    print(f"score {-criterion(model(data.x_held_out), data.y_held_out).item():.4f}")
