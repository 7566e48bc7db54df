"""The readers of what strangers give: each with real files, damaged and invented ones, and how it reads one."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.fuzzing.strategies import NUMBERS, damaged, names_in, rewritten, structures

WEIGHTS = Path(__file__).parents[2] / "weights"
CHECKPOINTS = ("swrn-22-1-2.cifar10", "scnn-20.shortest-paths")
Contents = st.SearchStrategy[bytes]


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        file: name of the file it reads.
        original: a file that it reads without complaint.
        contents: what to put there.
        read: from the file's path to anything; it may raise what users are told.
        count: how many files the slow test gives it.
        prepare: puts what else it needs into a folder.
        examples: contents that a reader once failed on, kept for ever.
    """

    file: str
    original: bytes
    contents: Contents
    read: Callable[[Path], Any]
    count: int
    prepare: Callable[[Path], Any] = lambda folder: None
    examples: tuple[bytes, ...] = ()


def of_json(originals: list[bytes]) -> Contents:
    """JSON files like some, damaged, rewritten or invented."""
    documents = [json.loads(original) for original in originals]
    keys, words = names_in(documents)
    parts = []
    for original, document in zip(originals, documents, strict=True):
        made = rewritten(document, keys, words) | structures(keys, words)
        parts += [damaged(original), made.map(lambda made: json.dumps(made).encode())]
    return st.one_of(parts)


def of_safetensors(header: dict[str, Any], data: bytes) -> Contents:
    """Files like one: damaged, or with their header rewritten or invented."""
    keys, words = names_in(header)
    first = next(name for name in header if name != "__metadata__")
    types = st.sampled_from(["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F4", "I16", "BF16", "F16", "F64", "C64", "x"])
    return st.one_of(
        damaged(safetensors_file(header, data)),
        rewritten(header, keys, words).map(lambda header: safetensors_file(header, data)),
        structures(keys, words).map(lambda header: safetensors_file(header, data)),
        types.map(lambda kind: safetensors_file({**header, first: {**header[first], "dtype": kind}}, data)),
    )


def safetensors_file(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def shipped(file: str) -> list[bytes]:
    return [(WEIGHTS / name / file).read_bytes() for name in CHECKPOINTS]


def copy_checkpoint(folder: Path) -> None:
    shutil.copytree(WEIGHTS / CHECKPOINTS[0], folder, dirs_exist_ok=True)


def load_as_recorded(path: Path) -> None:
    """Load a checkpoint whose record vouches for the file at hand, and verify it: both refuse it, or neither does."""
    import recurzoo
    from recurzoo.checkpoints.folder import measure, read_record
    from recurzoo.results.verify import verify

    shutil.copy(WEIGHTS / CHECKPOINTS[0] / "record.json", path.parent)
    record = read_record(path.parent)
    record = record.replace(files={**record.files, path.name: measure(path)})
    (path.parent / "record.json").write_text(record.to_json())
    try:
        recurzoo.load(path.parent)
    except ValueError:
        assert verify(path.parent).failed
        raise


def read_config() -> Reader:
    originals = shipped("config.json")
    families = {
        "PreActivationResNet": {"depth": 38, "unshared": 2, "width": 16},
        "RC": {"steps": 2, "width": 4},
        "RelaxedResNet": {"blocks": [2, 2, 2]},
        "FRNN": {"states": [[32, 8], [16, 16]], "edges": "full", "readout": 3},
    }
    originals += [
        json.dumps({"module": "x", "class_name": name, "config": own, "registered_name": f"recurzoo>{name}"}).encode()
        for name, own in families.items()
    ]
    bank = {"module": "m", "class_name": "SoftSharing", "registered_name": "recurzoo>SoftSharing", "config": {}}
    folded = json.loads(originals[0])
    folded["config"]["sharing"] = {"stage_1": {**bank, "config": {"num_templates": 2}}, "stage_2": [bank]}
    examples = (
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
    )
    contents = of_json([*originals, json.dumps(folded).encode()])
    return Reader("config.json", originals[0], contents, load_as_recorded, 2500, copy_checkpoint, examples)


def read_record() -> Reader:
    import recurzoo
    from recurzoo.checkpoints.folder import read_record as read
    from recurzoo.zoo.card import write_card

    def load_and_describe(path: Path) -> None:
        recurzoo.load(path.parent)
        recurzoo.info(path.parent)
        write_card(read(path.parent))

    originals = shipped("record.json")
    examples = (b"[" * 100_000, b"[1]", b'{"name": "a", "architecture": "\\ud800"}', b"", b'{"a": NaN}')
    return Reader("record.json", originals[0], of_json(originals), load_and_describe, 2500, copy_checkpoint, examples)


def read_weights() -> Reader:
    original = shipped("model.safetensors")[0]
    (length,) = struct.unpack_from("<Q", original)
    contents = of_safetensors(json.loads(original[8 : 8 + length]), original[8 + length :])
    examples = (b"", b"\xff" * 16)
    return Reader("model.safetensors", original, contents, load_as_recorded, 2000, copy_checkpoint, examples)


def read_state() -> Reader:
    """The state of a run."""
    import keras

    from recurzoo.training.progress import load_state

    arrays = {"00000 a/kernel": np.ones((3, 2), "float32"), "00001 a/seed": np.ones(2, "uint32")}
    notes: dict[str, Any] = {"recipe": {"name": "r", "epochs": 3}, "rows": [{"epoch": 1, "loss": 0.5}], "seconds": 2.5}
    notes |= {"precisions": ["float32"], "strategies": ["none"]}
    kinds = {"float32": "F32", "uint32": "U32"}
    header: dict[str, Any] = {"__metadata__": {"progress": json.dumps(notes)}}
    data = b""
    for key, array in arrays.items():
        header[key] = {"dtype": kinds[str(array.dtype)], "shape": list(array.shape)}
        header[key]["data_offsets"] = [len(data), len(data) + array.nbytes]
        data += array.tobytes()
    variables = [keras.Variable(array, dtype=array.dtype, name=key.split("/")[1]) for key, array in arrays.items()]
    for variable, key in zip(variables, arrays, strict=True):
        variable._path = key.partition(" ")[2]

    def noted(notes: str) -> bytes:
        return safetensors_file({**header, "__metadata__": {"progress": notes}}, data)

    keys, words = names_in(notes)
    contents = st.one_of(
        of_safetensors(header, data),
        (rewritten(notes, keys, words) | structures(keys, words)).map(lambda notes: noted(json.dumps(notes))),
        damaged(json.dumps(notes).encode()).map(lambda text: noted(text.decode(errors="replace"))),
    )

    def read(path: Path) -> None:
        load_state(path, variables, {"name": "r", "epochs": 3})

    original = safetensors_file(header, data)
    return Reader("state.safetensors", original, contents, read, 1500, examples=(b"", b"\xff" * 16))


def read_recipe() -> Reader:
    from recurzoo.catalog.recipe import load_recipe

    original = b"""base = "swrn-22-1-2.cifar10.cpu"
epochs = 2
precision = "float32"
augmentation.flip = true
optimizer.learning_rate = 0.1
[schedule]
kind = "linear"
warmup = 0.1
"""
    lines = original.splitlines()
    keys = ["base", "epochs", "seed", "model", "optimizer", "optimizer.kind", "schedule.kind", "average", "pull", "x"]
    values = NUMBERS.map(str) | st.sampled_from(
        ["inf", "nan", "1979-05-27", "{}", "[" * 2000, "'''", "9" * 5000, '"x"', "[[1], {a = 2}]", '"linear"', "true"]
    )
    new_line = st.builds(lambda key, value: f"{key} = {value}".encode(), st.sampled_from(keys), values)
    some = st.lists(st.sampled_from(lines) | new_line | st.just(b"[" + b"a." * 2000 + b"a]"), max_size=8)
    edited = st.builds(
        lambda place, more, left_out: b"\n".join(lines[:place] + more + lines[place + left_out :]),
        st.integers(0, len(lines)),
        some,
        st.integers(0, 3),
    )
    examples = (
        b'base = "nowhere"',
        b"base = 3",
        b"epochs = " + b"9" * 5000,
        b"a = " + b"[" * 3000,
        b"epochs = 1\noptimizer.learning_rate = inf",
        b'base = "' + b"x" * 5000 + b'"',
    )
    contents = st.one_of(damaged(original), edited, edited, some.map(b"\n".join))
    file = "swrn-22-1-2.cifar10.mine.toml"
    return Reader(file, original, contents, lambda path: load_recipe(str(path)), 1500, examples=examples)


READERS: dict[str, Callable[[], Reader]] = {
    "config": read_config,
    "record": read_record,
    "weights": read_weights,
    "state": read_state,
    "recipe": read_recipe,
}
