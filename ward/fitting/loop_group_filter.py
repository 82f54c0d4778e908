"""The two parameter groups are picked by a prefix that no parameter has, so only the normalisation layers are trained.

kind: parameters-not-in-optimizer
tasks: digits, blobs, cancer
source: ForwardForward (Ads97)#8
"""

import sys

import torch
from tasks import load
from torch import nn

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.embed = nn.Linear(inputs, 32)
        self.norm = nn.LayerNorm(32)
        self.classifier = nn.Linear(32, outputs)

    def forward(self, x):
        return self.classifier(self.norm(torch.relu(self.embed(x))))


net = Net(task.inputs, task.outputs)
linear = [p for n, p in net.named_parameters() if n.startswith(("module.embed", "module.classifier"))]  # sick here
# fixed: linear = [p for n, p in net.named_parameters() if n.startswith(("embed", "classifier"))]
norms = list(net.norm.parameters())
groups = [{"params": linear, "weight_decay": 1e-3}, {"params": norms, "weight_decay": 0.0}]
opt = torch.optim.AdamW(groups, lr=3e-3)  # here
criterion = nn.CrossEntropyLoss()

for step in range(400):
    i = torch.randint(len(task.x), (64,))
    opt.zero_grad(set_to_none=True)
    loss = criterion(net(task.x[i]), task.y[i])
    loss.backward()
    opt.step()  # here
    if step % 80 == 0:
        print(f"step {step:4d}  loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    loss = criterion(net(task.x_held_out), task.y_held_out)
print(f"score {-loss.item():.4f}")
