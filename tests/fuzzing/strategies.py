"""Damaged and invented files: real ones with bytes changed, and structures of any shape with the real keys."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

# What breaks readers: zeros, signs, the edges of machine integers, things that are not numbers, long and odd strings.
NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, 3, 5, 7, 10, 16, 20, 22, 33, 1205, 2**31, 2**32 - 1, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308]
)
ODD = [None, True, False, "", "all", "a" * 300, "\n", "\0", "../../x", "\u202e", "NaN", "hf://a/b", [], {}, [[]]]
PIECES = [
    b"",
    b"\0",
    b"\xff" * 8,
    b"\x00" * 8,
    b"{",
    b"[" * 3000,
    b'"',
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b"\n",
    b"\\ud800",
]

KINDS = ["bit", "bit", "bit", "byte", "byte", "word", "cut", "repeat", "insert", "truncate"]


@st.composite
def damaged(draw: st.DrawFn, content: bytes, places: list[int] | None = None) -> bytes:
    """A file with bits flipped, bytes set, pieces cut out, repeated or put in, or its end missing.

    Args:
        content: of the real file.
        places: where to change it; anywhere by default.
    """
    damage = bytearray(content)
    where = st.sampled_from(places) if places else st.integers(0, len(content) - 1)
    for _ in range(draw(st.integers(1, 4))):
        place = min(draw(where), len(damage) - 1)
        if place < 0:
            break
        kind = draw(st.sampled_from(KINDS))
        if kind == "bit":
            damage[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte":
            damage[place] = draw(st.integers(0, 255))
        elif kind == "word":
            damage[place : place + 8] = draw(st.sampled_from([0, 1, place, len(content), 2**63, 2**64 - 1])).to_bytes(
                8, "little"
            )
        elif kind == "cut":
            del damage[place : place + draw(st.integers(1, 64))]
        elif kind == "repeat":
            damage[place:place] = damage[place : place + draw(st.integers(1, 512))]
        elif kind == "insert":
            damage[place:place] = draw(st.sampled_from(PIECES))
        elif kind == "truncate":
            del damage[place:]
    return bytes(damage)


def structures(keys: list[str], words: list[Any]) -> st.SearchStrategy[Any]:
    """What JSON and TOML can say, of any shape, with real keys and real words in it."""
    names = st.sampled_from(keys) | st.text(max_size=3)
    leaves = st.sampled_from(words) | st.sampled_from(ODD) | NUMBERS | st.text(max_size=5)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=12
    )


@st.composite
def rewritten(draw: st.DrawFn, document: Any, keys: list[str], words: list[Any]) -> Any:
    """A real document with some of its parts replaced, removed or moved."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        part, parents = document, []
        while isinstance(part, (dict, list)) and part and (not parents or draw(st.booleans())):
            key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
            parents.append((part, key))
            part = part[key]
        if not parents:
            return draw(structures(keys, words))
        owner, key = parents[-1]
        kind = draw(st.sampled_from(["number", "replace", "replace", "remove", "add", "move"]))
        if kind == "number":
            owner[key] = draw(NUMBERS)
        elif kind == "replace":
            owner[key] = draw(structures(keys, words))
        elif kind == "remove":
            del owner[key]
        elif kind == "add" and isinstance(owner, dict):
            owner[draw(st.sampled_from(keys))] = draw(structures(keys, words))
        elif kind == "move":
            owner[key] = json.loads(json.dumps(document))
    return document


def names_in(document: Any) -> tuple[list[str], list[Any]]:
    """The keys and the other values of a document, to make others of."""
    keys: set[str] = set()
    words: set[Any] = set()

    def visit(item: Any) -> None:
        if isinstance(item, dict):
            keys.update(item)
        for part in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            visit(part)
        if not isinstance(item, (dict, list)):
            words.add(item)

    visit(document)
    return sorted(keys), sorted(words, key=repr)
