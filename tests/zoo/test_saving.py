"""Checkpoints: whole or not at all, nothing but what was saved, nothing less, and nothing that would not load."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from recurzoo.checkpoints.folder import KERAS_FILES, read_record, verify_files
from recurzoo.zoo.loading import create, load
from recurzoo.zoo.saving import recording, save, write_record
from tests.conftest import BACKEND

OPEN_WITH_CORE_KERAS = """
import sys
import keras, numpy as np
import recurzoo
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], keras.ops.convert_to_numpy(model(np.load(sys.argv[3]))))
"""


def test_the_record_says_what_was_measured(folder):
    record = read_record(folder)
    # 175,078 at 10 classes; 5 fewer outputs of 64 weights and a bias.
    assert record.parameters == 175078 - 5 * 65
    assert record.architecture == "swrn-16-1-2"
    assert record.sharing == "soft: 2 convolutions a stage share 2 templates"
    assert sorted(record.files) == ["config.json", "model.safetensors"]
    for name, file in record.files.items():
        content = (folder / name).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (record.versions["keras"], record.versions["backend"]) == (keras.__version__, BACKEND)
    assert "swrn-16-1-2" in (folder / "README.md").read_text()


def test_a_record_and_a_log_are_kept(tiny, tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,2\n")
    (tmp_path / "angles").write_bytes(b"angles")
    fields = {"name": "swrn-16-1-2.mine", "architecture": "swrn-16-1-2", "class_names": list("abcde")}
    save(tiny, tmp_path / "x", fields, training_log=tmp_path / "log.csv", coefficients=tmp_path / "angles")
    record = read_record(tmp_path / "x")
    assert (record.name, record.class_names) == ("swrn-16-1-2.mine", tuple("abcde"))
    assert (tmp_path / "x" / "training.csv").read_text() == "epoch,loss\n1,2\n"
    assert (tmp_path / "x" / "coefficients.safetensors").read_bytes() == b"angles"
    assert {"training.csv", "coefficients.safetensors"} < set(record.files)
    with pytest.raises(ValueError, match=r"is a swrn-16-1-2.*swrn-16-1-1"):
        save(tiny, tmp_path / "y", fields | {"architecture": "swrn-16-1-1"})
    assert not (tmp_path / "y").exists()


def test_everything_comes_back(tiny, folder, images, outputs):
    loaded = load(folder)
    np.testing.assert_allclose(outputs(loaded, images), outputs(tiny, images), rtol=1e-5, atol=1e-5)
    assert [v.path for v in loaded.weights] == [v.path for v in tiny.weights]
    assert loaded.architecture["mean"] == (0.5, 0.4, 0.3)
    assert loaded.architecture["std"] == (0.2, 0.3, 0.25)


def test_everyone_may_read_what_was_saved_as_the_umask_says(folder):
    (folder / "plain").write_text("")
    assert {path.stat().st_mode for path in folder.iterdir()} == {(folder / "plain").stat().st_mode}


def test_core_keras_opens_the_folder_if_it_was_asked_for(tiny, images, outputs, tmp_path):
    record = save(tiny, tmp_path / "x", keras=True)
    assert set(KERAS_FILES) < set(record.files)
    verify_files(tmp_path / "x", record, whole=True)
    np.save(tmp_path / "images.npy", images)
    arguments = [str(tmp_path / "x"), str(tmp_path / "logits.npy"), str(tmp_path / "images.npy")]
    subprocess.run([sys.executable, "-c", OPEN_WITH_CORE_KERAS, *arguments], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), outputs(tiny, images), rtol=1e-5, atol=1e-5)
    # For core Keras only: what is in them is nothing to us.
    for name in KERAS_FILES:
        (tmp_path / "x" / name).write_bytes(b"another")
    assert load(tmp_path / "x").name


def test_training_leaves_no_trace(tiny, images, tmp_path):
    import h5py

    tiny.compile("adam", "mse", run_eagerly=True)
    tiny.train_on_batch(images, np.zeros((6, 5)))
    save(tiny, tmp_path / "x", keras=True)
    shapes = []
    with h5py.File(tmp_path / "x" / "model.weights.h5") as file:
        file.visititems(lambda _, item: shapes.append(item.shape) if isinstance(item, h5py.Dataset) else None)
    assert sorted(shapes) == sorted(tuple(v.shape) for v in tiny.weights)
    assert "compile_config" not in json.loads((tmp_path / "x" / "config.json").read_text())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda model: model.get_layer("head").enable_lora(2), "lora_kernel_a"),
        (lambda model: model.get_layer("head").quantize("int8"), "head/kernel is I8"),
        (lambda model: model.get_layer("head").quantize("int4"), "head/kernel is I8"),
        (lambda model: model.get_layer("head").quantize("float8"), "inputs_amax_history"),
        (lambda model: setattr(model.get_layer("head"), "activation", keras.activations.softmax), r"\['head'\]"),
    ],
    ids=["adapters", "int8", "int4", "float8", "softmax"],
)
def test_a_model_that_would_not_come_back_is_refused(tiny, folder, change, match):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    change(tiny)
    with pytest.raises(ValueError, match=match) as error:
        save(tiny, folder, overwrite=True)
    assert "\n" not in str(error.value)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]


def test_double_precision_is_not_rounded_in_silence(tmp_path):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("float64")
        model = create("rc-1-w4", input_shape=(8, 8, 3))
        save(model, tmp_path / "x")
        assert load(tmp_path / "x").dtype == "float64"
    finally:
        keras.config.set_dtype_policy(before)
    with pytest.raises(ValueError, match="is F64"):
        save(model, tmp_path / "y")
    with pytest.raises(ValueError, match="is F64"):
        load(tmp_path / "x")


def test_frozen_and_mixed_models_are_kept(tmp_path, images, outputs):
    from recurzoo import freeze
    from tests.support.precision import mixed_bfloat16

    with mixed_bfloat16():
        model = freeze(create("rc-1-w4", input_shape=(8, 8, 3)))
    save(model, tmp_path / "x")
    loaded = load(tmp_path / "x")
    for old, new in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(old), keras.ops.convert_to_numpy(new))


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
    save(tiny, folder, overwrite=True)
    assert not (folder / "model.onnx").exists()
    assert "model.onnx" not in read_record(folder).files


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_an_interrupted_save_leaves_the_old_checkpoint(tiny, folder, monkeypatch, error):
    def interrupt(model, path, architecture):
        Path(path).write_bytes(b"half")
        raise error

    before = (folder / "record.json").read_bytes()
    monkeypatch.setattr("recurzoo.zoo.saving.write_weights", interrupt)
    for place in (folder, folder.parent / "new"):
        with pytest.raises(type(error)):
            save(tiny, place, overwrite=True)
    verify_files(folder, read_record(folder), whole=True)
    assert (folder / "record.json").read_bytes() == before
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]


def test_a_checkpoint_is_replaced_if_that_is_asked_for(folder, images, outputs, tiny):
    before = (folder / "model.safetensors").read_bytes()
    tiny.get_layer("head").bias.assign(np.arange(5.0))
    with pytest.raises(FileExistsError, match="a checkpoint already"):
        save(tiny, folder)
    assert (folder / "model.safetensors").read_bytes() == before
    save(tiny, folder, overwrite=True)
    np.testing.assert_allclose(outputs(load(folder), images), outputs(tiny, images), rtol=1e-5, atol=1e-5)
    assert [file.name for file in folder.parent.iterdir()] == ["tiny"]


def test_only_checkpoints_are_overwritten(tiny, tmp_path, folder):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    (folder / "notes.txt").write_text("mine")
    for place, kept in ((tmp_path / "work", "thesis.txt"), (folder, "notes.txt")):
        with pytest.raises(FileExistsError, match=kept):
            save(tiny, place, overwrite=True)
        assert (place / kept).exists()
    with pytest.raises(FileExistsError, match="a file in its place"):
        save(tiny, folder / "notes.txt", overwrite=True)


@pytest.mark.parametrize("place", [".", "..", "", "/"])
def test_the_working_directory_is_not_replaced(tiny, tmp_path, monkeypatch, place):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ValueError, match="where this process works"):
        save(tiny, place, overwrite=True)
    assert not list((tmp_path / "here").iterdir())


def test_only_models_of_the_zoo_are_saved(tmp_path):
    with pytest.raises(ValueError, match=r"model\.save.*Sequential"):
        save(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "x")


def test_a_record_names_as_many_classes_as_there_are_outputs(tiny, tmp_path):
    record = {"name": "x", "architecture": "swrn-16-1-2", "class_names": ("cat", "dog")}
    with pytest.raises(ValueError, match="2 class_names in 'x' for 5 outputs"):
        save(tiny, tmp_path / "x", record)
    assert not (tmp_path / "x").exists()
    headless = tiny.with_architecture(include_top=False, pooling="avg")
    assert len(save(headless, tmp_path / "x", record).class_names) == 2


def test_a_record_is_rewritten_with_its_card(folder):
    write_record(folder, read_record(folder).replace(class_names=tuple("abcde")))
    assert read_record(folder).class_names == tuple("abcde")
    assert "a, b, c, d, e" in (folder / "README.md").read_text()
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
