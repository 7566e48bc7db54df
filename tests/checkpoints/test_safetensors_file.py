"""The same weights without Keras, read here by the format's own description: a length, a header, bytes."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

import recurzoo
from recurzoo.checkpoints.folder import read_record

WEIGHTS = Path(__file__).parents[2] / "weights"
TYPES = {"F32": "<f4", "F16": "<f2"}


def read(path):
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    about = header.pop("__metadata__")
    data = content[8 + length :]
    arrays = {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], TYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }
    return about, arrays


def compare(folder):
    about, arrays = read(folder / "model.safetensors")
    assert about == {"architecture": read_record(folder).architecture}
    stored = {}
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(
            lambda _, item: stored.update({item.attrs["path"]: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    assert arrays.keys() == stored.keys()
    for name, array in arrays.items():
        assert (array.dtype, array.shape) == (stored[name].dtype, stored[name].shape)
        assert array.tobytes() == stored[name].tobytes()
    return {str(array.dtype) for array in arrays.values()}


def test_both_files_hold_the_same(folder):
    assert compare(folder) == {"float32"}
    assert "model.safetensors" in read_record(folder).files


def test_half_precision_is_the_same_too(randomize, tmp_path):
    recurzoo.save(randomize(recurzoo.create("swrn-16-4-1", input_shape=(8, 8, 3))), tmp_path / "x")
    assert compare(tmp_path / "x") == {"float16", "float32"}


@pytest.mark.parametrize("name", ["swrn-22-1-2.cifar10", "scnn-20.shortest-paths"])
def test_shipped_checkpoints_have_both(name):
    compare(WEIGHTS / name)


def test_the_order_of_weights_is_no_matter(folder, tmp_path):
    """Saved again, the file is the same to the byte."""
    recurzoo.save(recurzoo.load(folder), tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
