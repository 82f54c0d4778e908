"""What the server tells of runs: the numbers that were written, whatever state the folder is in."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from lab_server import LabServer, finding, plant, serving, step_line

from trainwright.errors import UsageError
from trainwright.lab.serve import Wishes, serve


def binary_series(text: bytes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    size = struct.unpack("<I", text[:4])[0]
    head, place = json.loads(text[4 : 4 + size]), 4 + size
    assert place % 8 == 0
    found = {}
    for each in head["series"]:
        numbers = np.frombuffer(text, "<f8", 2 * each["length"], place)
        found[each["tag"]] = numbers[: each["length"]], numbers[each["length"] :]
        place += 16 * each["length"]
    assert place == len(text)
    return found


def test_series_are_the_numbers_that_were_written_in_both_forms(lab: LabServer) -> None:
    losses = [2.3, 1.1, math.nan, math.inf, 0.4]
    plant(lab.folder / "forms", losses)
    path = f"/api/runs/{lab.run('forms')}/series?tag=loss&tag=rate&x=step"
    x, y = binary_series(lab.ask(path)[2])["loss"]
    assert x.tolist() == [0, 1, 2, 3, 4]
    assert y[[0, 1, 4]].tolist() == [2.3, 1.1, 0.4]
    assert np.isnan(y[2:4]).all()
    plain = lab.json(f"{path}&format=json")["series"][0]
    assert plain["y"] == [2.3, 1.1, "NaN", "NaN", 0.4]
    assert plain["lost"] == {"NaN": 1, "Infinity": 1, "-Infinity": 0}
    assert plain["first_lost"] == {"NaN": 2, "Infinity": 3, "-Infinity": None}


def test_series_over_epochs_and_over_seconds(lab: LabServer) -> None:
    plant(lab.folder / "axes", [1.0] * 21)
    path = f"/api/runs/{lab.run('axes')}/series?tag=loss&format=json"
    assert lab.json(f"{path}&x=epoch")["series"][0]["x"][-1] == 2.0
    assert lab.json(f"{path}&x=time")["series"][0]["x"][-1] == pytest.approx(0.21)
    assert lab.ask(f"{path}&x=nonsense")[0] == 400


@pytest.mark.parametrize("query", ["from=x&to=&px=-5", "px=1e99", "from=nan&to=nan", "smooth=-1", "tag=" + "a" * 3000])
def test_odd_questions_have_answers(lab: LabServer, query: str) -> None:
    if not (lab.folder / "odd").exists():
        plant(lab.folder / "odd")
    assert lab.ask(f"/api/runs/{lab.run('odd')}/series?tag=loss&{query}")[0] == 200


def test_an_unchanged_answer_is_not_sent_twice(lab: LabServer) -> None:
    plant(lab.folder / "tagged")
    path = f"/api/runs/{lab.run('tagged')}/series?tag=loss"
    tag = lab.ask(path)[1]["etag"]
    assert lab.ask(path, headers={"if-none-match": tag})[0] == 304
    with open(lab.folder / "tagged" / "metrics.jsonl", "a") as file:
        file.write(step_line(2, 0.1))
    assert lab.ask(path, headers={"if-none-match": tag})[0] == 200


@pytest.mark.parametrize("state", ["torn", "empty", "damaged", "newer", "no metrics", "odd head", "deleted"])
def test_a_folder_in_any_state_is_told_and_never_fails(lab: LabServer, state: str) -> None:
    folder = plant(lab.folder / f"state-{state}", [1.0, 0.5], outcome=None)
    name = f"state-{state}"
    identifier = lab.run(name)
    if state == "torn":
        with open(folder / "metrics.jsonl", "a") as file:
            file.write('nonsense\n{"record": "step", "st')
    elif state == "empty":
        (folder / "run.json").write_text("")
    elif state == "damaged":
        (folder / "run.json").write_text('{"schema": 1, "info"')
    elif state == "newer":
        (folder / "run.json").write_text('{"schema": 99, "info": {}}')
    elif state == "no metrics":
        (folder / "metrics.jsonl").unlink()
    elif state == "odd head":
        (folder / "run.json").write_text(json.dumps({"schema": 1, "info": {"settings": 3}, "findings": {"a": 1}}))
    else:
        shutil.rmtree(folder)
    for path in ("", "/tags", "/series?tag=loss", "/layers", "/findings", "/events?cursor=0"):
        code, _, text = lab.ask(f"/api/runs/{identifier}{path}")
        assert code == (404 if state == "deleted" else 200), (path, text)
    listed = {run["name"].split("/")[-1]: run for run in lab.json("/api/runs")["runs"]}
    if state in ("empty", "damaged", "newer"):
        assert listed[name]["status"] == "unreadable"
        assert listed[name]["problem"]
    if state == "torn":
        assert lab.json(f"/api/runs/{identifier}/tags")["torn"] == 1


def test_lines_that_no_parser_can_nest_or_hold_are_counted_and_the_rest_is_drawn(lab: LabServer) -> None:
    folder = plant(lab.folder / "nested", [1.0, 0.5])
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"a":' * 2000 + "\n" + '{"record": "eval", "step": 1%s, "split": "x", "loss": 1}\n' % ("0" * 400))
    told = lab.json(f"/api/runs/{lab.run('runs/nested')}/tags")
    assert told["torn"] == 2
    assert {each["tag"]: each["points"] for each in told["tags"]}["loss"] == 2


def test_only_the_columns_that_are_named_come_smoothed_too(lab: LabServer) -> None:
    plant(lab.folder / "soft", [3.0, 2.0, 1.0, 0.5])
    run = lab.run("runs/soft")
    asked = f"/api/runs/{run}/series?tag=loss&tag=rate&tag=epoch&smooth=2&format=json"
    for more, softened in (("", {"loss~", "rate~", "epoch~"}), ("&soft=loss&soft=rate", {"loss~", "rate~"})):
        tags = {each["tag"] for each in lab.json(asked + more)["series"]}
        assert {tag for tag in tags if tag.endswith("~")} == softened & {f"{tag}~" for tag in tags}
        assert "loss~" in tags


def test_the_page_hears_of_what_is_missing_without_an_error_in_its_console(lab: LabServer) -> None:
    code, headers, text = lab.ask("/api/runs/0123456789abcdef", headers={"x-trainwright-quiet": "1"})
    assert (code, headers["x-trainwright-status"]) == (200, "404")
    assert "there is no such run" in json.loads(text)["error"]["what"]


def test_an_address_that_somebody_typed_leads_to_the_page(lab: LabServer) -> None:
    code, headers, _ = lab.ask("/runs/first", headers={"sec-fetch-dest": "document"})
    assert (code, headers["location"]) == (307, "/#/nowhere")
    assert lab.ask("/runs/first")[0] == 404


def test_metrics_that_lack_steps_of_the_run_are_named_in_the_list(lab: LabServer) -> None:
    for name, text in (("emptied", b""), ("binary", bytes(range(256)) * 4)):
        (plant(lab.folder / name, [1.0, 0.5]) / "metrics.jsonl").write_bytes(text)
    shutil.copytree(plant(lab.folder / "stray", [1.0]), lab.folder / "strays" / "one")
    (lab.folder / "strays" / "one" / "run.json").unlink()
    told = lab.json("/api/runs")
    damage = {run["name"].split("/")[-1]: run["damage"] for run in told["runs"]}
    assert "no step can be read" in damage["emptied"]
    assert "no step can be read" in damage["binary"]
    assert damage["stray"] == ""
    assert {"name": "runs/strays/one", "why": "it has a metrics.jsonl, but no run.json"} in told["left_out"]


def test_a_finding_that_came_and_went_is_told_with_both_steps(lab: LabServer) -> None:
    folder = plant(lab.folder / "came-and-went")
    events = [
        {"time": 1.0, "step": 0, "name": "finding", "detail": finding(kind="plateau", severity="note")},
        {"time": 3.0, "step": 9, "name": "resolved", "detail": {"kind": "plateau"}},
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (gone,) = lab.json(f"/api/runs/{lab.run('came-and-went')}")["resolved"]
    assert (gone["finding"]["kind"], gone["found"], gone["gone"]) == ("plateau", 0, 9)


def test_what_was_edited_by_hand_is_left_out_and_the_rest_is_told(lab: LabServer) -> None:
    odd = [3, "x", {}, finding(severity="fatal"), finding(evidence="none"), finding(kind="kept")]
    folder = plant(lab.folder / "edited", findings=odd)
    checks = {"time": 1, "step": 0, "name": "verified", "detail": {"checks": [1, {"check": 3}]}}
    lines = [checks, {"name": "finding", "detail": 7}, {"name": "phase", "detail": None}, [], "text"]
    (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"record": "step", "step": "x", "seconds": "long"}\n')
    told = lab.json(f"/api/runs/{lab.run('runs/edited')}")
    assert [each["kind"] for each in told["findings"]] == ["kept"]
    assert told["checks"] == []
    assert told["steps"] == 2


def test_a_run_that_fell_silent_is_stalled_and_one_that_ended_is_not(lab: LabServer) -> None:
    for name, outcome in (("silent", None), ("ended", "finished"), ("fresh", None)):
        folder = plant(lab.folder / name, outcome=outcome)
        if name != "fresh":
            for path in folder.iterdir():
                os.utime(path, (time.time() - 60, time.time() - 60))
    listed = {run["name"].split("/")[-1]: run["status"] for run in lab.json("/api/runs")["runs"]}
    assert (listed["silent"], listed["ended"], listed["fresh"]) == ("stalled", "finished", "running")


def test_findings_of_a_run_that_goes_on_come_from_its_events(lab: LabServer) -> None:
    folder = plant(lab.folder / "going-on", outcome=None)
    events = [
        {"time": 1.0, "step": 3, "name": "finding", "detail": finding()},
        {"time": 2.0, "step": 4, "name": "finding", "detail": finding(kind="plateau", severity="note")},
        {"time": 3.0, "step": 9, "name": "resolved", "detail": {"kind": "plateau"}},
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"torn')
    identifier = lab.run("going-on")
    told = lab.json(f"/api/runs/{identifier}/findings")["findings"]
    assert [each["kind"] for each in told] == ["non-finite-loss"]
    assert told[0]["evidence"][0]["value"] == "NaN"
    first = lab.json(f"/api/runs/{identifier}/events?cursor=0")
    assert len(first["events"]) == 3
    assert lab.json(f"/api/runs/{identifier}/events?cursor={first['cursor']}")["events"] == []


def test_the_stream_tells_of_a_change_and_polling_tells_the_same(lab: LabServer) -> None:
    before = lab.json("/api/changes?since=0")["number"]
    plant(lab.folder / "changing")
    identifier = lab.run("changing")
    time.sleep(0.6)
    told = lab.json(f"/api/changes?since={before}")
    assert identifier in told["changed"]
    assert lab.json("/api/changes?since=99999")["all"] is True
    head = f"GET /api/stream?since={before} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-token-of-tests"
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5) as connection:
        connection.sendall(f"{head}-0123456789\r\n\r\n".encode())
        text = b""
        while identifier.encode() not in text:
            text += connection.recv(4096)
    assert b"event: changes" in text


def test_a_simulation_gives_the_number_that_torch_gives(lab: LabServer) -> None:
    from trainwright.lab.registry import simulate

    told = lab.json("/api/simulations/learning-rate/run", method="POST", body={"state": "1&rate=0.45"})
    own = simulate("learning-rate", {"rate": 0.45})
    assert told["state"] == "1&rate=0.45"
    assert [each["value"] for each in told["result"]["evidence"]] == [each.value for each in own.evidence]
    again = lab.json("/api/simulations/learning-rate/run", method="POST", body={"values": {"rate": 0.45}})
    assert again == told


def test_a_value_that_is_not_legal_is_refused_with_the_nearest(lab: LabServer) -> None:
    for body in ({"values": {"rate": 99}}, {"state": "1&rate=99"}, {"state": "7&rate=1"}, {"values": {"nonsense": 1}}):
        code, _, text = lab.ask("/api/simulations/learning-rate/run", method="POST", body=body)
        assert code == 422
        assert json.loads(text)["error"]["what"]
    assert lab.ask("/api/simulations/nonsense/run", method="POST", body={})[0] == 422


def test_a_thousand_runs_are_listed(tmp_path: Path) -> None:
    for number in range(1000):
        plant(tmp_path / "runs" / f"run-{number:04d}", [1.0])
    with serving(tmp_path / "runs") as server:
        assert len(server.json("/api/runs")["runs"]) == 1000


def test_a_busy_port_is_told_in_one_error_and_other_machines_need_a_token() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match=r"port \d+ of 127\.0\.0\.1 cannot be used"):
            serve(Wishes(port=taken.getsockname()[1], open_page=False), print)
    with pytest.raises(UsageError, match="can be reached from other machines"):
        serve(Wishes(host="0.0.0.0", open_page=False), print)
    with pytest.raises(UsageError, match="token cannot be used"):
        serve(Wishes(host="0.0.0.0", token="short", open_page=False), print)


def test_two_labs_at_once_print_their_addresses_first_and_end_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trainwright", "lab", "--no-open"]
    labs = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        addresses = [lab.stdout.readline().strip() for lab in labs if lab.stdout]
        assert len(set(addresses)) == 2
        for address in addresses:
            with urllib.request.urlopen(urllib.request.Request(address.replace("/?", "/api/runs?"))) as answer:
                assert json.loads(answer.read())["runs"] == []
    finally:
        for lab in labs:
            lab.send_signal(signal.SIGINT)
    for lab in labs:
        assert lab.wait(timeout=20) == 0
        assert lab.stderr is not None
        assert "Traceback" not in lab.stderr.read()
        lab.stderr.close()
        assert lab.stdout is not None
        lab.stdout.close()


def test_a_simulation_that_trains_streams_and_can_be_cancelled(lab: LabServer) -> None:
    body = json.dumps({"values": {"steps": 2000}}).encode()
    head = "POST /api/simulations/training-lottery/stream HTTP/1.1\r\nHost: localhost\r\nX-Trainwright-Lab: 1\r\n"
    head += "Authorization: Bearer a-token-of-tests-0123456789\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", lab.port), timeout=60) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        text = b""
        while b'"result"' not in text:
            text += connection.recv(65536)
        job = text.split(b'"job":"')[1].split(b'"')[0].decode()
        assert lab.json(f"/api/jobs/{job}/cancel", method="POST", body={}) == {"cancelled": True}
        while piece := connection.recv(65536):
            text += piece
    last = json.loads(text.split(b"\r\n")[-4].split(b"\n")[0]) if text.endswith(b"0\r\n\r\n") else {}
    assert "error" not in last
    assert lab.ask(f"/api/jobs/{job}/cancel", method="POST", body={})[0] == 404


def test_a_report_is_one_file_that_asks_nothing_and_writes_nothing(lab: LabServer) -> None:
    folder = plant(lab.folder / "reported", [2.0, 1.0])
    before = {path.name for path in folder.iterdir()}
    code, headers, page = lab.ask(f"/api/runs/{lab.run('runs/reported')}/report")
    assert code == 200
    assert headers["content-disposition"] == 'attachment; filename="reported.html"'
    assert "sandbox" in headers["content-security-policy"]
    assert b"<script" not in page
    assert {path.name for path in folder.iterdir()} == before


def test_a_remedy_becomes_a_new_recipe_and_its_difference(lab: LabServer) -> None:
    lower = {"text": "lower the learning rate", "change": {"optimizer.lr": 0.01}}
    folder = plant(lab.folder / "patched", findings=[finding(remedies=[lower, {"text": "look", "change": None}])])
    (folder / "recipe.toml").write_text('[data]\nsource = "digits"\n[optimizer]\nlr = 3.0\n')
    path = f"/api/runs/{lab.run('runs/patched')}/patched"
    made = lab.json(path, method="POST", body={"finding": 0, "remedy": 0})
    assert "-lr = 3.0" in made["difference"]
    assert "+lr = 0.01" in made["difference"]
    assert (folder / "recipe.toml").read_text().count("3.0") == 1
    for wrong in ({"finding": 0, "remedy": 1}, {"finding": 9, "remedy": 0}, {}, {"finding": "x", "remedy": []}):
        assert lab.ask(path, method="POST", body=wrong)[0] == 400


def test_the_nearest_record_is_answered_by_the_server(lab: LabServer) -> None:
    plant(lab.folder / "looks", [2.3] * 40)
    told = lab.json(f"/api/runs/{lab.run('looks')}/nearest")
    assert told["nearest"][0]["distance"] <= told["nearest"][1]["distance"]
    status, _, text = lab.ask(f"/api/runs/{lab.run('looks')}/weights")
    assert (status, b"kept no weights" in text) == (422, True)
    status, _, text = lab.ask(f"/api/runs/{lab.run('looks')}/curvature")
    assert (status, b"cannot be built again" in text) == (422, True)
