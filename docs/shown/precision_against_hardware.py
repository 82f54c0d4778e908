"""A network is trained in float16 on a processor, which has no fast arithmetic for it.

kind: precision-against-hardware
tasks: digits
up: seconds since the start
shows: The same forty steps on the same processor, in float16 and in bfloat16.
finds: verify
form: linear, varies
"""

import time
from dataclasses import replace

import torch
from tasks import load
from torch import nn
from torch.nn import functional as F

from trainwright.checks.catalogue import CATALOGUE
from trainwright.stages.subject import subject_of
from trainwright.stages.verify import verify_subject

torch.manual_seed(0)
task = load("digits", 0)
model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, task.outputs))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
precision, dtype = "fp16", torch.float16  # sick
# fixed: precision, dtype = "bf16", torch.bfloat16
subject = replace(subject_of(model, "cross_entropy", (task.x.float(), task.y)), precision=precision)
told = verify_subject(subject, [CATALOGUE["configuration"]]).findings
start, shown = time.perf_counter(), []
for step in range(40):
    x, y = task.x[32 * step : 32 * step + 32].float(), task.y[32 * step : 32 * step + 32]
    with torch.autocast("cpu", dtype=dtype):
        logits = model(x)
    optimizer.zero_grad()
    F.cross_entropy(logits.float(), y).backward()
    optimizer.step()
    shown.append((step, time.perf_counter() - start))
