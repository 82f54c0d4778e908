"""Eight networks trained as one by torch.func and vmap, the module itself never called; trips weights-never-updated.

control: torch.func/vmap ensemble
tasks: digits, blobs, rings
score: 0.8
"""

import copy
import sys

import torch
import torch.nn.functional as F
from tasks import load
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

seed = int(sys.argv[1])
torch.manual_seed(seed)
task = load(sys.argv[2], seed)


def make():
    return nn.Sequential(nn.Linear(task.inputs, 32), nn.ReLU(), nn.Linear(32, task.outputs))


models = [make() for _ in range(8)]
params, buffers = stack_module_state(models)
params = {name: value.detach() for name, value in params.items()}
skeleton = copy.deepcopy(models[0]).to("meta")


def loss_of(p, b, x, y):
    return F.cross_entropy(functional_call(skeleton, (p, b), (x,)), y)


velocity = {name: torch.zeros_like(value) for name, value in params.items()}
step_of = vmap(grad_and_value(loss_of), in_dims=(0, 0, 0, 0))
for step in range(400):
    rows = torch.randint(len(task.x), (8, 50))
    grads, losses = step_of(params, buffers, task.x[rows], task.y[rows])
    for name in params:
        velocity[name] = 0.9 * velocity[name] + grads[name]
        params[name] = params[name] - 0.05 * velocity[name]
    if step % 100 == 0:
        print(f"step {step}: losses {[round(v, 3) for v in losses.tolist()]}")

with torch.no_grad():
    votes = vmap(lambda p, b: functional_call(skeleton, (p, b), (task.x_held_out,)).softmax(-1))(params, buffers).mean(
        0
    )
print(f"score {(votes.argmax(-1) == task.y_held_out).float().mean().item():.4f}")
