"""F.nll_loss is given raw scores, which it rewards for growing without bound.

kind: nll-without-log-softmax
tasks: digits, blobs, shapes
source: row 56
"""

import sys

import torch
import torch.nn.functional as F
from tasks import load

seed = int(sys.argv[1])
torch.manual_seed(seed)
t = load(sys.argv[2], seed)
x, x_test = t.x.flatten(1), t.x_held_out.flatten(1)


class MLP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(x.shape[1], 80)
        self.fc2 = torch.nn.Linear(80, t.outputs)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        return self.fc2(x)  # sick here
        # fixed: return F.log_softmax(self.fc2(x), dim=1)


model = MLP()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1, 401):
    idx = torch.randint(len(x), (64,))
    optimizer.zero_grad()
    output = model(x[idx])
    loss = F.nll_loss(output, t.y[idx])  # here
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"Train step {step} Loss: {loss.item():.6f}")

model.eval()
with torch.no_grad():
    held_out = F.cross_entropy(model(x_test), t.y_held_out)
print(f"score {-held_out.item():.4f}")
