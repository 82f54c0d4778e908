"""The programs of `real_world.py`, and faults that are planted into them by changing one piece of their source."""

from __future__ import annotations

from dataclasses import dataclass

SOFTMAX, SIGMOID, NLL, UNREGISTERED = "TW301", "TW302", "TW303", "TW406"
NOT_ZEROED, UNOWNED, EVALUATING = "TW501", "TW506", "TW701"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`old` becomes `new` in `file` (by default the script); `code` is to be found on a line that holds one of `at`."""

    code: str
    old: str
    new: str
    at: tuple[str, ...]
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A script, where it lies below its repository, what it needs, and what it is called with."""

    name: str
    script: str
    repository: str = "programs"  # this folder's own, or "nanoGPT", or "examples"
    folder: str = ""
    arguments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    stubs: bool = False  # torchvision's place is taken by generated images
    processes: int = 0  # under torchrun
    faults: tuple[Fault, ...] = ()


PROGRAMS = (
    Program(
        name="nanoGPT",
        repository="nanoGPT",
        script="train.py",
        arguments=(
            "config/train_shakespeare_char.py",
            "--device=cpu",
            "--compile=False",
            "--eval_iters=5",
            "--log_interval=20",
            "--block_size=32",
            "--batch_size=8",
            "--n_layer=2",
            "--n_head=2",
            "--n_embd=32",
            "--max_iters=200",
            "--lr_decay_iters=200",
            "--dropout=0.1",
            "--eval_interval=100",
        ),
        faults=(
            Fault(
                code=SOFTMAX,
                file="model.py",
                old="logits = self.lm_head(x)\n",
                new="logits = self.lm_head(x).softmax(-1)\n",
                at=("softmax(-1)", "F.cross_entropy"),
            ),
            Fault(
                code=NOT_ZEROED,
                old="    optimizer.zero_grad(set_to_none=True)\n",
                new="",
                at=("backward()",),
            ),
        ),
    ),
    Program(
        name="examples/mnist",
        repository="examples",
        folder="mnist",
        script="main.py",
        arguments=("--epochs", "2", "--no-accel"),
        stubs=True,
        faults=(
            Fault(code=EVALUATING, old="model.train()", new="model.eval()", at=("model.eval()",)),
            Fault(code=NLL, old="output = F.log_softmax(x, dim=1)", new="output = x", at=("output = x", "F.nll_loss")),
        ),
    ),
    Program(
        name="examples/vae",
        repository="examples",
        folder="vae",
        script="main.py",
        arguments=("--epochs", "4", "--no-accel"),
        stubs=True,
        faults=(
            Fault(code=NOT_ZEROED, old="        optimizer.zero_grad()\n", new="", at=("loss.backward()",)),
            Fault(
                code=UNOWNED,
                old="optim.Adam(model.parameters()",
                new="optim.Adam(list(model.parameters())[:-2]",
                at=("optim.Adam(",),
            ),
        ),
    ),
    Program(
        name="examples/word_language_model, by hand",
        repository="examples",
        folder="word_language_model",
        script="main.py",
        arguments=("--data", "text", "--emsize", "32", "--nhid", "32", "--epochs", "2"),
        faults=(
            Fault(
                code=NLL,
                file="model.py",
                old="return F.log_softmax(decoded, dim=1), hidden",
                new="return decoded, hidden",
                at=("decoded", "criterion("),
            ),
            Fault(
                code=SOFTMAX,
                old="criterion = nn.NLLLoss()",
                new="criterion = lambda output, targets: nn.functional.cross_entropy(output.exp(), targets)",
                at=("criterion",),
            ),
        ),
    ),
    Program(
        name="examples/word_language_model, Transformer and AdamW",
        repository="examples",
        folder="word_language_model",
        script="main.py",
        arguments=(
            "--data",
            "text",
            "--model",
            "Transformer",
            "--emsize",
            "32",
            "--nhid",
            "32",
            "--epochs",
            "2",
            "--use-optimizer",
            "--lr",
            "0.001",
        ),
        faults=(
            Fault(
                code=NOT_ZEROED, old="            optimizer.zero_grad()\n", new="            pass\n", at=("backward()",)
            ),
            Fault(code=EVALUATING, old="model.train()", new="model.eval()", at=("model.eval()",)),
        ),
    ),
    Program(
        name="examples/dcgan",
        repository="examples",
        folder="dcgan",
        script="main.py",
        arguments=(
            "--dataset",
            "fake",
            "--niter",
            "2",
            "--ngf",
            "8",
            "--ndf",
            "8",
            "--workers",
            "0",
            "--manualSeed",
            "1",
        ),
        stubs=True,
        faults=(
            Fault(
                code=SIGMOID,
                old="nn.BCELoss()",
                new="nn.BCEWithLogitsLoss()",
                at=("nn.Sigmoid()", "criterion(", "self.main(input)"),
            ),
            Fault(code=NOT_ZEROED, old="        netD.zero_grad()\n", new="", at=("backward()",)),
        ),
    ),
    Program(
        name="Lightning",
        script="lightning_fit.py",
        needs=("lightning",),
        faults=(
            Fault(
                code=SOFTMAX,
                old="return self.head(self.body(x))",
                new="return self.head(self.body(x)).softmax(1)",
                at=("softmax(1)", "F.cross_entropy"),
            ),
            Fault(
                code=UNOWNED,
                old="AdamW(self.parameters()",
                new="AdamW(self.body.parameters()",
                at=("AdamW(",),
            ),
        ),
    ),
    Program(
        name="Hugging Face Trainer",
        script="huggingface_trainer.py",
        needs=("transformers", "accelerate"),
        faults=(
            Fault(
                code=SOFTMAX,
                old="model = BertForSequenceClassification(config)\n",
                new="model = BertForSequenceClassification(config)\n"
                "model.classifier.register_forward_hook(lambda module, given, output: output.softmax(-1))\n",
                at=("softmax(-1)", "trainer.train()"),
            ),
            Fault(
                code=UNOWNED,
                old="eval_dataset=rows[640:])",
                new="eval_dataset=rows[640:],\n"
                "        optimizers=(torch.optim.AdamW(model.bert.parameters(), lr=1e-3), None))",
                at=("torch.optim.AdamW",),
            ),
        ),
    ),
    Program(
        name="Accelerate",
        script="accelerate_loop.py",
        needs=("accelerate",),
        faults=(
            Fault(
                code=SOFTMAX,
                old="criterion(model(inputs), classes)\n            accelerator",
                new="criterion(model(inputs).softmax(1), classes)\n            accelerator",
                at=("softmax(1)",),
            ),
            Fault(
                code=NOT_ZEROED,
                old="            optimizer.zero_grad()\n",
                new="",
                at=("accelerator.backward(loss)",),
            ),
        ),
    ),
    Program(
        name="skorch",
        script="skorch_fit.py",
        needs=("skorch",),
        faults=(
            Fault(
                code=SOFTMAX,
                old="return self.layers(x)",
                new="return self.layers(x).softmax(1)",
                at=("softmax(1)",),
            ),
            Fault(
                code=UNREGISTERED,
                old="nn.Linear(64, 3))\n\n    def forward(self, x):\n        return self.layers(x)",
                new="nn.Linear(64, 64))\n        self.heads = [nn.Linear(64, 3)]\n\n"
                "    def forward(self, x):\n        return self.heads[0](self.layers(x))",
                at=("self.heads", "class Classifier", "net.fit"),
            ),
        ),
    ),
    Program(
        name="Ignite",
        script="ignite_engine.py",
        needs=("ignite",),
        faults=(
            Fault(
                code=SOFTMAX,
                old="nn.Linear(64, 3))\n",
                new="nn.Linear(64, 3), nn.Softmax(1))\n",
                at=("nn.Softmax(1)", "trainer.run"),
            ),
            Fault(code=UNOWNED, old="Adam(model.parameters()", new="Adam(model[0].parameters()", at=("Adam(",)),
        ),
    ),
    Program(
        name="Keras on torch",
        script="keras_fit.py",
        needs=("keras",),
        faults=(
            Fault(
                code=SOFTMAX,
                old="keras.layers.Dense(3),",
                new='keras.layers.Dense(3, activation="softmax"),',
                at=("model.fit", "Dense(3"),
            ),
        ),
    ),
    Program(
        name="DDP, 2 processes over gloo",
        script="ddp_loop.py",
        processes=2,
        faults=(
            Fault(
                code=SOFTMAX,
                old="F.cross_entropy(model(inputs), classes)",
                new="F.cross_entropy(model(inputs).softmax(1), classes)",
                at=("softmax(1)",),
            ),
            Fault(code=NOT_ZEROED, old="        optimizer.zero_grad()\n", new="", at=("loss.backward()",)),
        ),
    ),
)
