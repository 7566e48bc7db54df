"""Files that a reader once failed on, kept for ever."""

from __future__ import annotations

EXAMPLES: dict[str, list[bytes]] = {
    "config": [
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"a": 1e999}',
        b"\xff",
        b"9" * 5000,
        b'{"module": "m", "class_name": [], "config": {}, "registered_name": "recurzoo>SWRN"}',
        b'{"module": "", "class_name": "SCNN", "config": {"input_shape": [16, 2]}, "registered_name": "recurzoo>SCNN"}',
        b'{"module": "m", "class_name": "SWRN", "config": {"input_shape": []}, "registered_name": "recurzoo>SWRN"}',
        b'{"module": "m", "class_name": "FRNN", "config": {"states": [[], []]}, "registered_name": "recurzoo>FRNN"}',
    ],
    "record": [b"[" * 100_000, b"[1]", b'{"name": "a", "architecture": "\\ud800"}', b"", b'{"a": NaN}'],
    "recipe": [
        b'base = "nowhere"',
        b"base = 3",
        b"epochs = " + b"9" * 5000,
        b"a = " + b"[" * 3000,
        b"epochs = 1\noptimizer.learning_rate = inf",
        b'base = "' + b"x" * 5000 + b'"',
        b"a." * 50_000 + b"a = 1",
        b"[" + b"a." * 50_000 + b"a]",
    ],
    "catalog": [b"a = " + b"[" * 3000, (b"[" + b"a." * 2000 + b"a]\n") * 2, b"paper = 1", b"\xff"],
    "state": [b"", b"\xff" * 16],
    "weights": [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 100],
}
