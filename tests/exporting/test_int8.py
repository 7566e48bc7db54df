"""Files in int8: what they give, that a shared kernel is once in them with a scale a use, and what is refused."""

import os
import re
import shutil
import subprocess

import keras
import numpy as np
import pytest

import recurzoo
from recurzoo.exporting import export
from recurzoo.exporting.formats import FORMATS
from recurzoo.layers import PreActivationBlock, Stage
from recurzoo.models import PreActivationResNet
from recurzoo.sharing import tied
from tests.exporting.test_exporting import MODELS, handmade, recurrent, run

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_quantizer")
pytestmark = pytest.mark.tensorflow

TINY = {
    **{name: build for name, (build, _) in MODELS.items()},
    "frnn": lambda: recurzoo.create("frnn-3-t5-w16", input_shape=(16, 16, 3)),
    "preresnet": lambda: PreActivationResNet(26, 2, input_shape=(16, 16, 3)),
    "relaxed": lambda: recurzoo.consolidate(recurzoo.create("resnet-24-relaxed-all", input_shape=(16, 16, 3))),
    "scnn": lambda: recurzoo.create("scnn-20", input_shape=(16, 16, 3)),
}


def pictures(model, rng, count=24):
    """Smooth random images: noise would give a network of random weights one and the same average."""
    shape = [size or 16 for size in model.input_shape[1:]]
    coarse = rng.uniform(0, 255, (count, 4, 4, shape[-1]))
    fine = keras.ops.image.resize(coarse.astype("float32"), shape[:2], interpolation="bilinear")
    return np.round(np.clip(keras.ops.convert_to_numpy(fine), 0, 255)).astype("float32")


def settled(model, images, randomize):
    """A model of random weights whose normalizations have the statistics of the images, as a trained one's have."""
    randomize(model)
    recurzoo.reestimate_batch_norm(model, images)
    return model


def int8_constants(path, format):
    """The names or numbers of the int8 constants and how many numbers each has."""
    if format == "onnx":
        import onnx

        found = onnx.load(path).graph.initializer
        return {tensor.name: int(np.prod(tensor.dims)) for tensor in found if tensor.data_type == onnx.TensorProto.INT8}
    from ai_edge_litert import schema_py_generated as schema

    file = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    kinds = [tensor for tensor in file.subgraphs[0].tensors if tensor.type == schema.TensorType.INT8]
    sizes = {tensor.buffer: file.buffers[tensor.buffer].data for tensor in kinds}
    return {buffer: len(data) for buffer, data in sizes.items() if data is not None and len(data)}


@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.parametrize("name", TINY)
def test_file_gives_the_models_outputs_and_holds_each_kernel_once(name, format, tmp_path, rng, randomize):
    model = TINY[name]()
    images = pictures(model, rng)
    settled(model, images, randomize) if name != "scnn" else randomize(model)
    path = tmp_path / f"model{FORMATS[format].suffix}"

    report = export(model, path, format, int8=images, tolerance=0.35)

    expected = keras.ops.convert_to_numpy(model(images, training=False))
    received = run(path, format, images)
    assert received.dtype == np.float32
    relative = np.sqrt(np.mean((received - expected) ** 2)) / expected.std()
    assert relative < 0.35
    np.testing.assert_allclose(report.relative_difference, relative, rtol=0.05)
    assert report.int8 == len(images)
    assert report.bytes == path.stat().st_size <= report.bytes_limit
    if name in MODELS:
        # Of the soft one the kernels of its four slots a stage, not its two templates.
        more = [(c, c) for c in (16, 32, 64) for _ in range(2)] if name == "soft" else []
        held = sum(size for size in int8_constants(path, format).values() if size >= 9 * 16 * 16)
        shortcuts = 32 * 64 if "stage_3_entry" in {layer.name for layer in model.layers} else 0
        assert held - sum(9 * a * b for a, b in MODELS[name][1] + more) in (0, shortcuts)


def one_kernel_network():
    return handmade(Stage(PreActivationBlock(16), 3, tied(3)))


def test_a_kernel_has_one_array_and_the_normalizations_in_its_scales(tmp_path, rng, randomize):
    import onnx

    model = one_kernel_network()
    images = pictures(model, rng)
    settled(model, images, randomize)
    normalization = model.layers[1].normalizations["bn2"]
    normalization.gamma.assign(rng.uniform(0.5, 2, normalization.gamma.shape))
    export(model, tmp_path / "model.onnx", int8=images, tolerance=1)

    gamma, variance = (np.array(v) for v in (normalization.gamma, normalization.moving_variance))
    factors = gamma / np.sqrt(variance + normalization.epsilon)
    kernel = np.array(model.layers[1].banks[0].templates)[0]
    largest = np.abs(kernel).reshape(-1, 16).max(axis=0)
    graph = onnx.load(tmp_path / "model.onnx").graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    uses = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in arrays]
    scales = [arrays[node.input[1]] for node in uses if arrays[node.input[0]].shape == (16, 16, 3, 3)]
    by_kernel = {node.input[0] for node in uses if arrays[node.input[0]].shape == (16, 16, 3, 3)}
    assert len(by_kernel) == 2
    for factor in factors:
        assert any(np.allclose(scale, factor * largest / 127, rtol=1e-4) for scale in scales)
    numbers = [arrays[name] for name in by_kernel]
    expected = np.round(kernel / largest * 127).transpose(3, 2, 0, 1)
    assert any(np.abs(array - expected).max() <= 1 for array in numbers)


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_negative_factors_leave_the_kernel_single(format, tmp_path, rng, randomize):
    model = one_kernel_network()
    images = pictures(model, rng)
    settled(model, images, randomize)
    gamma = model.layers[1].normalizations["bn2"].gamma
    gamma.assign(np.where(np.arange(16) % 2, 1, -1) * np.abs(np.array(gamma)))
    path = tmp_path / f"model{FORMATS[format].suffix}"
    export(model, path, format, int8=images)
    assert sorted(size for size in int8_constants(path, format).values() if size >= 9 * 16 * 16) == [9 * 16 * 16] * 2


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_pixels_in_uint8_give_what_they_give_in_float32(format, tmp_path, rng, randomize):
    model = settled(TINY["pooled"](), images := pictures(TINY["pooled"](), rng), randomize)
    outputs = []
    for dtype in ("float32", "uint8"):
        path = tmp_path / f"{dtype}{FORMATS[format].suffix}"
        export(model, path, format, int8=images, input_dtype=dtype)
        outputs.append(run(path, format, images.astype(dtype)))
    np.testing.assert_allclose(*outputs, atol=1e-6)


def test_c_compiles_and_runs_as_litert(tmp_path, rng, randomize):
    pytest.importorskip("tflite_micro")
    model = settled(recurrent(2), images := pictures(recurrent(2), rng), randomize)
    report = export(model, tmp_path / "model.c", "c", int8=images)
    assert report.arena_bytes > 8 * 8 * 16
    assert {"QUANTIZE", "DEQUANTIZE", "WHILE"}.isdisjoint(report.operators)
    assert report.operators["CONV_2D"] == 4
    export(model, tmp_path / "model.c", "c", int8=images)  # an earlier export is replaced
    text = (tmp_path / "model.c").read_text()
    assert int(re.search(r"recurzoo_model_size = (\d+)u", text)[1]) == text.count("0x") == report.bytes
    for compiler, language in (("cc", "c"), ("c++", "c++")):
        if shutil.which(compiler):
            command = [compiler, "-x", language, "-Wall", "-Werror", "-c", "model.c", "-o", f"{language}.o"]
            subprocess.run(command, cwd=tmp_path, check=True)


def test_what_is_refused_leaves_what_was_there(tmp_path, rng, randomize, capfd):
    model = settled(recurrent(2), images := pictures(recurrent(2), rng), randomize)
    path = tmp_path / "model.onnx"
    export(model, path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="int8 differ"):
        export(model, path, int8=images, tolerance=1e-6)
    with pytest.raises(ValueError, match="Received: int8=ndarray of shape"):
        export(model, path, int8=images[..., :3])
    with pytest.raises(ValueError, match="Received: int8=ndarray of shape"):
        export(model, path, int8=images[:0])
    with pytest.raises(ValueError, match="int8=True without data"):
        export(model, path, int8=True)
    with pytest.raises(ValueError, match="input_dtype='uint8'"):
        export(model, path, input_dtype="uint8")
    with pytest.raises(ValueError, match="input_dtype='uint8'"):
        export(model, path, int8=images / 255, input_dtype="uint8")
    with pytest.raises(ValueError, match="format='c' without"):
        export(model, tmp_path / "model.c", "c")
    with pytest.raises(ValueError, match="format='saved_model' with"):
        export(model, tmp_path / "saved", "saved_model", int8=images)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_quantizers_print_nothing(format, tmp_path, rng, randomize, capsys):
    model = settled(recurrent(2), images := pictures(recurrent(2), rng), randomize)
    export(model, tmp_path / f"model{FORMATS[format].suffix}", format, int8=images)
    assert capsys.readouterr().out == ""


@pytest.mark.data
def test_shipped_network_loses_less_than_half_a_point(tmp_path, monkeypatch):
    # Of the training images, those alone are decoded that it is calibrated on.
    monkeypatch.setenv("RECURZOO_MEMORY", "0")
    data = os.environ["RECURZOO_DATA"] + "/cifar10"
    report = export("rc-4-w16", tmp_path / "model.tflite", "litert", int8=True, data=data, limit=2000)
    assert report.measured.examples == 2000
    assert 0 < report.latency_ratio < 10
    assert report.bytes < report.peak_memory_bytes < 100 * report.bytes
    assert report.measured.file >= report.measured.model - 0.005
    assert report.bytes < 0.4 * report.parameter_bytes
