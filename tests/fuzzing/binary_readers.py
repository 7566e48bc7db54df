"""The readers of arrays: safetensors and HDF5."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.fuzzing.reader import CHECKPOINTS, WEIGHTS, Reader
from tests.fuzzing.strategies import damaged, names_in, rewritten, structures


def read_state() -> Reader:
    """The state of a run, safetensors."""
    import keras

    from recurzoo.training.progress import load_state

    arrays = {"00000 a/kernel": np.ones((3, 2), "float32"), "00001 a/seed": np.ones(2, "uint32")}
    notes = {"recipe": {"name": "r", "epochs": 3}, "rows": [{"epoch": 1, "loss": 0.5}], "seconds": 2.5}
    kinds = {"float32": "F32", "uint32": "U32"}
    header: dict[str, Any] = {"__metadata__": {"progress": json.dumps(notes)}}
    data = b""
    for key, array in arrays.items():
        header[key] = {"dtype": kinds[str(array.dtype)], "shape": list(array.shape)}
        header[key]["data_offsets"] = [len(data), len(data) + array.nbytes]
        data += array.tobytes()

    def file(header: Any, data: bytes = data) -> bytes:
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + data

    keys, words = names_in(header)
    note_keys, note_words = names_in(notes)
    noted = rewritten(notes, note_keys, note_words) | structures(note_keys, note_words)
    types = st.sampled_from(["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F4", "I16", "BF16", "F16", "F64", "C64", "x"])
    variables = [keras.Variable(array, dtype=array.dtype, name=key.split("/")[1]) for key, array in arrays.items()]
    for variable, key in zip(variables, arrays, strict=True):
        variable._path = key.partition(" ")[2]
    contents = st.one_of(
        damaged(file(header)),
        rewritten(header, keys, words).map(file),
        structures(keys, words).map(file),
        noted.map(lambda notes: file({**header, "__metadata__": {"progress": json.dumps(notes)}})),
        damaged(json.dumps(notes).encode()).map(
            lambda text: file({**header, "__metadata__": {"progress": text.decode(errors="replace")}})
        ),
        types.map(lambda kind: file({**header, "00000 a/kernel": {**header["00000 a/kernel"], "dtype": kind}})),
    )

    def read(path: Path) -> None:
        load_state(path, variables, {"name": "r", "epochs": 3})

    return Reader("state", "state.safetensors", contents, read, 1500, file(header))


def read_weights() -> Reader:
    """Weights, HDF5: changed where it matters, outside of the arrays' own bytes."""
    from recurzoo.checkpoints.hdf5_file import read_arrays
    from recurzoo.checkpoints.weights import read_weights

    # The smaller a file, the faster is all this; both are of the same kind.
    path = WEIGHTS / CHECKPOINTS[1] / "model.weights.h5"
    original = path.read_bytes()
    inside = np.zeros(len(original), bool)
    for array in read_arrays(path):
        inside[array.offset : array.offset + array.size * int(array.dtype[2:])] = True
    places = np.flatnonzero(~inside).tolist()
    # What is all zeros is room that HDF5 leaves.
    places = [place for place in places if any(original[place - 8 : place + 8])]

    def read(path: Path) -> None:
        for array in read_weights(path).values():
            array.read().sum()

    return Reader("weights", "model.weights.h5", damaged(original, places), read, 3000, original)
