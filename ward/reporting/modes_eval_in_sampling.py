"""A method that samples a few predictions for the log switches to eval mode and does not switch back.

kind: training-in-eval-mode
also: overfitting
tasks: diabetes
source: vsepp#4
"""

import sys

import torch
from tasks import load
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regularised(nn.Module):
    def __init__(self, n_in, n_out, width=128):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_in, width), nn.ReLU(), nn.Dropout(0.6), nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.6)
        )
        self.out = nn.Linear(width, n_out)

    def forward(self, x):
        return self.out(self.layers(x))

    @torch.no_grad()
    def sample(self, x):
        self.eval()  # here
        answers = self(x)
        # fixed: self.train()
        return answers


seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)
model = Regularised(task.inputs, task.outputs)
criterion = nn.MSELoss() if task.kind == "values" else nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loader = DataLoader(TensorDataset(task.x[:250], task.y[:250]), batch_size=25, shuffle=True)
model.train()
for epoch in range(30):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()  # here
    if epoch % 5 == 0:
        shown = model.sample(task.x[:2]).flatten()[:2].tolist()
        print(f"epoch {epoch} loss {loss.item():.4f} samples {[round(v, 2) for v in shown]}")

model.eval()
with torch.no_grad():
    print(f"score {-criterion(model(task.x_held_out), task.y_held_out).item():.4f}")
