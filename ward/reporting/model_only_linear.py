"""Three linear layers follow one another with nothing between them.

kind: no-nonlinearity
tasks: rings, curve, surface
source: row 34
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Model(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layer1 = nn.Linear(inputs, 64)
        self.layer2 = nn.Linear(64, 64)
        self.layer3 = nn.Linear(64, 1)

    def forward(self, x):
        x = self.layer1(x)
        # fixed: x = torch.relu(x)
        x = self.layer2(x)  # here
        # fixed: x = torch.relu(x)
        return self.layer3(x)  # here


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
y, y_test = task.y.float().view(-1, 1), task.y_held_out.float().view(-1, 1)
model = Model(task.inputs)
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
criterion = nn.MSELoss()
loader = DataLoader(TensorDataset(task.x, y), batch_size=32, shuffle=True)
for epoch in range(16):
    for inputs, targets in loader:
        loss = criterion(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 0:
        print(f"Epoch [{epoch}/16], Loss: {loss.item():.4f}")

model.eval()
with torch.no_grad():
    r2 = 1 - criterion(model(task.x_held_out), y_test) / y_test.var(unbiased=False)
print(f"score {r2.item():.4f}")
