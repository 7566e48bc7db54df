"""Reads the HDF5 that `write_weights` writes, and no other: plain groups of plain arrays, nothing filtered or linked.

The HDF5 library is not made for files of strangers: of weights files with a few random bytes changed, about one in a
thousand ends it, and with it the process, or keeps it busy for ever. This reader knows only the part of the format
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t11.html) that h5py gives such files: format 0 of the
superblock, format 1 of everything else. It visits each address once, and reads no more than the file's size in all.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Kinds of messages in an object's header. Not here, and refused: external files, filters, links, other layouts.
DATASPACE, DATATYPE, LAYOUT, ATTRIBUTE, CONTINUATION, GROUP = 0x1, 0x3, 0x8, 0xC, 0x10, 0x11
NOTHING, FILL, OLD_FILL, COMMENT, TIME = 0x0, 0x5, 0x4, 0xD, 0x12
IGNORED = {NOTHING, FILL, OLD_FILL, COMMENT, TIME}
# The messages that describe little-endian IEEE floats of 2, 4 and 8 bytes.
FLOATS = {
    bytes.fromhex("11200f000200000000001000" + "0a05000a" + "0f000000"): "<f2",
    bytes.fromhex("11201f000400000000002000" + "17080017" + "7f000000"): "<f4",
    bytes.fromhex("11203f000800000000004000" + "340b0034" + "ff030000"): "<f8",
}
# A variable-length string, UTF-8 or ASCII; its place in a heap follows.
STRINGS = (b"\x19\x01\x01\x00", b"\x19\x01\x00\x00")
DEEPEST_GROUP = 32
LONGEST_NAME = 1024


@dataclass(frozen=True)
class StoredArray:
    """An array of a file: its place among the groups, its variable's path (None if unmarked), where its bytes are."""

    place: str
    path: str | None
    shape: tuple[int, ...]
    dtype: str
    offset: int
    content: bytes

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def read(self) -> np.ndarray:
        """The array, a view of the file's content."""
        import numpy as np

        return np.frombuffer(self.content, self.dtype, self.size, self.offset).reshape(self.shape)


def read_arrays(path: str | Path) -> list[StoredArray]:
    """The arrays of a weights file, none of them read yet.

    Args:
        path: of the file.

    Returns:
        A list of `StoredArray`s, which together are no larger than the file.

    Raises:
        ValueError: if it is no HDF5 file, or one with anything that weights files do not have.
        OSError: if it cannot be read.

    Example:
        >>> {array.path: array.shape for array in read_arrays("model.weights.h5")}
    """
    content = Path(path).read_bytes()
    try:
        arrays = list(_File(content).arrays())
    except (_UnknownFormatError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"This is no file of weights as recurzoo.save writes them: {error}. Received: {str(path)!r}"
        ) from None
    if sum(array.size * int(array.dtype[2:]) for array in arrays) > len(content):
        raise ValueError(
            "The arrays of this file overlap, so it is no file of weights as recurzoo.save writes them. "
            f"Received: {str(path)!r}"
        )
    return arrays


class _UnknownFormatError(Exception):
    """Something that weights files do not have."""


class _File:
    def __init__(self, content: bytes):
        self.content = content
        self.visited: set[int] = set()
        # What was read so far: parts of a file that overlap would make it more than there is.
        self.bytes_read = 0
        self.heaps: dict[int, dict[int, bytes]] = {}

    def arrays(self) -> Iterator[StoredArray]:
        self.require(self.content.startswith(SIGNATURE), "it is not HDF5")
        versions_and_sizes, base = self.unpack("<8B8xQ", 8)[:8], self.unpack("<Q", 24)[0]
        self.require(versions_and_sizes == (0, 0, 0, 0, 0, 8, 8, 0) and base == 0, "it has another version")
        self.require(self.unpack("<Q", 40)[0] <= len(self.content), "it is truncated")
        yield from self.object(self.unpack("<Q", 64)[0], "", 0)

    def object(self, address: int, place: str, depth: int) -> Iterator[StoredArray]:
        self.require(depth <= DEEPEST_GROUP, "its groups are nested too deeply")
        messages = self.messages(address)
        kinds = [kind for kind, _ in messages]
        unknown = sorted(set(kinds) - IGNORED - {DATASPACE, DATATYPE, LAYOUT, ATTRIBUTE, GROUP, CONTINUATION})
        self.require(not unknown, f"{place or 'its root'} has messages of the kinds {unknown}")
        only = {kind: body for kind, body in messages if kinds.count(kind) == 1}
        if GROUP in only and DATATYPE not in kinds and LAYOUT not in kinds:
            tree, heap = struct.unpack_from("<2Q", only[GROUP])
            for name, child in self.tree(tree, self.heap(heap), 0):
                yield from self.object(child, f"{place}/{name}" if place else name, depth + 1)
            return
        self.require({DATASPACE, DATATYPE, LAYOUT} <= only.keys(), f"{place} is neither a group nor an array")
        dtype = FLOATS.get(only[DATATYPE][:20])
        self.require(dtype is not None, f"{place} holds no floats of 16, 32 or 64 bits")
        shape = self.shape(only[DATASPACE])
        version, kind, offset, size = struct.unpack_from("<2B2Q", only[LAYOUT])
        self.require((version, kind) == (3, 1), f"{place} is not stored in one piece")
        self.require(size == math.prod(shape) * int(str(dtype)[2:]), f"{place} is not all there")
        self.require(offset + size <= len(self.content), f"{place} goes beyond its end")
        marks = [path for kind, body in messages if kind == ATTRIBUTE if (path := self.mark(body)) is not None]
        yield StoredArray(place, marks[0] if marks else None, shape, str(dtype), offset, self.content)

    def messages(self, address: int) -> list[tuple[int, bytes]]:
        version, count, size = self.unpack("<BxH4xI", address)
        self.require(version == 1, "it has objects of another version")
        found: list[tuple[int, bytes]] = []
        blocks = [(address + 16, size)]
        for start, length in blocks:
            self.visit(start, length)
            place, end = start, start + length
            while place + 8 <= end and len(found) < count:
                kind, size, flags = self.unpack("<2HB", place)
                body = self.content[place + 8 : min(place + 8 + size, end)]
                # A shared message is elsewhere; HDF5 marks constant ones (1) only.
                self.require(len(body) == size and flags in (0, 1), "a header is damaged")
                found.append((kind, body))
                if kind == CONTINUATION:
                    blocks.append(struct.unpack_from("<2Q", body))
                place += 8 + size
        return found

    def shape(self, body: bytes) -> tuple[int, ...]:
        version, rank, flags = struct.unpack_from("<3B", body)
        self.require(version == 1 and rank <= 32 and flags in (0, 1), "an array has a shape of another version")
        shape = struct.unpack_from(f"<{rank}Q", body, 8)
        self.require(flags == 0 or struct.unpack_from(f"<{rank}Q", body, 8 + 8 * rank) == shape, "an array can grow")
        return shape

    def mark(self, body: bytes) -> str | None:
        """The value of the attribute `path`, a string; None for other attributes."""
        version, name_size, type_size, _ = struct.unpack_from("<Bx3H", body)
        self.require(version == 1, "an attribute has another version")
        padded = [size + -size % 8 for size in struct.unpack_from("<3H", body, 2)]
        name, datatype = body[8 : 8 + name_size].rstrip(b"\0"), body[8 + padded[0] :][:type_size]
        if name != b"path":
            return None
        self.require(datatype[:4] in STRINGS, "a path is no string")
        length, heap, index = struct.unpack_from("<IQI", body, 8 + sum(padded))
        return self.string(heap, index, length)

    def string(self, address: int, index: int, length: int) -> str:
        if address not in self.heaps:
            self.heaps[address] = dict(self.strings(address))
        string = self.heaps[address].get(index, b"")
        self.require(0 < length <= len(string), "a string is missing")
        return string[:length].decode("utf-8")

    def strings(self, address: int) -> Iterator[tuple[int, bytes]]:
        signature, version, size = self.unpack("<4sB3xQ", address)
        self.require((signature, version) == (b"GCOL", 1), "a heap of strings is damaged")
        self.visit(address, size)
        place, end = address + 16, address + size
        while place + 16 <= end:
            index, length = self.unpack("<H6xQ", place)
            if not index:
                break
            self.require(place + 16 + length <= end, "a string is damaged")
            yield index, self.content[place + 16 : place + 16 + length]
            place += 16 + length + -length % 8

    def heap(self, address: int) -> bytes:
        signature, version, size, place = self.unpack("<4sB3xQ8xQ", address)
        self.require((signature, version) == (b"HEAP", 0), "a heap of names is damaged")
        self.visit(place, size)
        return self.content[place : place + size]

    def tree(self, address: int, names: bytes, depth: int) -> Iterator[tuple[str, int]]:
        """The names and addresses of a group's members."""
        signature, kind, level, used = self.unpack("<4s2BH", address)
        self.visit(address, 24 + 16 * used)
        self.require((signature, kind) == (b"TREE", 0) and depth <= DEEPEST_GROUP, "a group is damaged")
        for number in range(used):
            (child,) = self.unpack("<Q", address + 32 + 16 * number)
            if level:
                yield from self.tree(child, names, depth + 1)
                continue
            signature, version, count = self.unpack("<4sBxH", child)
            self.visit(child, 8 + 40 * count)
            self.require((signature, version) == (b"SNOD", 1), "a group is damaged")
            for entry in range(count):
                name, member, link = self.unpack("<2QI", child + 8 + 40 * entry)
                self.require(link in (0, 1), "it has links")
                stop = names.find(b"\0", name, name + LONGEST_NAME)
                self.require(stop > name, "a name is missing")
                yield names[name:stop].decode("utf-8"), member

    def visit(self, address: int, size: int) -> None:
        self.require(address not in self.visited, "it leads in a circle")
        self.visited.add(address)
        self.bytes_read += size
        self.require(address + size <= len(self.content), "something goes beyond its end")
        self.require(self.bytes_read <= len(self.content), "its parts overlap")

    def unpack(self, form: str, place: int) -> tuple:
        self.require(place + struct.calcsize(form) <= len(self.content), "something goes beyond its end")
        return struct.unpack_from(form, self.content, place)

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise _UnknownFormatError(otherwise)
