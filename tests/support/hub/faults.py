"""What the small Hub of the tests does wrong when told to."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass
class Fault:
    """What goes wrong with requests for a path.

    Args:
        path: pattern of the requested path, such as `"*/model.weights.h5"`, `"/api/*/commit/*"` or `"*"`.
        method: `"GET"`, `"HEAD"`, ...; None for all. Faults of a body strike only where there is one.
        status: int, answered instead of the content, such as 403, 404 or 500.
        code: str, its `X-Error-Code`, such as `"EntryNotFound"` or `"GatedRepo"`.
        truncated: bool, whether half a file is sent as if it were all.
        cut: bool, whether the connection closes after half a file; what a client asks for to go on is missing as well.
        altered: bool, whether one byte in the middle is another.
        swapped: bytes, sent in place of a file or another answer.
        stall: float, seconds of silence: after half of a file, and before any other answer (for the first alone, give
            `method="GET"` and the file's path).
        times: int, after how many requests all is well again; None for never.
    """

    path: str
    method: str | None = None
    status: int | None = None
    code: str | None = None
    truncated: bool = False
    cut: bool = False
    altered: bool = False
    swapped: bytes | None = None
    stall: float = 0.0
    times: int | None = None

    def strikes(self, method: str, path: str) -> bool:
        return (
            self.times != 0
            and self.method in (None, method)
            and (method == "GET" or not (self.truncated or self.cut or self.altered or self.swapped is not None))
            and fnmatch.fnmatchcase(path, self.path)
        )

    def spoil(self, content: bytes) -> bytes:
        """The bytes to send for a file."""
        if self.swapped is not None:
            return self.swapped
        if self.altered:
            middle = len(content) // 2
            return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        return content[: len(content) // 2] if self.truncated else content
