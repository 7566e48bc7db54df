"""The authors' states, both ways: their network written out in NumPy, and in PyTorch where that is installed."""

import importlib.util
import resource
import runpy
import time
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import recurzoo
from recurzoo.families.swrn.pytorch import export_soft_sharing, import_soft_sharing
from recurzoo.models import SWRN
from recurzoo.sharing import HardSharing, SoftSharing, untied
from tests.support.numpy_layers import convolve, normalize, relu

IN_PYTORCH = Path(__file__).parents[2] / "examples" / "wide_resnet_pytorch.py"
MEAN, STD = np.array([125.3, 123.0, 113.9]) / 255, np.array([63.0, 62.1, 66.7]) / 255


def make_state(depth, width, templates, classes, seed=0):
    """A random state in the authors' names and shapes, repeated names included."""
    rng = np.random.default_rng(seed)
    state = {}

    def kernel(name, *shape):
        state[name] = rng.normal(0, np.sqrt(2 / np.prod(shape[-3:])), shape).astype("float32")

    def batch_norm(name, channels):
        state[f"{name}.weight"] = rng.uniform(0.5, 1.5, channels).astype("float32")
        state[f"{name}.bias"] = rng.normal(0, 0.3, channels).astype("float32")
        state[f"{name}.running_mean"] = rng.normal(0, 0.5, channels).astype("float32")
        # As after training, the variance is about that of what comes in: logits stay in the tens.
        state[f"{name}.running_var"] = rng.uniform(3, 10, channels).astype("float32")
        state[f"{name}.num_batches_tracked"] = np.array(7)

    kernel("conv_3x3.weight", 16, 3, 3, 3)
    inputs = 16
    for s, channels in enumerate((16 * width, 32 * width, 64 * width), start=1):
        if templates:
            kernel(f"bank_{s}.templates", templates, channels, channels, 3, 3)
        for b in range((depth - 4) // 6):
            name = f"stage_{s}.{b}"
            batch_norm(f"{name}.bn1", inputs)
            batch_norm(f"{name}.bn2", channels)
            for c, before in (("conv1", inputs), ("conv2", channels)):
                if b == 0 or not templates:
                    kernel(f"{name}.{c}.weight", channels, before, 3, 3)
                    continue
                state[f"{name}.{c}.coefficients"] = rng.normal(0, 0.3, (templates, 1, 1, 1, 1)).astype("float32")
                state[f"{name}.bank.templates"] = state[f"bank_{s}.templates"]
                state[f"{name}.{c}.bank.templates"] = state[f"bank_{s}.templates"]
            if inputs != channels:
                kernel(f"{name}.convShortcut.weight", channels, inputs, 1, 1)
            inputs = channels
    batch_norm("lastact.0", inputs)
    state["classifier.weight"] = rng.normal(0, 0.05, (classes, inputs)).astype("float32")
    state["classifier.bias"] = rng.normal(size=classes).astype("float32")
    return state


def authors_network(state, pixels):
    """Their forward pass on normalized images, in float64."""

    def batch_norm_relu(x, name):
        names = ("running_mean", "running_var", "weight", "bias")
        return relu(normalize(x, *(state[f"{name}.{n}"].astype("float64") for n in names)))

    def conv(x, name, s, stride=1):
        if f"{name}.weight" in state:
            kernel = state[f"{name}.weight"].astype("float64")
        else:
            templates = state[f"bank_{s}.templates"].astype("float64")
            kernel = (templates * state[f"{name}.coefficients"]).sum(axis=0)
        return convolve(x, kernel.transpose(2, 3, 1, 0), stride)

    x = conv((pixels / 255 - MEAN) / STD, "conv_3x3", 0)
    for s in (1, 2, 3):
        b = 0
        while f"stage_{s}.{b}.bn1.weight" in state:
            name, stride = f"stage_{s}.{b}", 2 if b == 0 and s > 1 else 1
            h = batch_norm_relu(x, f"{name}.bn1")
            has_shortcut = f"{name}.convShortcut.weight" in state
            carried = conv(h, f"{name}.convShortcut", s, stride) if has_shortcut else x
            h = batch_norm_relu(conv(h, f"{name}.conv1", s, stride), f"{name}.bn2")
            x = carried + conv(h, f"{name}.conv2", s)
            b += 1
    features = batch_norm_relu(x, "lastact.0").mean(axis=(1, 2))
    return features @ state["classifier.weight"].T.astype("float64") + state["classifier.bias"]


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, size=(2, 32, 32, 3)).astype("uint8")


class Tensor:
    """As much of a torch tensor as the import may use."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


@pytest.mark.parametrize(
    ("depth", "width", "templates", "classes"),
    [(16, 1, 2, 10), (22, 2, 3, 7), (16, 1, None, 10), (10, 2, None, 5)],
    ids=["SWRN-16-1-2", "SWRN-22-2-3", "WRN-16-1", "WRN-10-2"],
)
def test_logits_are_those_of_the_authors_network(depth, width, templates, classes, pixels):
    state = make_state(depth, width, templates, classes)
    model = import_soft_sharing(state)
    expected = {"depth": depth, "width": width, "num_templates": templates, "num_classes": classes}
    assert expected.items() <= model.architecture.items()
    reference = authors_network(state, pixels)
    assert np.ptp(reference) > 0.5
    np.testing.assert_allclose(ops.convert_to_numpy(model(pixels)), reference, rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", ["without aliases", "aliases only", "data parallel", "tensors", "whole checkpoint"])
def test_every_form_of_the_same_state(variant, pixels):
    state = make_state(16, 1, 2, 10)
    expected = ops.convert_to_numpy(import_soft_sharing(state)(pixels))
    form = {
        "without aliases": lambda: {n: a for n, a in state.items() if ".bank." not in n and "num_batches" not in n},
        "aliases only": lambda: {n: a for n, a in state.items() if not n.startswith("bank_")},
        "data parallel": lambda: {f"module.{n}": a for n, a in state.items()},
        "tensors": lambda: {n: Tensor(a) for n, a in state.items()},
        "whole checkpoint": lambda: {"epoch": 200, "arch": "swrn", "state_dict": state},
    }[variant]()
    np.testing.assert_array_equal(ops.convert_to_numpy(import_soft_sharing(form)(pixels)), expected)


@pytest.mark.parametrize("templates", [2, None])
def test_export_is_the_inverse(templates):
    state = make_state(16, 2, templates, 10)
    written = export_soft_sharing(import_soft_sharing(state))
    assert written.keys() == {name for name in state if not name.endswith("num_batches_tracked")}
    for name, array in written.items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)


@pytest.mark.parametrize(
    ("depth", "width", "templates"),
    [(16, 2, 1), (22, 1, 4), (28, 1, 6), (16, 1, 2), (22, 1, None)],
    ids=["one template", "as many as slots", "deep", "two", "plain"],
)
def test_there_and_back_and_saved_between_to_the_bit(depth, width, templates, tmp_path):
    """From their state, raw names and all, to a model with dropout, to a file, to a model and to their state again."""
    state = make_state(depth, width, templates, 7)
    model = recurzoo.import_soft_sharing(state, dropout=0.3)
    recurzoo.save(model, tmp_path / "x")
    loaded = recurzoo.load(tmp_path / "x")
    assert loaded.architecture["dropout"] == 0.3
    own = {name: array for name, array in state.items() if not name.endswith("num_batches_tracked")}
    assert max(array.nbytes for array in own.values()) <= 1_000_000  # What is stored in full precision.
    for each in (model, loaded, recurzoo.import_soft_sharing(recurzoo.export_soft_sharing(loaded))):
        written = recurzoo.export_soft_sharing(each)
        assert written.keys() == own.keys()
        for name, array in written.items():
            assert (array.dtype, array.shape) == (own[name].dtype, own[name].shape)
            assert array.tobytes() == own[name].tobytes(), name


@pytest.mark.parametrize("name", ["swrn-16-2", "swrn-22-1-3", "wrn-16-2"])
def test_every_weight_comes_back_to_the_bit(name, randomize):
    """With entry shortcuts, where the width changes, and without."""
    model = randomize(recurzoo.create(name, num_classes=4))
    again = recurzoo.import_soft_sharing(recurzoo.export_soft_sharing(model))
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    for old, new in zip(model.weights, again.weights, strict=True):
        assert ops.convert_to_numpy(old).tobytes() == ops.convert_to_numpy(new).tobytes(), old.path


def test_settings_of_the_data_set_can_be_given():
    model = import_soft_sharing(make_state(16, 1, 2, 100), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.3), dropout=0.3)
    assert model.architecture["mean"] == (0.5, 0.4, 0.3)
    assert model.architecture["dropout"] == 0.3


def test_one_error_lists_everything_that_is_wrong():
    state = make_state(16, 1, 2, 10)
    del state["lastact.0.running_var"], state["stage_2.1.conv2.coefficients"]
    state["stage_1.5.conv9.weight"] = np.zeros(3)
    state["extra"] = np.zeros((2, 2))
    state["stage_3.0.convShortcut.weight"] = np.zeros((64, 16, 1, 1))
    state["stage_2.1.conv1.coefficients"] = np.zeros((3, 1, 1, 1, 1))
    state["stage_3.1.bank.templates"] = state["bank_3.templates"] + 1
    with pytest.raises(ValueError, match="Received: 7 problems") as error:
        import_soft_sharing(state)
    for line in (
        "missing: lastact.0.running_var (64,)",
        "missing: stage_2.1.conv2.coefficients (2, 1, 1, 1, 1)",
        "unexpected: stage_1.5.conv9.weight (3,)",
        "unexpected: extra (2, 2)",
        "shape of stage_3.0.convShortcut.weight: expected (64, 32, 1, 1), received (64, 16, 1, 1)",
        "shape of stage_2.1.conv1.coefficients: expected (2, 1, 1, 1, 1), received (3, 1, 1, 1, 1)",
        "contradictory: stage_3.1.bank.templates differs from another name of bank_3.templates",
    ):
        assert f"\n  {line}" in str(error.value)


LIE = np.lib.stride_tricks.as_strided(np.zeros(1, "float32"), (10**9, 64), (0, 0))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"conv_3x3.weight": np.array([object()])},
        {"conv_3x3.weight": "weights"},
        {"conv_3x3.weight": None},
        {"conv_3x3.weight": [[1.0], [1.0, 2.0]]},
        {"conv_3x3.weight": np.zeros((16, 3, 3, 3), "complex64")},
        {"conv_3x3.weight": np.zeros((16, 3, 3, 3), "int64")},
        {"classifier.weight": LIE, "classifier.bias": LIE[:, 0]},
        {f"stage_{number}.999999.bn2.weight": np.zeros(16, "float32") for number in (1, 2, 3)},
        {f"stage_{number}.{block}.bn2.weight": LIE[:, 0] for number in (1, 2, 3) for block in (0, 1)},
        {f"bank_{number}.templates": np.zeros((10**6, 0, 0, 3, 3), "float32") for number in (1, 2, 3)},
        {"state_dict": 3},
        {3: np.zeros(3)},
    ],
)
def test_what_is_no_state_is_refused_before_it_takes_memory(spoilt):
    start, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="Received: "):
        import_soft_sharing(make_state(16, 1, 2, 10) | spoilt)
    assert time.monotonic() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # In kilobytes.


def test_states_of_other_networks_are_refused():
    with pytest.raises(ValueError, match=r"Received: \['layer1.0.conv1.weight'\]"):
        import_soft_sharing({"layer1.0.conv1.weight": np.zeros((64, 64, 3, 3))})
    with pytest.raises(ValueError, match="Received: "):
        import_soft_sharing({})


@pytest.mark.parametrize(
    "model",
    [
        lambda: SWRN(16, 1, 2, sharing={"stage_1": HardSharing((0, 0), scaled=True)}),
        lambda: SWRN(16, 1, 2, include_top=False),
        lambda: "swrn-16-1-2",
    ],
)
def test_networks_the_authors_code_lacks_are_not_written(model):
    with pytest.raises(ValueError, match="Received: "):
        export_soft_sharing(model())


def test_one_stage_alone_may_be_materialized():
    model = SWRN(16, 1, 2, sharing={"stage_1": untied(2), "stage_2": SoftSharing(1)})
    names = export_soft_sharing(model).keys()
    assert "stage_1.1.conv1.weight" in names
    assert "bank_1.templates" not in names
    assert "stage_2.1.conv1.coefficients" in names


@pytest.mark.tensorflow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(("depth", "width", "templates"), [(22, 2, 3), (16, 1, 2), (16, 1, None)])
def test_logits_of_the_network_in_pytorch(depth, width, templates, pixels):
    """A PyTorch network of their names loads, strictly, what we write; we read what it writes."""
    import torch

    network = runpy.run_path(str(IN_PYTORCH))["WideResNet"](depth, width, templates).eval()
    model = import_soft_sharing(make_state(depth, width, templates, 10))
    network.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in export_soft_sharing(model).items()})
    normalized = torch.from_numpy(((pixels / 255 - MEAN) / STD).astype("float32")).permute(0, 3, 1, 2)
    with torch.no_grad():
        theirs = network(normalized).numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(model(pixels)), theirs, rtol=0, atol=1e-5)
    again = import_soft_sharing(torch.nn.DataParallel(network).state_dict())
    np.testing.assert_array_equal(ops.convert_to_numpy(again(pixels)), ops.convert_to_numpy(model(pixels)))
