from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from foreign_files import held, losses, noted, put, read, steps
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from trainwright.errors import RunError, UsageError
from trainwright.runs.foreign import find_logs, read_log
from trainwright.runs.foreign_columns import read_choice, recognised

SHARED = profile(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.floats(allow_nan=False, width=64)


def same(left: list[float], right: list[float]) -> bool:
    """Equal, NaN equal to NaN."""
    pairs = zip(left, right, strict=True)
    return all(one == other or (math.isnan(one) and math.isnan(other)) for one, other in pairs)


def refusal(path: Path) -> RunError | None:
    """Return the error that reading gave; any other exception is one too many."""
    try:
        read(path)
    except RunError as problem:
        return problem if problem.evidence else RunError("no evidence was given")
    return None


@given(values=st.lists(st.one_of(NUMBERS, st.just(math.inf)), min_size=2, max_size=40), place=st.integers(0, 3))
@SHARED
def test_a_table_keeps_every_number_whatever_separates_its_cells(
    values: list[float], place: int, tmp_path: Path
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=",;\t|"[place], lineterminator="\n")
    writer.writerow(["step", "train/loss"])
    writer.writerows([index * 5, repr(value)] for index, value in enumerate(values))
    run = read(put(tmp_path / "log.csv", text.getvalue()))
    assert losses(run) == values
    assert steps(run) == [index * 5 for index in range(len(values))]


@given(values=st.lists(NUMBERS, min_size=2, max_size=20), lost=st.integers(0, 20))
@SHARED
def test_nan_and_infinity_are_kept_as_they_are_the_finding(values: list[float], lost: int, tmp_path: Path) -> None:
    wanted = [*values, *[math.nan] * min(lost, len(values))]
    lines = "".join(f"{index},{value}\n" for index, value in enumerate(wanted))
    assert same(losses(read(put(tmp_path / "log.csv", "step,loss\n" + lines))), wanted)
    rows = "".join(json.dumps({"step": index, "loss": value}) + "\n" for index, value in enumerate(wanted))
    assert same(losses(read(put(tmp_path / "log.jsonl", rows))), wanted)


@given(junk=st.binary(max_size=300))
@SHARED
def test_any_bytes_are_read_or_refused_with_a_clear_error(junk: bytes, tmp_path: Path) -> None:
    path = put(tmp_path / "log.bin", junk)
    assert refusal(path) is None or "log.bin" in str(refusal(path))


@given(text=st.text(max_size=200))
@SHARED
def test_any_text_is_read_or_refused_with_a_clear_error(text: str, tmp_path: Path) -> None:
    for name, start in (("log.csv", "loss,step\n1,2\n"), ("log.jsonl", '{"loss": 1}\n')):
        path = put(tmp_path / name, (start + text).encode("utf-8", errors="replace"))
        assert refusal(path) is None or name in str(refusal(path))


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("epoch,loss,accuracy,val_loss,val_accuracy", ("epoch", "loss", "val_loss", "accuracy", "val_accuracy")),
        ("Step,trainLoss,validLoss,trainAcc,validAcc", ("Step", "trainLoss", "validLoss", "trainAcc", "validAcc")),
        ("iter;train loss;dev loss;train acc;dev acc", ("iter", "train loss", "dev loss", "train acc", "dev acc")),
        ("it\tLoss/train\tLoss/test\tAcc/train\tAcc/test", ("it", "Loss/train", "Loss/test", "Acc/train", "Acc/test")),
        ("global_step,trainloss,valloss,train_top1,val_top1", ("global_step", "trainloss", "valloss", None, None)),
    ],
)
def test_the_usual_names_are_understood(header: str, roles: tuple[str | None, ...], tmp_path: Path) -> None:
    separator = next(each for each in ",;\t" if each in header)
    body = "".join(separator.join(str(row + column / 10) for column in range(5)) + "\n" for row in range(3))
    run = read(put(tmp_path / "log.csv", header + "\n" + body.replace(".0", "")))
    wanted = (roles[0], roles[1], roles[2])
    axis = "epoch" if header.startswith("epoch") else "step"
    assert (run.columns[axis], run.columns["train_loss"], run.columns["val_loss"]) == wanted
    if roles[3] is not None:
        assert (run.columns["train_accuracy"], run.columns["val_accuracy"]) == roles[3:]
    assert noted(run, f"took '{roles[1]}' for the training loss")


def test_of_several_losses_the_first_is_taken_and_the_others_are_named() -> None:
    counts = dict.fromkeys(["epoch", "train/box_loss", "train/cls_loss", "val/cls_loss", "val/box_loss"], 9)
    columns = recognised(counts, {})
    assert columns.roles["train_loss"] == "train/box_loss"
    assert columns.roles["val_loss"] == "val/box_loss"
    [remark] = [remark for remark in columns.remarks if "training loss" in remark]
    assert remark.endswith("'train/cls_loss' would do too: --columns train_loss=...")


def test_a_total_goes_before_its_parts_and_the_dense_column_before_the_sparse() -> None:
    assert recognised({"loss_cls": 9, "loss": 9, "loss_box": 9}, {}).roles["train_loss"] == "loss"
    assert recognised({"train_loss_epoch": 5, "train_loss_step": 90}, {}).roles["train_loss"] == "train_loss_step"
    assert recognised({"loss": 90, "train_loss": 1}, {}).roles["train_loss"] == "loss"  # Hugging Face's last row


def test_the_users_word_goes_before_any_guess(tmp_path: Path) -> None:
    path = put(tmp_path / "log.csv", "a,b,loss\n1,5,9\n2,4,9\n")
    run = read(path, **read_choice(["loss=b,step=a"]))
    assert (steps(run), losses(run)) == ([1, 2], [5.0, 4.0])
    assert "step" not in read(path, **read_choice(["step="])).columns


@pytest.mark.parametrize(
    ("given", "words"),
    [("loss", "says of no column"), ("train_los=a", "did you mean 'train_loss'"), ("loss=c", "has no column 'c'")],
)
def test_a_choice_that_names_nothing_is_wrong_usage(given: str, words: str, tmp_path: Path) -> None:
    path = put(tmp_path / "log.csv", "a,b\n1,5\n2,4\n")
    with pytest.raises(UsageError) as refused:
        read(path, **read_choice([given]))
    assert words in str(refused.value)


def test_losses_of_a_pair_and_of_rewards_are_not_expected_to_fall() -> None:
    assert "pair" in recognised({"Loss_D": 9, "Loss_G": 9}, {}).moving
    assert "rewards" in recognised({"loss": 9, "ep_rew_mean": 9}, {}).moving
    assert recognised({"loss": 9, "val_loss": 9}, {}).moving == ""


def test_cells_that_are_no_numbers_are_named_by_line_and_left_out(tmp_path: Path) -> None:
    run = read(put(tmp_path / "log.csv", "step,loss\n0,2.5\n1,oops\n2,\n3,tensor(1.5, device='cuda:0')\n4,90%\n"))
    assert (steps(run), losses(run)) == ([0, 3, 4], [2.5, 1.5, 90.0])
    assert noted(run, "'oops' in line 3")


def test_a_table_without_a_header_is_taken_as_steps_and_losses(tmp_path: Path) -> None:
    run = read(put(tmp_path / "log.txt", "2.5\n2.0\n1.5\n"))
    assert (steps(run), losses(run)) == ([0, 1, 2], [2.5, 2.0, 1.5])
    assert noted(run, "there is no header")
    with pytest.raises(RunError, match="--columns train_loss=COLUMN"):
        read(put(tmp_path / "two.txt", "0 2.5\n1 2.0\n"))
    run = read(tmp_path / "two.txt", step="column 1", train_loss="column 2")
    assert (steps(run), losses(run)) == ([0, 1], [2.5, 2.0])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_marks_of_other_systems_are_understood(encoding: str, tmp_path: Path) -> None:
    text = "Schritt;Loss\r\n0;2,5\r\n1;1,5\r\n".encode(encoding)
    assert losses(read(put(tmp_path / "log.csv", text))) == [2.5, 1.5]


def test_a_column_that_names_the_split_makes_two_curves(tmp_path: Path) -> None:
    rows = "".join(f"{epoch},{phase},{1 / (epoch + 1)},0.5\n" for epoch in range(3) for phase in ("train", "val"))
    run = read(put(tmp_path / "log.csv", "epoch,phase,loss,acc\n" + rows))
    assert losses(run) == [1.0, 0.5, 1 / 3]
    assert held(run) == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert run.chart.info.metric == "accuracy"


def test_rows_of_name_and_value_become_columns(tmp_path: Path) -> None:
    text = "step,metric,value\n0,loss,2\n0,val_loss,3\n1,loss,1\n"
    assert losses(read(put(tmp_path / "log.csv", text))) == [2.0, 1.0]


def test_steps_that_begin_again_in_each_epoch_are_counted_on(tmp_path: Path) -> None:
    rows = "".join(f"{epoch},{batch},{9 - epoch}\n" for epoch in range(3) for batch in range(4))
    run = read(put(tmp_path / "log.csv", "epoch,batch,loss\n" + rows))
    assert steps(run) == list(range(12))
    assert noted(run, "begins again in every epoch")
    assert [record.epoch for record in run.chart.steps] == [0] * 4 + [1] * 4 + [2] * 4


def test_what_a_restart_logged_again_replaces_what_was_there(tmp_path: Path) -> None:
    rows = [(step, 10 - step) for step in range(6)] + [(step, 100 - step) for step in range(4, 8)]
    run = read(put(tmp_path / "log.csv", "step,loss\n" + "".join(f"{step},{loss}\n" for step, loss in rows)))
    assert steps(run) == list(range(8))
    assert losses(run) == [10, 9, 8, 7, 96, 95, 94, 93]
    assert noted(run, "begins again at step 4 after 5 (a restart)")


def test_epochs_stand_for_steps_where_nothing_counts_them(tmp_path: Path) -> None:
    run = read(put(tmp_path / "log.csv", "epoch,loss,val_loss\n1,3,4\n2,2,3\n3,1,2\n"))
    assert steps(run) == [1, 2, 3]
    assert held(run) == [(1, 4.0), (2, 3.0), (3, 2.0)]
    assert noted(run, "a step is an epoch here")


def test_evaluations_numbered_by_epoch_are_spread_over_the_steps(tmp_path: Path) -> None:
    rows = "".join(f"{step},{9 - step / 100},\n" for step in range(500)) + "".join(f"{n},,{5 - n}\n" for n in range(5))
    run = read(put(tmp_path / "log.csv", "step,loss,val_loss\n" + rows))
    assert [step for step, _ in held(run)] == [100, 200, 299, 399, 499]
    assert noted(run, "are taken for epochs")


def test_nan_between_numbers_is_taken_for_not_measured_and_nan_at_the_end_is_not(tmp_path: Path) -> None:
    rows = "".join(f"{step},1,{step if step % 10 == 9 else 'nan'}\n" for step in range(30))
    run = read(put(tmp_path / "log.csv", "step,loss,val_loss\n" + rows))
    assert held(run) == [(9, 9.0), (19, 19.0), (29, 29.0)]
    assert noted(run, "is taken for 'not measured'")


def test_cells_that_stay_empty_at_the_end_are_remarked(tmp_path: Path) -> None:
    rows = "".join(f"{step},{1 if step < 20 else ''},0.1\n" for step in range(30))
    assert noted(read(put(tmp_path / "log.csv", "step,loss,lr\n" + rows)), "empty in the last 10 rows")


def test_lightnings_sparse_rows_and_hyperparameters_are_joined(tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "version_0"
    put(folder / "hparams.yaml", "model:\n  width: 64\nlearning_rate: 0.01  # fast\nname: 'x'\n")
    rows = ["epoch,lr-Adam,step,train_loss_epoch,train_loss_step,val_acc,val_loss"]
    for step in range(9, 100, 10):
        rows += [f"{step // 50},,{step},,{1 / step},,", f",0.01,{step},,,,"]
        rows += [f"{step // 50},,{step},,,81.5,{2 / step}"] if step % 50 == 49 else []
    run = read(put(folder / "metrics.csv", "\n".join(rows) + "\n").parent.parent.parent)
    assert run.form == "Lightning's CSV log"
    assert steps(run) == list(range(9, 100, 10))
    assert {record.rate for record in run.chart.steps} == {0.01}
    assert held(run) == [(49, 2 / 49), (99, 2 / 99)]
    assert run.chart.evaluations("validation")[0].metrics == {"accuracy": 0.815}
    setting = run.chart.info.settings["optimizer.lr"]
    assert (setting.value, setting.where.line if setting.where else None) == (0.01, 3)


def test_the_newest_state_of_a_hugging_face_trainer_is_read(tmp_path: Path) -> None:
    for end in (20, 100):
        history = [{"step": step, "epoch": step / 50, "loss": 3 / step, "grad_norm": 1.5} for step in range(5, end, 5)]
        history += [{"step": 50, "eval_loss": 2.0, "eval_accuracy": 0.4}, {"step": end, "train_loss": 9.0}]
        state = {"global_step": end, "max_steps": 100, "log_history": history}
        put(tmp_path / f"checkpoint-{end}" / "trainer_state.json", json.dumps(state))
    run = read(tmp_path)
    assert run.columns["train_loss"] == "loss"
    assert steps(run) == list(range(5, 100, 5))
    assert held(run) == [(50, 2.0)]
    assert run.chart.steps[0].gradient_norm == 1.5


def test_json_of_columns_of_records_and_of_modes_is_read(tmp_path: Path) -> None:
    keras = {"loss": [3, 2, 1], "val_loss": [4.0, 3.0, 3.5]}
    run = read(put(tmp_path / "history.json", json.dumps({"history": keras})))
    assert (losses(run), held(run)) == ([3.0, 2.0, 1.0], [(0, 4.0), (1, 3.0), (2, 3.5)])
    modes = [{"mode": "train", "iter": 1, "loss": 3}, {"mode": "val", "iter": 1, "loss": 4}]
    run = read(put(tmp_path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in modes) + '{"mode": "tr'))
    assert (losses(run), held(run)) == ([3.0], [(1, 4.0)])
    assert noted(run, "1 of 3 lines are no JSON objects")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\n\n  \n", "it is empty"),
        (b"step,loss\n", "no line of it holds a number"),
        (bytes(range(256)) * 20, "its bytes are no text"),
        (b"step,temperature\n0,1\n", "no column of"),
        (b"{}", "no record with a number"),
        (b"[" * 100_000, "no record with a number"),
    ],
)
def test_what_holds_no_loss_is_refused_with_the_reason(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as refused:
        read(put(tmp_path / "log.csv", content))
    assert words in f"{refused.value.what} {refused.value.evidence}"


def test_every_log_of_a_folder_is_found_and_what_is_none_is_not(tmp_path: Path) -> None:
    put(tmp_path / "b" / "log.csv", "step,loss\n0,1\n")
    put(tmp_path / "a" / "log.jsonl", '{"loss": 1}\n')
    put(tmp_path / "a" / "notes.md", "loss")
    put(tmp_path / ".hidden" / "log.csv", "step,loss\n0,1\n")
    (tmp_path / "latest").symlink_to(tmp_path / "a")
    logs = find_logs(tmp_path)
    assert [log.source.relative_to(tmp_path).as_posix() for log in logs] == ["a/log.jsonl", "b/log.csv"]
    assert all(losses(read_log(log, {})) == [1.0] for log in logs)
    with pytest.raises(RunError, match="there is no log in"):
        find_logs(put(tmp_path / "none" / "x.md", "x").parent)
    with pytest.raises(RunError, match="there is no log"):
        find_logs(tmp_path / "nowhere")
