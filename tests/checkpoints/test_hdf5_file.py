"""Our reader of HDF5 against the HDF5 library, and what it refuses without asking that library."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from recurzoo.checkpoints.hdf5_file import read_arrays

WEIGHTS = Path(__file__).parents[2] / "weights"


def with_the_library(path):
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = (item.attrs.get("path"), item[()])

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def compare(path):
    expected = with_the_library(path)
    arrays = read_arrays(path)
    assert {array.place: array.path for array in arrays} == {place: mark for place, (mark, _) in expected.items()}
    for array in arrays:
        value = expected[array.place][1]
        assert array.dtype == value.dtype.str
        np.testing.assert_array_equal(array.read(), value)
    return len(arrays)


@pytest.mark.parametrize("name", ["swrn-22-1-2.cifar10", "scnn-20.shortest-paths"])
def test_shipped_weights(name):
    assert compare(WEIGHTS / name / "model.weights.h5") >= 10


def test_many_arrays_of_all_kinds(tmp_path, rng):
    """More than one leaf of a group's tree, one heap of strings and one block of an object's header can hold."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(700):
            place = f"group{number % 3}/{'deeper/' * (number % 5)}array{number:04d}"
            shape = tuple(rng.integers(1, 4, size=number % 6))
            file[place] = rng.normal(size=shape).astype(("float16", "float32", "float64")[number % 3])
            if number % 7:
                file[place].attrs["path"] = f"Schicht_ä{number}/{'x' * (number % 200)}"
        for number in range(12):
            file["group0/array0000"].attrs[f"other{number}"] = number * np.ones(3)
        del file["group1/deeper/array0001"]
        file.create_group("nothing")
    assert compare(tmp_path / "x.h5") == 699


def soft_link(file):
    file["link"] = h5py.SoftLink("/good")


def external_link(file):
    file["link"] = h5py.ExternalLink("other.h5", "/good")


def circle(file):
    file["group/again"] = file["/"]


def twice(file):
    file["other"] = file["good"]


def virtual(file):
    layout = h5py.VirtualLayout((10**6, 10**6), "float32")
    layout[:1, :2] = h5py.VirtualSource("other.h5", "good", (1, 2))
    file.create_virtual_dataset("bad", layout)


def committed_type(file):
    file["type"] = np.dtype("float32")
    file.create_dataset("bad", data=np.ones(3, "float32"), dtype=file["type"])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(
            lambda file: file.create_dataset("bad", data=np.zeros(10**5), compression="gzip"), id="compressed"
        ),
        pytest.param(lambda file: file.create_dataset("bad", (3, 3), "f4", chunks=(1, 3)), id="chunked"),
        pytest.param(lambda file: file.create_dataset("bad", (10**6, 10**6), "f4", chunks=True), id="sparse chunks"),
        pytest.param(lambda file: file.create_dataset("bad", (10**6, 10**6), "f4"), id="never written"),
        pytest.param(lambda file: file.create_dataset("bad", (3,), "f4", maxshape=(None,)), id="growing"),
        pytest.param(lambda file: file.create_dataset("bad", (9,), "f4", external=[("raw", 0, 36)]), id="external"),
        pytest.param(lambda file: file.create_dataset("bad", data=["text"]), id="strings"),
        pytest.param(lambda file: file.create_dataset("bad", data=np.array(b"x")), id="bytes"),
        pytest.param(lambda file: file.create_dataset("bad", data=np.ones(3, "int64")), id="integers"),
        pytest.param(lambda file: file.create_dataset("bad", data=np.ones(3, ">f4")), id="big-endian"),
        pytest.param(lambda file: file.create_dataset("bad", data=np.ones(3, "c8")), id="complex"),
        pytest.param(lambda file: file.create_dataset("bad", data=np.void(b"code")), id="opaque"),
        pytest.param(
            lambda file: file.create_dataset("bad", (1,), h5py.special_dtype(ref=h5py.Reference)), id="references"
        ),
        pytest.param(lambda file: file["good"].attrs.__setitem__("path", 3), id="a path that is a number"),
        soft_link,
        external_link,
        circle,
        twice,
        virtual,
        committed_type,
    ],
)
def test_what_weights_files_do_not_have_is_refused(tmp_path, spoil):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["good"] = np.ones((1, 2), "float32")
        file["good"].attrs["path"] = "good"
    compare(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "a") as file:
        spoil(file)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"no file of weights as recurzoo\.save writes them"):
        read_arrays(tmp_path / "x.h5")
    assert sorted(tmp_path.iterdir()) == before


def test_newer_formats_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w", libver="latest") as file:
        file["good"] = np.ones(3, "float32")
    with pytest.raises(ValueError, match="another version"):
        read_arrays(tmp_path / "x.h5")


def test_arrays_that_overlap_are_refused(tmp_path):
    """Twenty arrays in the room of one: a file that would grow twentyfold in memory."""
    large = np.ones(100_000, "float32")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["large"] = large
        for number in range(20):
            file[f"small{number}"] = np.ones(1, "float32")
    content = bytearray((tmp_path / "x.h5").read_bytes())
    arrays = {array.place: array for array in read_arrays(tmp_path / "x.h5")}

    def word(number):
        return number.to_bytes(8, "little")

    for place, array in arrays.items():
        if place != "large":
            layout = content.find(word(array.offset) + word(4))
            shape = content.rfind(word(1) + word(1), 0, layout)
            content[layout : layout + 16] = word(arrays["large"].offset) + word(large.nbytes)
            content[shape : shape + 16] = word(large.size) + word(large.size)
    (tmp_path / "x.h5").write_bytes(content)
    # To the library, all is well.
    assert [array.size for _, array in with_the_library(tmp_path / "x.h5").values()] == [large.size] * 21
    with pytest.raises(ValueError, match="overlap"):
        read_arrays(tmp_path / "x.h5")
