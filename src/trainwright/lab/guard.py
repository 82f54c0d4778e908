"""Who may ask: this machine's own page with the token, and nobody else. It stands before every route and every method.

A page of another site can make a browser send requests to this server (and by a name of its own that resolves to this
machine, read the answers): so the host and the origin must be ours, on every method, and a token must come along that
only the terminal has shown.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}
QUIET_HEADER = b"x-trainwright-quiet"
STATUS_HEADER = b"x-trainwright-status"
ASKED_HEADER = b"x-trainwright-lab"
"""A header that only a script of our own origin can send; without it nothing but reading is answered."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """Answers 403 before any routing, or lets a request through and puts the safe headers on its answer."""

    def __init__(self, app: ASGIApp, *, token: str, port: int, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token
        self._port = port
        self._hosts = hosts | LOOPBACK
        # Browsers send a cookie to every port of a host: two labs must not take each other's.
        self._cookie = f"trainwright-lab-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # a web socket is opened nowhere
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.get("token", [""])[0]
        refusal = self._refusal(scope["method"], headers) or self._stranger(headers, given)
        if refusal:
            await _answer(send, 403, refusal, scope["method"])
        elif given and scope["method"] == "GET" and scope["path"] == "/":
            await self._welcome(send, query)
        else:
            send = _with_headers(send)
            await self._app(scope, receive, _quietly(send) if headers.get(QUIET_HEADER) else send)

    def _refusal(self, method: str, headers: Mapping[bytes, list[bytes]]) -> str:
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or not self._is_ours(hosts[0].decode("latin-1")):
            return "This host name is not the lab's own."
        origins = [origin.decode("latin-1") for origin in headers.get(b"origin", [])]
        if any(not self._is_own_origin(origin, hosts[0].decode("latin-1")) for origin in origins):
            return "This request comes from another origin."
        site = headers.get(b"sec-fetch-site", [b"none"])[0]
        mode = headers.get(b"sec-fetch-mode", [b"cors"])[0]
        if site not in (b"none", b"same-origin") and mode != b"navigate":
            return "This request comes from another site."
        if method not in ("GET", "HEAD"):
            kind = headers.get(b"content-type", [b""])[0].partition(b";")[0].strip().lower()
            if method != "POST" or kind != b"application/json" or headers.get(ASKED_HEADER) != [b"1"]:
                return "Only the lab's own page may ask for this."
        return ""

    def _is_ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname, parts.port
        except ValueError:
            return False
        plain = not parts.path and not parts.query and not parts.fragment and parts.username is None
        return plain and name in self._hosts and port in (self._port, None)

    def _is_own_origin(self, origin: str, host: str) -> bool:
        # A proxy in front of a lab that is reached from other machines may speak https.
        return origin in (f"http://{host}", f"https://{host}")

    def _stranger(self, headers: Mapping[bytes, list[bytes]], given: str) -> str:
        cookies: list[str] = []
        for line in headers.get(b"cookie", []):
            try:
                parsed = SimpleCookie(line.decode("latin-1"))
            except CookieError:
                continue
            if self._cookie in parsed:
                cookies.append(parsed[self._cookie].value)
        bearer = headers.get(b"authorization", [b""])[0].decode("latin-1")
        if bearer.startswith("Bearer "):
            cookies.append(bearer.removeprefix("Bearer "))
        known = any(self._is_token(each) for each in (given, *cookies))
        return "" if known else "Open the whole address that `trainwright lab` printed: its token is missing or old."

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", errors="replace"), self._token.encode())

    async def _welcome(self, send: Send, query: Mapping[str, list[str]]) -> None:
        """Put the token from the address into a cookie, and the reader on an address without it."""
        rest = urlencode([(name, value) for name, values in query.items() if name != "token" for value in values])
        headers = [
            (b"location", b"/" + (f"?{rest}".encode() if rest else b"")),
            (b"set-cookie", f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict".encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await _with_headers(send)({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _quietly(send: Send) -> Send:
    """Answer 200 and tell the status in a header: a browser writes every other one into its console as an error."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            told = (STATUS_HEADER, str(message["status"]).encode())
            message = {**message, "status": 200, "headers": [*message.get("headers", []), told]}
        await send(message)

    return answer


def _with_headers(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", [])}
            added = [(name, value) for name, value in _HEADERS.items() if name not in own]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return answer


async def _answer(send: Send, status: int, text: str, method: str) -> None:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
