"""Exported files: what they give, what they weigh, how often a kernel is in them, and what a failed export leaves."""

import dataclasses
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from recurzoo.analysis.reading import trajectory
from recurzoo.analysis.readouts import with_readouts
from recurzoo.exporting import export, formats
from recurzoo.exporting.memory import peak_memory
from recurzoo.layers import PostActivationBlock, PreActivationBlock, Stage
from recurzoo.models import SWRN
from recurzoo.rewriting.fold import fold
from recurzoo.rewriting.soften import soften
from recurzoo.sharing import HardSharing, partly, tied
from tests.support.latency import latency_ratio
from tests.support.networks import make

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytestmark = pytest.mark.tensorflow

FORMATS = ["onnx", "litert", "saved_model"]


def folded(depth=22, width=1, size=8, unroll=False):
    slots = 2 * ((depth - 4) // 6 - 1)
    sharing = {f"stage_{stage}": HardSharing((0,) * slots, scaled=True) for stage in (1, 2, 3)}
    return SWRN(depth, width, 1, sharing=sharing, input_shape=(size, size, 3), unroll=unroll)


def handmade(stage):
    pooled = keras.layers.GlobalAveragePooling2D()
    return keras.Sequential([keras.Input((8, 8, 16)), keras.layers.Rescaling(1 / 255), stage, pooled])


def recurrent(steps):
    return handmade(Stage(PreActivationBlock(16), steps, tied(steps)))


def partly_shared():
    index = partly((0, 1, 0, 2, 1, 0))
    return handmade(Stage(PreActivationBlock(16), 3, index, "shared_affine", across_sites=True))


def pooled_cell():
    halve = {2: keras.layers.AveragePooling2D(2)}
    block = PostActivationBlock(16, bias="per_step")
    return handmade(Stage(block, 4, tied(4), before=halve, death_rates=[0.1, 0.2, 0.3, 0.5]))


def scaled():
    return handmade(Stage(PreActivationBlock(16), 2, HardSharing((0, 1), scaled=True)))


# With each model, the kernels of its 3x3 convolutions that must be in the file: (in, out) of each, the stem's left out.
def convolutions():
    """Two layers of each kind of convolution, softened to one kernel a kind, and folded."""
    kinds = [{}, {"groups": 4}, {"dilation_rate": 2}]
    x = inputs = keras.Input((8, 8, 16))
    for settings in kinds * 2:
        x = keras.layers.Conv2D(16, 3, padding="same", use_bias=False, **settings)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x))
    return fold(soften(keras.Model(inputs, x), templates=1), 0.9)


MODELS = {
    "folded": (folded, [(16, 16)] * 3 + [(16, 32)] + [(32, 32)] * 2 + [(32, 64)] + [(64, 64)] * 2),
    "partly": (partly_shared, [(16, 16)] * 3),
    "pooled": (pooled_cell, [(16, 16)] * 2),
    "scaled": (scaled, [(16, 16)] * 4),
    "plain": (
        lambda: SWRN(16, 1, None, input_shape=(8, 8, 3), include_top=False),
        [(16, 16)] * 4 + [(16, 32)] + [(32, 32)] * 3 + [(32, 64)] + [(64, 64)] * 3,
    ),
    # What is dilated shares with what is not; what is depthwise or in groups is smaller than what is counted.
    "convolutions": (convolutions, [(16, 16)]),
    # Four slots a stage of two templates each.
    "soft": (
        lambda: SWRN(22, 1, 2, input_shape=(8, 8, 3)),
        [(16, 16)] * 2 + [(16, 16)] * 2 + [(16, 32), (32, 32)] + [(32, 32)] * 2 + [(32, 64), (64, 64)] + [(64, 64)] * 2,
    ),
}


def run(path, format, images):
    """The file in its runtime, through the names that users call it by."""
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(["logits"], {"images": images})[0]
    if format == "litert":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], images.shape)
        return interpreter.get_signature_runner("serving_default")(images=images)["logits"]
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return loaded.signatures["serving_default"](images=tf.constant(images))["logits"].numpy()


def constant_sizes(path, format):
    """How many numbers each constant of the file has."""
    if format == "onnx":
        import onnx

        return [int(np.prod(tensor.dims)) for tensor in onnx.load(path).graph.initializer]
    if format == "litert":
        from ai_edge_litert import schema_py_generated as schema

        model = schema.Model.GetRootAs(path.read_bytes())
        return [model.Buffers(i).DataLength() // 4 for i in range(model.BuffersLength())]
    import tensorflow as tf

    checkpoint = str(path / "variables" / "variables")
    return [int(np.prod(shape)) for _, shape in tf.train.list_variables(checkpoint)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", MODELS)
def test_file_gives_the_models_outputs_and_holds_each_kernel_once(name, format, tmp_path, rng, randomize):
    build, kernels = MODELS[name]
    model = randomize(build())
    path = tmp_path / "model"

    report = export(model, path, format=format)

    images = rng.uniform(0, 255, (5, *model.input_shape[1:])).astype("float32")
    expected = keras.ops.convert_to_numpy(model(images, training=False))
    np.testing.assert_allclose(
        run(path, format, images), expected, rtol=1e-4, atol=1e-4 * max(1, np.abs(expected).max())
    )
    assert [file.name for file in tmp_path.iterdir()] == ["model"]

    smallest = 9 * 16 * 16
    held = sum(size for size in constant_sizes(path, format) if size >= smallest)
    shortcuts = 32 * 64 if "stage_3_entry" in {layer.name for layer in model.layers} else 0
    assert held - sum(9 * a * b for a, b in kernels) in (0, shortcuts)

    # Dropout's and stochastic depth's seeds are not read, everything else is.
    parameters = sum(int(np.prod(v.shape)) for v in model.variables if "seed" not in v.path)
    assert report.parameters == parameters
    assert (
        report.bytes
        <= report.bytes_limit
        == parameters * 4 * 11 // 10 + (256 if format == "saved_model" else 64) * 1024
    )
    assert report.largest_difference <= 1e-4 * max(1, np.abs(expected).max()) * 2
    assert json.loads(json.dumps(report.to_dict()))["bytes_ratio"] == report.bytes / (4 * parameters)
    assert f"{report.parameters:,}" in str(report)


@pytest.mark.parametrize("family", ["swrn", "rc", "frnn"])
def test_a_file_of_readouts_has_an_output_a_step_and_each_kernel_once(family, tmp_path, rng, randomize):
    import onnxruntime

    model, path = randomize(make(family)), tmp_path / "steps.onnx"
    single = export(model, tmp_path / "single.onnx")
    report = export(with_readouts(model), path)
    images = rng.uniform(0, 255, (3, *model.input_shape[1:])).astype("float32")
    expected = {name: m.logits for name, m in trajectory(model, images).items() if m.logits is not None}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == list(expected)
    for name, logits in expected.items():
        (received,) = session.run([name], {"images": images})
        np.testing.assert_allclose(received, logits, rtol=1e-3, atol=1e-3 * max(1, np.abs(logits).max()))
    # Small nodes alone come on top; those of the steps read out earlier.
    kernels = [
        sorted(size for size in constant_sizes(p, "onnx") if size >= 9 * 8) for p in (tmp_path / "single.onnx", path)
    ]
    assert kernels[0] == kernels[1]
    assert report.parameters == single.parameters


@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.parametrize("family", ["swrn", "rc"])
def test_equal_networks_have_equal_files(family, format, tmp_path, rng, randomize):
    model, again = randomize(make(family)), make(family)
    again.set_weights(model.get_weights())
    images = rng.uniform(0, 255, (8, *model.input_shape[1:])).astype("float32")
    for int8 in (None, images):
        paths = [tmp_path / f"{number}_{int8 is not None}" for number in range(2)]
        for each, path in zip((model, again), paths, strict=True):
            export(each, path, format, int8=int8)
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_export_leaves_the_model_as_it_was(tmp_path, randomize):
    model = randomize(folded(16, unroll=False))
    export(model, tmp_path / "model.onnx")
    assert not any(stage.unroll for stage in model.stages)
    assert not any("serve" in vars(bank) for stage in model.stages for bank in stage.banks)


def test_litert_constants_are_aligned(tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    export(recurrent(2), tmp_path / "model.tflite", format="litert")
    data = np.frombuffer((tmp_path / "model.tflite").read_bytes(), "uint8")
    model = schema.Model.GetRootAs(data)
    buffers = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()]
    offsets = [b.__array_interface__["data"][0] - data.__array_interface__["data"][0] for b in buffers]
    assert len(offsets) >= 5
    assert not any(offset % 16 for offset in offsets)


def test_materialized_file_holds_the_kernels(tmp_path, randomize):
    model = randomize(SWRN(22, 1, 2, input_shape=(8, 8, 3)))
    report = export(model, tmp_path / "model.tflite", format="litert", materialize=True)
    # Four kernels a stage instead of two templates and 4 * 2 coefficients.
    more = sum(2 * 9 * channels**2 - 4 * 2 for channels in (16, 32, 64))
    assert report.materialized
    assert report.parameters == sum(int(np.prod(v.shape)) for v in model.variables) + more


@pytest.mark.parametrize("format", FORMATS)
def test_shared_kernels_written_twice_fail_and_leave_the_earlier_file(format, tmp_path, monkeypatch):
    path = tmp_path / "model"
    export(recurrent(2), path, format=format)
    before = sorted((file, file.read_bytes()) for file in [path, *path.rglob("*")] if file.is_file())

    chosen, unshared = formats.FORMATS[format], SWRN(22, 2, None, input_shape=(8, 8, 3))
    write = dataclasses.replace(chosen, write=lambda model, path: chosen.write(unshared, path))
    monkeypatch.setitem(formats.FORMATS, format, write)
    with pytest.raises(RuntimeError, match=r"too large for its parameters.*Received: \d+ bytes for \d+ bytes"):
        export(folded(22, 2), path, format=format)

    assert sorted((file, file.read_bytes()) for file in [path, *path.rglob("*")] if file.is_file()) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [0.1, np.nan])
def test_wrong_outputs_fail_and_leave_nothing(value, tmp_path, monkeypatch, randomize):
    def write_another(model, path):
        correct = model.get_weights()
        beta = model.layers[1].normalizations["bn2"].beta
        beta.assign(beta + value)
        chosen.write(model, path)
        model.set_weights(correct)

    chosen = formats.FORMATS["onnx"]
    monkeypatch.setitem(formats.FORMATS, "onnx", dataclasses.replace(chosen, write=write_another))
    with pytest.raises(
        RuntimeError, match=r"outputs differ from the model's; it was not kept. Received: a difference of"
    ):
        export(randomize(recurrent(2)), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_errors_say_what_to_do(tmp_path, monkeypatch):
    model = recurrent(2)
    two_inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    with pytest.raises(ValueError, match=r"one of onnx, litert, c, saved_model. Received: format='tflite'"):
        export(model, tmp_path / "x", format="tflite")
    with pytest.raises(FileNotFoundError, match=r"folder that exists. Received: path=.*make it first"):
        export(model, tmp_path / "missing" / "x")
    with pytest.raises(IsADirectoryError, match=r"one file. Received"):
        export(model, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"replaces an earlier export alone. Received"):
        export(model, tmp_path, format="saved_model")
    with pytest.raises(NotADirectoryError, match=r"a folder. Received"):
        export(model, tmp_path / "notes.txt", format="saved_model")
    with pytest.raises(
        ValueError, match=r"one batch of images .* to one tensor, and must be built. Received: Functional"
    ):
        export(keras.Model(two_inputs, keras.layers.Add()(two_inputs)), tmp_path / "x")
    for settings in ({"format": "litert"}, {"materialize": True}, {"int8": np.zeros((1, 8, 8, 3))}):
        with pytest.raises(ValueError, match=r"Outputs by name are exported as ONNX.* with 4 outputs by name"):
            export(with_readouts(make("rc")), tmp_path / "x", **settings)
    with pytest.raises(ValueError, match=r"computes in float32. Received: a model with layers in bfloat16"):
        export(handmade(Stage(PreActivationBlock(16), 2, tied(2), dtype="mixed_bfloat16")), tmp_path / "x")
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        with pytest.raises(PermissionError, match=r"not writable; choose another"):
            export(model, tmp_path / "x")
    with monkeypatch.context() as patch:
        patch.setattr(formats, "find_spec", lambda module: None)
        with pytest.raises(
            ImportError, match=r'no tf2onnx, onnx, onnxruntime. Install.*pip install "recurzoo\[export\]"'
        ):
            export(model, tmp_path / "x")
    with monkeypatch.context() as patch:
        patch.setattr(keras.backend, "backend", lambda: "jax")
        with pytest.raises(RuntimeError, match=r"Received: the 'jax' backend. Set KERAS_BACKEND=tensorflow"):
            export(model, tmp_path / "x")
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_export_replaces_an_earlier_saved_model(tmp_path):
    path = tmp_path / "model"
    first = export(recurrent(1), path, format="saved_model")
    second = export(recurrent(2), path, format="saved_model")
    assert second.parameters > first.parameters
    assert list(tmp_path.iterdir()) == [path]


def test_export_replaces_nothing_else_unless_told_to(tmp_path):
    folder, file, link = tmp_path / "model", tmp_path / "model.onnx", tmp_path / "link.tflite"
    export(recurrent(1), folder, format="saved_model")
    (folder / "assets").mkdir(exist_ok=True)
    mine = folder / "assets" / "notes.txt"
    mine.write_text("mine")
    file.write_text("images and logits, of mine")
    (tmp_path / "elsewhere").write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")
    for path, format in ((folder, "saved_model"), (file, "onnx"), (link, "litert")):
        with pytest.raises(FileExistsError, match="Received: path="):
            export(recurrent(1), path, format=format)
    assert mine.read_text() == (tmp_path / "elsewhere").read_text() == "mine"
    assert file.read_text().endswith("of mine")
    export(recurrent(1), file, overwrite=True)
    bytes_before = file.stat().st_size
    export(recurrent(2), file)
    assert file.stat().st_size > bytes_before
    export(recurrent(1), tmp_path / "model.tflite", format="litert")
    export(recurrent(2), tmp_path / "model.tflite", format="litert")


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_folded_swrn_is_smaller_than_the_wide_resnet_and_as_fast(format, tmp_path: Path, randomize):
    small = export(randomize(folded(28, 2, size=32)), tmp_path / "folded", format=format)
    large = export(randomize(SWRN(28, 2, None)), tmp_path / "plain", format=format)
    assert small.bytes < 0.40 * large.bytes
    assert latency_ratio(tmp_path / "folded", tmp_path / "plain", format, pairs=60) <= 1.2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_memory_of_an_inference_has_its_widest_state(format, tmp_path):
    taken = []
    for size in (32, 256):
        model = keras.Sequential([keras.Input((size, size, 3)), keras.layers.Conv2D(64, 3, padding="same")])
        model.add(keras.layers.GlobalAveragePooling2D())
        path = tmp_path / f"{size}{formats.FORMATS[format].suffix}"
        export(model, path, format=format)
        taken.append(peak_memory(path, format, (size, size, 3)))
    state = 4 * 64 * (256**2 - 32**2)
    assert 0.9 * state < taken[1] - taken[0] < 3 * state
    assert peak_memory(path, "c", (size, size, 3)) is None
