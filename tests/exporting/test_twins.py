"""Networks whose kernels repeat in time, exported, against their plain twins: smaller in proportion, and as fast."""

import pytest

import recurzoo
from tests.support.latency import latency_ratio

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]

# What a file holds besides parameters, as the exporter allows it.
OVERHEAD = {"onnx": 64 * 1024, "litert": 64 * 1024, "saved_model": 256 * 1024}
TWINS = [
    ("rc-4-w16", "rc-resnet-18-w16"),
    ("resnet-24-raw-all", "resnet-24"),
    ("resnet-24-relaxed-all", "resnet-24"),
    ("preresnet-56-ubn", "preresnet-56"),
    ("scnn-20", "cnn-20"),
    ("frnn-3-t5-w16", "frnn-3-t5-w16-independent"),
]


def recurrent(name):
    model = recurzoo.create(name)
    if "relaxed" in name:
        return recurzoo.consolidate(model)
    return recurzoo.fold(model, threshold=0) if name.startswith("scnn") else model


@pytest.mark.parametrize("format", OVERHEAD)
@pytest.mark.parametrize(("name", "twin"), TWINS)
def test_smaller_in_proportion_and_as_fast(name, twin, format, tmp_path, randomize):
    small = recurzoo.export(randomize(recurrent(name)), tmp_path / "recurrent", format=format)
    large = recurzoo.export(randomize(recurzoo.create(twin)), tmp_path / "plain", format=format)
    assert small.parameters < large.parameters
    assert small.bytes <= 1.1 * large.bytes * small.parameters / large.parameters + OVERHEAD[format]
    assert latency_ratio(tmp_path / "recurrent", tmp_path / "plain", format, pairs=60) <= 1.2
