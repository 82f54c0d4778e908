"""What a finding makes of a program's source: the lines that were meant, or a reason."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from patients import FILE, LOOP, at, changes, chart_of, mended, reason

from trainwright.doctor.kinds import find_kind
from trainwright.healing.patch import PATCHES, NoPatch, SourcePatch, patch_for, patches_for
from trainwright.records import Location, Remedy, SchedulerFacts

NEVER_ZEROED = LOOP.replace("        optimizer.zero_grad()\n", "")


def test_missing_zeroing_is_put_before_the_backward_pass() -> None:
    patch = mended("missing-zero-grad", NEVER_ZEROED, "loss.backward()")
    assert changes(patch) == ["+        optimizer.zero_grad()"]
    assert isinstance(patch, SourcePatch)
    ast.parse(patch.after)


def test_where_gradients_are_gathered_the_zeroing_goes_behind_the_step() -> None:
    gathered = NEVER_ZEROED.replace("        optimizer.step()", "        if n % 4 == 0:\n            optimizer.step()")
    patch = mended("missing-zero-grad", gathered, "loss.backward()")
    assert changes(patch) == ["+            optimizer.zero_grad()"]
    assert isinstance(patch, SourcePatch)
    assert patch.after.decode().endswith("optimizer.step()\n            optimizer.zero_grad()\n")


def test_a_closure_zeroes_by_itself() -> None:
    text = (
        "def train(model, optimizer, x):\n"
        "    def closure():\n"
        "        loss = model(x).sum()\n"
        "        loss.backward()\n"
        "        return loss\n"
        "    optimizer.step(closure)\n"
    )
    patch = mended("missing-zero-grad", text, "loss.backward()", step="optimizer.step(", made="def train(")
    assert changes(patch) == ["+        optimizer.zero_grad()"]


def test_with_several_optimizers_none_is_taken() -> None:
    chart = chart_of(NEVER_ZEROED)
    loop = chart.info.loop
    assert loop is not None
    two = replace(chart, info=replace(chart.info, loop=replace(loop, optimizers=loop.optimizers * 2)))
    finding = find_kind("missing-zero-grad").finding(where=at(NEVER_ZEROED, "loss.backward()"))
    assert "several optimizers" in reason(patch_for(finding, two, lambda _: NEVER_ZEROED.encode()))


def test_a_zeroing_before_the_step_is_moved_behind_it() -> None:
    sick = NEVER_ZEROED.replace("        optimizer.step()", "        optimizer.zero_grad()\n        optimizer.step()")
    patch = mended("gradients-erased-before-step", sick, "optimizer.zero_grad()")
    assert isinstance(patch, SourcePatch)
    assert patch.after.decode().endswith("loss.backward()\n        optimizer.step()\n        optimizer.zero_grad()\n")


def test_gradients_erased_by_hand_are_moved_where_one_line_alone_can_do_it() -> None:
    sick = LOOP.replace("        optimizer.step()", "        clear(model)\n        optimizer.step()")
    patch = mended("gradients-erased-before-step", sick, "optimizer.step()")
    assert isinstance(patch, SourcePatch)
    assert patch.after.decode().endswith("        optimizer.step()\n        clear(model)\n")
    two = sick.replace("clear(model)", "clear(model)\n        also(model)")
    assert "several" in reason(mended("gradients-erased-before-step", two, "optimizer.step()"))


def test_a_missing_step_comes_after_the_clipping() -> None:
    clip = "        nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
    sick = LOOP.replace("        optimizer.step()\n", clip)
    patch = mended("missing-optimizer-step", sick, "loss.backward()", step="nowhere")
    assert isinstance(patch, SourcePatch)
    assert patch.after.decode().endswith(f"{clip}        optimizer.step()\n")


def test_a_step_that_is_there_and_never_reached_is_nobodys_guess() -> None:
    sick = LOOP.replace("        optimizer.step()", "        if done:\n            optimizer.step()")
    assert "never reached" in reason(mended("missing-optimizer-step", sick, "loss.backward()", step="nowhere"))


def test_a_clipping_after_the_step_goes_before_it() -> None:
    clip = "        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # short\n"
    patch = mended("clipping-without-effect", LOOP + clip, "clip_grad_norm_")
    assert isinstance(patch, SourcePatch)
    assert patch.after.decode().endswith(f"{clip}        optimizer.step()\n")


def test_a_clipping_whose_norm_is_used_is_left_alone() -> None:
    clip = "        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
    assert "norm" in reason(mended("clipping-without-effect", LOOP + clip, "clip_grad_norm_"))


def test_scaled_gradients_are_unscaled_before_they_are_clipped() -> None:
    sick = LOOP.replace("optimizer.step()", "clip_grad_norm_(w, 1.0)\n        scaler.step(optimizer)")
    patch = mended("clip-before-unscale", sick, "clip_grad_norm_", step="scaler.step(optimizer)")
    assert changes(patch) == ["+        scaler.unscale_(optimizer)"]


def test_a_gathered_loss_is_divided_by_the_number_that_the_program_has_for_it() -> None:
    sick = LOOP.replace("        optimizer.step()", "        if (n + 1) % every == 0:\n            optimizer.step()")
    facts = {"evidence": {"backward passes a step": 4}}
    patch = mended("accumulation-not-averaged", sick, "loss.backward()", **facts)
    assert changes(patch) == ["-        loss.backward()", "+        (loss / every).backward()"]
    assert isinstance(patch, SourcePatch)
    assert patch.loss_factor == 0.25
    by_accelerator = LOOP.replace("loss.backward()", "accelerator.backward(loss)")
    other = mended("accumulation-not-averaged", by_accelerator, "backward(loss)", backward="backward(loss)", **facts)
    assert "handed over" in reason(other)


@pytest.mark.parametrize(
    ("sick", "healthy"),
    [
        ("F.softmax(z, dim=1)", "z"),
        ("torch.softmax(z + 1, 1)", "(z + 1)"),
        ("z.softmax(-1)", "z"),
    ],
)
def test_a_softmax_before_the_loss_is_left_out(sick: str, healthy: str) -> None:
    text = LOOP.replace("model(x), y)", "p, y)").replace("        loss = ", f"        p = {sick}\n        loss = ")
    facts = {"loss": "cross_entropy", "operation": "Softmax", "enters": "p = "}
    patch = mended("softmax-before-cross-entropy", text, "cross_entropy(", **facts)
    assert changes(patch) == [f"-        p = {sick}", f"+        p = {healthy}"]


def test_the_softmax_at_the_end_of_a_sequential_is_left_out() -> None:
    text = LOOP.replace("nn.Linear(8, 3))", "nn.Linear(8, 3), nn.Softmax(dim=1))")
    patch = mended("softmax-before-cross-entropy", text, "cross_entropy(", loss="cross_entropy", operation="Softmax")
    assert changes(patch)[1] == f"+{LOOP.splitlines()[4]}"


def test_a_model_that_gives_probabilities_gets_a_loss_of_probabilities() -> None:
    text = (
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n    def forward(self, x):\n        return torch.sigmoid(self.fc(x))\n"
        "criterion = nn.BCEWithLogitsLoss()\n"
        "def train():\n"
        "    loss = criterion(net(x), y)  # binary_cross_entropy_with_logits(\n"
        "    loss.backward()\n"
    )
    facts = {"loss": "binary_cross_entropy_with_logits", "operation": "Sigmoid", "enters": "torch.sigmoid"}
    patch = mended("sigmoid-before-bce-with-logits", text, "loss = criterion", **facts)
    assert changes(patch) == ["-criterion = nn.BCEWithLogitsLoss()", "+criterion = nn.BCELoss()"]


def test_a_column_too_many_is_squeezed_away() -> None:
    text = LOOP.replace("cross_entropy", "mse_loss")
    shapes = {"shape of what enters the loss": "(32, 1)", "shape of the targets": "(32,)"}
    patch = mended("loss-shape-broadcast", text, "mse_loss", evidence=shapes)
    assert changes(patch)[1] == "+        loss = F.mse_loss(model(x).squeeze(-1), y)"
    wide = {"shape of what enters the loss": "(32, 2)", "shape of the targets": "(32,)"}
    assert "shapes" in reason(mended("loss-shape-broadcast", text, "mse_loss", evidence=wide))


def test_what_keeps_the_graph_is_detached() -> None:
    patch = mended("graph-kept-alive", LOOP + "        total += loss\n        show(loss.item())\n", "loss.backward()")
    assert changes(patch) == ["-        total += loss", "+        total += loss.detach()"]


@pytest.mark.parametrize(
    ("head", "given", "changed"),
    [
        ("", "lr=0.1", "optimizer = torch.optim.SGD(model.parameters(), lr=0.03)"),
        ("rate = 0.1", "lr=rate", "rate = 0.03"),
        ("class config:\n    rate: float = 0.1", "lr=config.rate", "    rate: float = 0.03"),
        ('p.add_argument("--rate", default=1e-1)', "lr=args.rate", 'p.add_argument("--rate", default=0.03)'),
    ],
)
def test_a_rate_is_changed_where_it_is_written(head: str, given: str, changed: str) -> None:
    text = f"{head}\n" + LOOP.replace("lr=0.1", given)
    facts = {"settings": {"optimizer.lr": 0.1}, "changes": [{"optimizer.lr": 0.03}]}
    assert changes(mended("learning-rate-too-high", text, "optimizer = ", **facts))[1] == f"+{changed}"


@pytest.mark.parametrize("given", ["lr=0.5 * 0.2", "lr=rates[0]", "lr=args.rate"])
def test_a_rate_that_is_not_written_as_that_number_is_left_alone(given: str) -> None:
    facts = {"settings": {"optimizer.lr": 0.1}, "changes": [{"optimizer.lr": 0.03}]}
    assert reason(mended("learning-rate-too-high", LOOP.replace("lr=0.1", given), "optimizer = ", **facts))


def test_layers_in_a_list_are_registered_by_the_name_that_the_file_has_for_nn() -> None:
    text = LOOP.replace(
        "model = ", "class Net:\n    def __init__(self):\n        self.parts = [nn.Linear(2, 2)]\nmodel = "
    )
    patch = mended("unregistered-submodule", text, "self.parts", evidence={"held in": "net.parts"})
    assert changes(patch)[1] == "+        self.parts = nn.ModuleList([nn.Linear(2, 2)])"


def test_training_mode_comes_back_before_the_batches() -> None:
    text = LOOP + "    model.eval()\n    with torch.no_grad():\n        print(model(held_out))\n"
    patch = mended("training-in-eval-mode", text, "model.eval()")
    assert changes(patch) == ["+    model.train()"]
    between = LOOP + "        evaluate()\ndef evaluate():\n    model.eval()\n"
    assert changes(mended("training-in-eval-mode", between, "model.eval()")) == ["+        model.train()"]


def test_an_evaluation_is_put_into_evaluation_mode_and_back() -> None:
    text = LOOP + "    with torch.no_grad():\n        print(model(held_out))\n"
    patch = mended("evaluating-in-train-mode", text, "model(held_out)")
    assert changes(patch) == ["+    model.eval()", "+    model.train()"]


def test_a_schedule_for_epochs_leaves_the_loop_over_batches() -> None:
    text = LOOP + "        scheduler.step()\n    print(epoch)\n"
    scheduler = SchedulerFacts(name="StepLR", call_places=(at(text, "scheduler.step()"),))
    finding = find_kind("scheduler-wrong-frequency").finding(
        title="the schedule is stepped every batch, and made for epochs", where=at(text, "scheduler.step()")
    )
    patch = patch_for(finding, chart_of(text, schedulers=(scheduler,)), lambda _: text.encode())
    assert changes(patch) == ["-        scheduler.step()", "+    scheduler.step()"]


def test_a_missing_backward_pass_comes_before_the_step() -> None:
    text = LOOP.replace("        loss.backward()\n", "")
    patch = mended("missing-backward", text, "optimizer.step()", loss_where=at(text, "loss = "))
    assert changes(patch) == ["+        loss.backward()"]


@pytest.mark.parametrize(
    ("healthy", "sick"),
    [
        ("loss = F.cross_entropy(model(x), y)", "loss = -F.cross_entropy(model(x), y)"),
        ("loss.backward()", "(-loss).backward()"),
        ("lr=0.1)", "lr=0.1, maximize=True)"),
    ],
)
def test_a_loss_that_is_maximised_is_minimised(healthy: str, sick: str) -> None:
    text = LOOP.replace(healthy, sick)
    patch = mended("loss-maximised", text, "loss = ")
    assert isinstance(patch, SourcePatch)
    assert patch.after.decode().replace("maximize=False", "").replace(", )", ")").replace("(loss)", "loss") == LOOP


def test_a_layer_at_the_end_of_a_list_is_taken_off_it() -> None:
    built = "layers = []\nfor n in sizes:\n    layers += [nn.Linear(n, n), nn.ReLU()]\nmodel = nn.Sequential(*layers)\n"
    text = LOOP.replace("model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))\n", built)
    patch = mended("relu-on-output", text, "loss = ", loss="cross_entropy", operation="Relu")
    assert changes(patch) == ["+layers.pop()"]


def test_biases_and_norms_get_a_group_without_decay() -> None:
    assert changes(mended("weight-decay-on-bias-or-norm", LOOP, "optimizer = "))[1].count('"weight_decay": 0.0') == 1
    grouped = LOOP.replace("model.parameters()", "groups")
    assert "model.parameters()" in reason(mended("weight-decay-on-bias-or-norm", grouped, "optimizer = "))


def test_windows_line_ends_tabs_and_a_byte_order_mark_stay() -> None:
    text = NEVER_ZEROED.replace("    ", "\t").replace("\n", "\r\n")
    content = b"\xef\xbb\xbf" + text.encode()
    patch = mended("missing-zero-grad", text, "loss.backward()", content=content)
    assert isinstance(patch, SourcePatch)
    assert patch.after == content.replace(b"\t\tloss.backward()", b"\t\toptimizer.zero_grad()\r\n\t\tloss.backward()")


def test_letters_beyond_ascii_do_not_move_an_edit() -> None:
    text = LOOP.replace("F.cross_entropy(model(x), y)", 'F.cross_entropy("é€😀" and F.softmax(model(x), 1), y)')
    facts = {"loss": "cross_entropy", "operation": "Softmax", "enters": "F.softmax"}
    patch = mended("softmax-before-cross-entropy", text, "cross_entropy(", **facts)
    assert changes(patch)[1] == '+        loss = F.cross_entropy("é€😀" and model(x), y)'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"def broken(:\n", "cannot be parsed"),
        (b"# -*- coding: latin-1 -*-\nx = 1\n", "iso-8859-1"),
        (b"x = '\xe9'\n", "cannot be parsed"),
        (b"x = 1\ry = 2\r", "line ends"),
        (b"", "no statement"),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_refused(content: bytes, why: str) -> None:
    patch = mended("missing-zero-grad", NEVER_ZEROED, "loss.backward()", content=content)
    assert why in reason(patch)


def test_two_statements_on_a_line_are_left_alone() -> None:
    text = NEVER_ZEROED.replace("        loss.backward()", "        seen = seen + len(x); loss.backward()")
    assert "more than one statement" in reason(mended("missing-zero-grad", text, "loss.backward()"))


def test_a_file_that_is_gone_is_a_reason() -> None:
    def gone(file: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    finding = find_kind("missing-zero-grad").finding(where=at(NEVER_ZEROED, "loss.backward()"))
    assert "No such file" in reason(patch_for(finding, chart_of(NEVER_ZEROED), gone))


def test_what_is_merely_likely_waits_for_an_error_that_cannot_be_mended() -> None:
    facts = chart_of(LOOP, settings={"optimizer.lr": 0.1})
    error = find_kind("missing-backward").finding(where=at(LOOP, "optimizer.step()"))
    rate = find_kind("learning-rate-too-high").finding(
        where=at(LOOP, "optimizer = "), confidence=0.8, remedies=(Remedy(text="", change={"optimizer.lr": 0.03}),)
    )
    assert isinstance(patch_for(rate, facts, lambda _: LOOP.encode()), SourcePatch)
    both = patches_for([error, rate], facts, lambda _: LOOP.encode())
    assert [reason(one) for one in both][1] == f"{error.code} comes first, and may be its cause"


@pytest.mark.parametrize("kind", sorted(PATCHES))
def test_any_kind_on_any_line_is_a_program_again_or_a_reason(kind: str) -> None:
    programs = sorted((Path(__file__).parents[2] / "ward" / "fitting").glob("loop_*.py"))[::4]
    for path in programs:
        text = path.read_text()
        lines = [line for line in text.splitlines() if line.strip()]
        step = next((line for line in lines if ".step()" in line and lines.count(line) == 1), "nowhere")
        backward = next((line for line in lines if "backward(" in line and lines.count(line) == 1), "nowhere")
        chart = chart_of(text, step=step, backward=backward, made="nowhere")
        for line in range(1, text.count("\n") + 1, 3):
            finding = find_kind(kind).finding(where=Location(file=FILE, line=line))
            patch = patch_for(finding, chart, lambda _, text=text: text.encode())
            assert isinstance(patch, NoPatch) or ast.parse(patch.after)
