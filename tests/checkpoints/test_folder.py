"""Checkpoints: whole or not at all, nothing but what was saved, nothing less."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from recurzoo.checkpoints.config import read_config
from recurzoo.checkpoints.folder import read_record, recording, save, verify_files, write_record
from recurzoo.checkpoints.record import Record
from recurzoo.zoo.loading import create, load
from tests.conftest import BACKEND

OPEN_WITH_CORE_KERAS = """
import sys
import keras, numpy as np
import recurzoo.models
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], keras.ops.convert_to_numpy(model(np.load(sys.argv[3]))))
"""


def test_the_record_says_what_was_measured(folder):
    record = read_record(folder)
    # 175,078 at 10 classes; 5 fewer outputs of 64 weights and a bias.
    assert record.parameters == 175078 - 5 * 65
    assert record.architecture == "swrn-16-1-2"
    assert record.sharing == "soft: 2 convolutions a stage share 2 templates"
    assert sorted(record.files) == ["config.json", "metadata.json", "model.safetensors", "model.weights.h5"]
    for name, file in record.files.items():
        content = (folder / name).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (record.versions["keras"], record.versions["backend"]) == (keras.__version__, BACKEND)
    assert "swrn-16-1-2" in (folder / "README.md").read_text()


def test_a_given_record_is_kept(tiny, tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,2\n")
    given = {"name": "swrn-16-1-2.mine", "architecture": "swrn-16-1-2", "seed": 3, "metrics": {"test_accuracy": 0.25}}
    save(tiny, tmp_path / "x", given | {"class_names": list("abcde")}, training_log=tmp_path / "log.csv")
    record = read_record(tmp_path / "x")
    assert (record.seed, record.metrics, record.class_names) == (3, {"test_accuracy": 0.25}, tuple("abcde"))
    assert (tmp_path / "x" / "training.csv").read_text() == "epoch,loss\n1,2\n"
    assert "training.csv" in record.files
    assert "25.00%" in (tmp_path / "x" / "README.md").read_text()
    with pytest.raises(ValueError, match=r"is a swrn-16-1-2.*swrn-16-1-1"):
        save(tiny, tmp_path / "y", given | {"architecture": "swrn-16-1-1"})
    assert not (tmp_path / "y").exists()


def test_everything_comes_back(tiny, folder, images, outputs):
    loaded = load(folder)
    np.testing.assert_allclose(outputs(loaded, images), outputs(tiny, images), rtol=1e-5, atol=1e-5)
    assert [v.path for v in loaded.weights] == [v.path for v in tiny.weights]
    assert loaded.architecture["mean"] == (0.5, 0.4, 0.3)
    assert loaded.architecture["std"] == (0.2, 0.3, 0.25)


def test_core_keras_opens_the_folder(tiny, folder, images, outputs, tmp_path):
    np.save(tmp_path / "images.npy", images)
    arguments = [str(folder), str(tmp_path / "logits.npy"), str(tmp_path / "images.npy")]
    subprocess.run([sys.executable, "-c", OPEN_WITH_CORE_KERAS, *arguments], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), outputs(tiny, images), rtol=1e-5, atol=1e-5)


def test_training_leaves_no_trace(tiny, images, tmp_path):
    import h5py

    tiny.compile("adam", "mse", run_eagerly=True)
    tiny.train_on_batch(images, np.zeros((6, 5)))
    save(tiny, tmp_path / "x")
    paths = []
    with h5py.File(tmp_path / "x" / "model.weights.h5") as file:
        file.visititems(lambda name, item: paths.append(item.attrs["path"]) if isinstance(item, h5py.Dataset) else None)
    assert sorted(paths) == sorted(v.path for v in tiny.weights)
    assert "compile_config" not in json.loads((tmp_path / "x" / "config.json").read_text())


def test_large_kernels_are_stored_in_half_precision(randomize, tmp_path):
    import h5py

    model = randomize(create("swrn-16-4-2", input_shape=(8, 8, 3)))
    by_path = {v.path: ops.convert_to_numpy(v) for v in model.weights}
    save(model, tmp_path / "x")
    kinds = {}
    with h5py.File(tmp_path / "x" / "model.weights.h5") as file:
        file.visititems(
            lambda name, item: (
                kinds.update({item.attrs["path"]: item.dtype.name}) if isinstance(item, h5py.Dataset) else None
            )
        )
    half = {path for path, kind in kinds.items() if kind == "float16"}
    # Kernels of 3*3*128*256, 3*3*256*256 and two of 3*3*256*256 and 3*3*128*128 floats are over a megabyte.
    assert half == {
        "stage_2/bank/templates",
        "stage_3_entry/conv1_bank/templates",
        "stage_3_entry/conv2_bank/templates",
        "stage_3/bank/templates",
    }
    assert set(kinds.values()) == {"float16", "float32"}
    for variable in load(tmp_path / "x").weights:
        original = by_path[variable.path]
        expected = original.astype("float16").astype("float32") if variable.path in half else original
        assert variable.dtype == "float32"
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), expected)


def test_values_beyond_half_precision_stay_in_single(tmp_path):
    from recurzoo.checkpoints.weights import stored_form

    model = create("swrn-16-4-2", input_shape=(8, 8, 3))
    variable = model.get_layer("stage_3").banks[0].templates
    variable.assign(np.full(variable.shape, 1e6, "float32"))
    assert stored_form(variable).dtype == "float32"


@pytest.mark.parametrize("damage", ["changed", "shortened", "removed"])
@pytest.mark.parametrize("name", ["model.weights.h5", "config.json"])
def test_a_tampered_file_is_refused(folder, name, damage):
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "removed":
        path.unlink()
    elif damage == "shortened":
        path.write_bytes(content[:-1])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"not as it was saved.*{name}"):
        load(folder)


def test_a_record_must_vouch_for_the_weights(folder):
    record = json.loads((folder / "record.json").read_text())
    del record["files"]["model.weights.h5"]
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="not in the record"):
        verify_files(folder)
    with pytest.raises(FileNotFoundError, match=r"no model\.weights\.h5"):
        load(folder)
    (folder / "record.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        load(folder)


def test_what_loading_does_not_need_may_be_absent_but_not_another(folder):
    """The cache of downloads has only what was asked for."""
    for name in ("metadata.json", "model.safetensors", "README.md"):
        (folder / name).unlink()
    assert load(folder).name
    with pytest.raises(ValueError, match=r"metadata\.json is missing; model\.safetensors is missing"):
        verify_files(folder, whole=True)
    (folder / "model.safetensors").write_text("another")
    with pytest.raises(ValueError, match=r"model\.safetensors has 7 bytes"):
        load(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "model.pkl", "record.json", "model.weights.h5/../x", ""])
def test_a_record_lists_only_a_checkpoints_files(folder, name):
    (folder.parent / "secret").write_text("mine")
    record = json.loads((folder / "record.json").read_text())
    record["files"][name] = {"sha256": hashlib.sha256(b"mine").hexdigest(), "bytes": 4}
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="has no files of the names"):
        load(folder)


@pytest.mark.parametrize("name", ["record.json", "config.json"])
def test_files_of_facts_are_small(folder, name):
    content = (folder / name).read_text() + " " * 5_000_000
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match="more than 4000000 bytes"):
        read_record(folder) if name == "record.json" else read_config(folder / name, "swrn-16-1-2")


def test_exports_are_recorded_and_another_save_removes_them(tiny, folder):
    with recording(folder, "model.onnx"):
        (folder / "model.onnx").write_bytes(b"first")
    assert read_record(folder).files["model.onnx"].sha256 == hashlib.sha256(b"first").hexdigest()
    with pytest.raises(KeyboardInterrupt), recording(folder, "model.onnx"):
        raise KeyboardInterrupt
    assert read_record(folder).files["model.onnx"].bytes == 5
    # As if killed while writing: what is half there is no part of the checkpoint.
    half_written = recording(folder, "model.onnx")
    half_written.__enter__()
    (folder / "model.onnx").write_bytes(b"hal")
    assert "model.onnx" not in read_record(folder).files
    load(folder)
    assert not half_written.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "model.onnx" not in read_record(folder).files
    load(folder)
    save(tiny, folder)
    assert not (folder / "model.onnx").exists()
    assert "model.onnx" not in read_record(folder).files


def test_an_interrupted_save_leaves_the_old_checkpoint(tiny, folder, monkeypatch):
    def interrupt(model, path):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    before = (folder / "record.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("recurzoo.checkpoints.weights.write_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(tiny, folder)
        with pytest.raises(KeyboardInterrupt):
            save(tiny, folder.parent / "new")
    verify_files(folder)
    assert (folder / "record.json").read_bytes() == before
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]


def test_a_save_that_cannot_move_puts_the_old_checkpoint_back(tiny, folder, monkeypatch):
    rename = Path.rename

    def refuse(self, target):
        if self.name.endswith(".partial"):
            raise OSError("disk gone")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(OSError, match="disk gone"):
            save(tiny, folder)
    verify_files(folder)
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]


def test_a_checkpoint_is_replaced(folder, images, outputs, tiny):
    tiny.get_layer("head").bias.assign(np.arange(5.0))
    save(tiny, folder)
    np.testing.assert_allclose(outputs(load(folder), images), outputs(tiny, images), rtol=1e-5, atol=1e-5)
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]


def test_only_checkpoints_are_overwritten(tiny, tmp_path, folder):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    (folder / "notes.txt").write_text("mine")
    for place, kept in ((tmp_path / "work", "thesis.txt"), (folder, "notes.txt")):
        with pytest.raises(FileExistsError, match=kept):
            save(tiny, place)
        assert (place / kept).exists()
    with pytest.raises(FileExistsError, match="a file in its place"):
        save(tiny, folder / "notes.txt")


def test_only_models_of_the_zoo_are_saved(tmp_path):
    import keras

    with pytest.raises(ValueError, match=r"model\.save.*Sequential"):
        save(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "x")


def test_a_record_names_as_many_classes_as_there_are_outputs(tiny, tmp_path):
    record = {"name": "x", "architecture": "swrn-16-1-2", "class_names": ("cat", "dog")}
    with pytest.raises(ValueError, match="2 class_names in 'x' for 5 outputs"):
        save(tiny, tmp_path / "x", record)
    assert not (tmp_path / "x").exists()
    headless = tiny.with_architecture(include_top=False, pooling="avg")
    assert len(save(headless, tmp_path / "x", record).class_names) == 2


def test_a_record_that_json_cannot_say_writes_nothing(tiny, tmp_path):
    record = Record(name="a", architecture="swrn-16-1-2", metrics={"loss": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        save(tiny, tmp_path / "x", record)
    assert not list(tmp_path.iterdir())


def test_an_evaluation_rewrites_record_and_card(folder):
    from dataclasses import replace

    write_record(folder, replace(read_record(folder), metrics={"test_accuracy": 0.125}))
    assert read_record(folder).metrics == {"test_accuracy": 0.125}
    assert "12.50%" in (folder / "README.md").read_text()
    verify_files(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"config\.json"):
        write_record(folder, read_record(folder))


def test_a_folded_model_is_a_checkpoint_like_any_other(tmp_path, randomize, images, outputs):
    from recurzoo import fold

    model = randomize(create("swrn-22-1-1", input_shape=(8, 8, 3)))
    folded = fold(model, threshold=0.9)
    record = save(folded, tmp_path / "folded")
    assert record.sharing == "hard: stage_1, stage_2 and stage_3 each have 1 kernel for 4 convolutions"
    np.testing.assert_allclose(
        outputs(load(tmp_path / "folded"), images), outputs(folded, images), rtol=1e-5, atol=1e-5
    )
