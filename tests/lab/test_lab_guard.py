"""Nobody but this machine's own page with the token is answered, whatever the method, and no path leads out."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from lab_server import TOKEN, LabServer, plant

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
SECRET = "a sentence that must never leave this machine"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def request(lab: LabServer, method: str = "GET", path: str = "/api/runs", **headers: str | None) -> bytes:
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{lab.port}", "Authorization": f"Bearer {TOKEN}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}\r\n" for name, value in sent.items() if value is not None]
    return lab.raw(f"{method} {path} HTTP/1.1\r\n{''.join(lines)}Connection: close\r\n\r\n".encode())


@pytest.mark.parametrize("method", METHODS)
def test_a_foreign_host_name_is_refused_with_every_method_and_origin(lab: LabServer, method: str) -> None:
    hosts = (
        "evil.example",
        f"evil.example:{lab.port}",
        "",
        "127.0.0.1:1",
        "127.0.0.1.evil.example",
        "[::2]",
        "0.0.0.0",
    )
    origins = (None, "http://evil.example", "null", f"http://127.0.0.1:{lab.port}")
    for host, origin in itertools.product(hosts, origins):
        assert status(request(lab, method, Host=host, Origin=origin)) in (400, 403), (host, origin)


@pytest.mark.parametrize("method", METHODS)
def test_a_foreign_origin_is_refused_with_every_method(lab: LabServer, method: str) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"http://localhost.evil:{lab.port}"):
        assert status(request(lab, method, Origin=origin)) == 403


def test_the_own_names_are_answered(lab: LabServer) -> None:
    for host in (f"127.0.0.1:{lab.port}", f"localhost:{lab.port}", f"[::1]:{lab.port}", "localhost"):
        assert status(request(lab, Host=host)) == 200
        assert status(request(lab, Host=host, Origin=f"http://{host}")) == 200


def test_without_the_token_nothing_is_answered(lab: LabServer) -> None:
    for path in ("/", "/api/runs", "/api/simulations", "/api/stream", "/icon.svg", "/nowhere"):
        assert status(request(lab, path=path, Authorization=None)) == 403
        assert status(request(lab, path=path, Authorization="Bearer wrong")) == 403
        assert status(request(lab, path=f"{path}?token={TOKEN[:-1]}", Authorization=None)) == 403


def test_the_token_in_the_address_becomes_a_strict_cookie_of_this_port(lab: LabServer) -> None:
    answer = request(lab, path=f"/?token={TOKEN}", Authorization=None)
    assert status(answer) == 303
    assert b"location: /\r\n" in answer.lower()
    cookie = next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"set-cookie"))
    assert f"trainwright-lab-{lab.port}=".encode() in cookie
    assert b"HttpOnly" in cookie
    assert b"SameSite=Strict" in cookie
    given = cookie.split(b": ", 1)[1].split(b";")[0].decode()
    assert status(request(lab, Authorization=None, Cookie=given)) == 200
    assert status(request(lab, Authorization=None, Cookie=given.replace(str(lab.port), "1"))) == 403


def test_only_a_script_of_the_own_page_can_make_the_lab_compute(lab: LabServer) -> None:
    path = "/api/simulations/learning-rate/run"
    good = {"Content_Type": "application/json", "X_Trainwright_Lab": "1", "Content_Length": "0"}
    for broken in (
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"X_Trainwright_Lab": None},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert status(request(lab, "POST", path, **{**good, **broken})) == 403
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert status(request(lab, method, path, **good)) == 403


def test_every_answer_carries_the_strict_headers(lab: LabServer) -> None:
    for path in ("/", "/api/runs", "/nowhere"):
        for answer in (request(lab, path=path), request(lab, path=path, Host="evil.example")):
            head = answer.split(b"\r\n\r\n")[0].decode().lower()
            assert "default-src 'none'" in head
            assert "unsafe" not in head
            assert "frame-ancestors 'none'" in head
            assert "x-content-type-options: nosniff" in head
            assert "access-control-allow" not in head


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/%2e%2e/secret",
        "/%252e%252e/secret",
        "/..%5csecret",
        "/..%2fsecret",
        "//secret",
        "/secret%00.css",
        "/api/runs/../../secret",
        "/api/runs/%2e%2e%2fsecret",
        "/api/runs/..%2f..%2fsecret/events",
        "/api/runs/%2fetc%2fpasswd/tags",
        "/api/studies/..%2fsecret",
        "/api/runs/{id}/events?cursor=../secret",
        "/api/runs/{id}/report?folder=../secret2",
        "/{absolute}",
    ],
)
def test_no_path_leads_out_of_the_table_of_runs(lab: LabServer, path: str) -> None:
    root = lab.folder.parent
    if not (lab.folder / "inside").exists():
        plant(lab.folder / "inside")
        (root / "secret").write_text(SECRET)
        plant(root / "runs2" / "beside", title=SECRET)
    asked = path.format(id="inside", absolute=root / "secret")
    answer = request(lab, path=asked)
    assert status(answer) in (400, 404)
    assert SECRET.encode() not in answer


def test_a_run_with_a_link_among_its_files_is_not_shown(lab: LabServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret.toml"
    secret.write_text(SECRET)
    planted = plant(lab.folder / "linked")
    (planted / "recipe.toml").symlink_to(secret)
    outside = plant(tmp_path / "outside", title=SECRET)
    (lab.folder / "link-to-a-run").symlink_to(outside)
    text = lab.ask("/api/runs")[2].decode()
    told = json.loads(text)
    assert not any(run["name"].endswith("linked") for run in told["runs"])
    assert {"name": "runs/linked", "why": "its recipe.toml is a link"} in told["left_out"]
    assert SECRET not in text


def test_a_simulation_takes_no_folder_but_that_of_a_run_on_the_shelf(lab: LabServer, tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere")
    for given in (str(tmp_path / "elsewhere"), "../elsewhere", "/etc"):
        for body in ({"values": {"folder": given}},):
            code, _, text = lab.ask("/api/simulations/loss-landscape/run", method="POST", body=body)
            assert code == 422
            assert b"no such run" in text


def test_garbage_is_answered_and_the_server_stays_up(lab: LabServer) -> None:
    for body in (b"", b"[]", b'"x"', b"{" * 3000, b'{"values": 3}'):
        head = f"POST /api/simulations/learning-rate/run HTTP/1.1\r\nHost: 127.0.0.1:{lab.port}\r\n"
        head += f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nX-Trainwright-Lab: 1\r\n"
        answer = lab.raw(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        assert status(answer) in (200, 422)
    lab.raw(b"\x00\xff" * 100 + b"\r\n\r\n")
    assert lab.ask("/api/runs")[0] == 200


def test_only_a_search_on_the_shelf_can_be_named(lab: LabServer, tmp_path: Path) -> None:
    for named in (str(tmp_path), "../one", "0" * 16):
        status, _, text = lab.ask(
            "/api/simulations/grid-vs-random/run", method="POST", body={"values": {"study": named}}
        )
        assert (status, b"no such search" in text) == (422, True)
