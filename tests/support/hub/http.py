"""HTTP for the small Hub of the tests: requests read whole, answers with ranges, and the faults of the day."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.support.hub.faults import Fault
from tests.support.hub.repositories import HubError

if TYPE_CHECKING:
    from tests.support.hub.server import HubServer

NO_FAULT = Fault("*")


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets `answer` answer it, and turns a `HubError` into what the Hub sends."""

    protocol_version = "HTTP/1.1"
    fault = NO_FAULT

    @property
    def hub(self) -> HubServer:
        return self.server.hub  # type: ignore[attr-defined]

    def answer(self, method: str, path: str, query: dict[str, list[str]]) -> None:
        raise NotImplementedError

    def _handle(self) -> None:
        method, parts = self.command, urlsplit(self.path)
        self.body = self._read_body()
        with self.hub.lock:
            self.hub.requests[method, parts.path] += 1
        self.fault = self.hub.fault_for(method, parts.path) or NO_FAULT
        try:
            if self.fault.status is not None:
                raise HubError(self.fault.status, "The tests want it so", self.fault.code)
            self.answer(method, parts.path, parse_qs(parts.query))
        except HubError as error:
            self.send_json({"error": error.message}, error.status, self._error_headers(error))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def _error_headers(self, error: HubError) -> dict[str, str]:
        headers = {"X-Error-Message": error.message}
        if error.code:
            headers["X-Error-Code"] = error.code
        return headers

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else None

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise HubError(400, "The body is not JSON") from None

    def send_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        # As a portal does that wants a login first, and says so in HTML.
        content = json.dumps(value).encode() if self.fault.swapped is None else self.fault.swapped
        if self.fault.stall and not self.hub.closing.is_set():
            self.hub.closing.wait(self.fault.stall)
        self._send_head(status, {"Content-Type": "application/json", **(headers or {})}, len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_file(self, name: str, content: bytes, headers: dict[str, str]) -> None:
        """Send a file's content, the range of it that was asked for, or what the fault leaves of it."""
        sent = self.fault.spoil(content)
        start, status = 0, 200
        headers = {"Accept-Ranges": "bytes", **headers}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, status = int(match[1]), 206
            if start >= len(sent):
                headers["Content-Range"] = f"bytes */{len(sent)}"
                return self.send_json({"error": "Range Not Satisfiable"}, 416, headers)
            end = min(int(match[2] or len(sent) - 1), len(sent) - 1) + 1
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(sent)}"
        else:
            end = len(sent)
        self._send_head(status, headers, end - start)
        if self.command == "HEAD":
            return None
        with self.hub.lock:
            self.hub.downloads[name] += 1
        half = max(start, len(sent) // 2)
        self._send_body(sent[start : min(half, end)])
        if self.fault.cut:
            self.close_connection = True
            return None
        if self.fault.stall:
            self.hub.closing.wait(self.fault.stall)
        self._send_body(sent[half:end])
        return None

    def _send_head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(key, value)
        self.end_headers()

    def _send_body(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()
        with self.hub.lock:
            self.hub.bytes_served += len(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the requests are counted."""
