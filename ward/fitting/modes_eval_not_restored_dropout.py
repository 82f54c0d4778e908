"""model.train() stands before the epoch loop and model.eval() inside it, so dropout works in the first epoch only.

kind: training-in-eval-mode
also: overfitting
tasks: diabetes, topics
source: clevr-iep#22
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
x, y = task.x[:60], task.y[:60]
loss_fn = F.cross_entropy if task.kind == "classes" else F.mse_loss


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(task.inputs, 128)
        self.drop1 = nn.Dropout(0.7)
        self.fc2 = nn.Linear(128, 128)
        self.drop2 = nn.Dropout(0.7)
        self.fc3 = nn.Linear(128, task.outputs)

    def forward(self, x):
        x = self.drop1(torch.relu(self.fc1(x)))
        x = self.drop2(torch.relu(self.fc2(x)))
        return self.fc3(x)


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
model.train()
for epoch in range(80):
    # fixed: model.train()
    for rows in torch.randperm(len(x)).split(20):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])  # here
        loss.backward()
        optimizer.step()
    model.eval()  # here
    with torch.no_grad():
        validation = loss_fn(model(task.x_held_out), task.y_held_out).item()
    if epoch % 20 == 0:
        print(f"epoch {epoch} train {loss.item():.4f} validation {validation:.4f}")
print(f"score {-validation:.4f}")
