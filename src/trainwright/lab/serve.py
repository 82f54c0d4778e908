"""Starts the lab: a port, an address with a token as the first line, a browser where one is wanted, and a clean end."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainwright.errors import UsageError
from trainwright.lab.shelf import Root, default_roots

PORT = 7447
"""The port where none is asked for; where it is busy, whichever is free."""
SHORTEST_TOKEN = 16


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user asked of the lab. A port of None asks for the usual one or another, 0 for any."""

    folders: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int | None = None
    token: str = ""
    open_page: bool = True
    cache: Path | None = None


def serve(wishes: Wishes, say: Callable[[str], None]) -> None:
    """Serve until it is interrupted; `say` is given the address first. Raises `UsageError`."""
    try:
        import uvicorn

        from trainwright.lab.server import Settings, make_lab
    except ImportError as problem:
        raise UsageError(
            "the lab's server is not installed",
            evidence=str(problem),
            remedy="install it with: pip install 'trainwright[lab]'",
        ) from None
    _check(wishes)
    token = wishes.token or secrets.token_urlsafe(24)
    with contextlib.closing(_bound(wishes)) as listening:
        port = int(listening.getsockname()[1])
        shown = "127.0.0.1" if _is_any(wishes.host) else wishes.host
        address = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}"
        settings = Settings(
            roots=tuple(Root(folder=folder) for folder in wishes.folders) or default_roots(Path.cwd()),
            token=token,
            port=port,
            hosts=_hosts(wishes.host),
            cache=wishes.cache,
        )
        lab = make_lab(settings)
        config = uvicorn.Config(
            lab.app,
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=1 << 16,
        )
        server = uvicorn.Server(config)
        lab.runs.is_over = lambda: server.should_exit  # streams end by themselves, or the server would wait for them
        say(address)
        sys.stdout.flush()
        if wishes.open_page:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


def _check(wishes: Wishes) -> None:
    for folder in wishes.folders:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}", remedy="name a folder that holds runs, or is one")
    if wishes.token and (
        len(wishes.token) < SHORTEST_TOKEN or not wishes.token.isascii() or not _is_plain(wishes.token)
    ):
        raise UsageError(
            "the token cannot be used",
            evidence=f"it has {len(wishes.token)} characters",
            remedy=f"give at least {SHORTEST_TOKEN} letters, digits, - or _",
        )
    if not _is_loopback(wishes.host) and not wishes.token:
        raise UsageError(
            f"{wishes.host} can be reached from other machines",
            evidence="whoever reaches the lab may read the runs and make this machine compute",
            remedy="give a token of your own with --token, or leave --host away and forward the port: ssh -L",
        )


def _bound(wishes: Wishes) -> socket.socket:
    """Return a socket that listens nowhere else and belongs to this process alone."""
    wanted = PORT if wishes.port is None else wishes.port
    try:
        return _listen(wishes.host, wanted)
    except OSError as problem:
        if wishes.port is None:
            with contextlib.suppress(OSError):
                return _listen(wishes.host, 0)
        raise UsageError(
            f"port {wanted} of {wishes.host} cannot be used",
            evidence=problem.strerror or str(problem),
            remedy="choose another --port, or 0 for any that is free",
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let a second lab take the first one's port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def _is_plain(token: str) -> bool:
    return all(character.isalnum() or character in "-_" for character in token)


def _hosts(host: str) -> frozenset[str]:
    """Return the names by which this machine may be asked for, beside those of the loopback."""
    if not _is_any(host):
        return frozenset({host.lower()})
    name = socket.gethostname()
    names = {name.lower(), socket.getfqdn().lower()}
    with contextlib.suppress(OSError):
        names |= {str(facts[4][0]) for facts in socket.getaddrinfo(name, None)}
    return frozenset(names)
