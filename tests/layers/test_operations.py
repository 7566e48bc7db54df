"""Counting operations, in all and step by step."""

import keras
import pytest

from recurzoo.layers import PostActivationBlock, Stage
from recurzoo.layers.operations import macs, macs_by_step
from recurzoo.models import FRNN, RC, SWRN, BottleneckSWRN
from recurzoo.sharing import tied


def wrn_macs(depth, width, size=32, classes=10):
    """A Wide ResNet's operations, written out."""
    blocks = (depth - 4) // 6
    total = size**2 * 9 * 3 * 16
    before = 16
    for stage, channels in enumerate((16 * width, 32 * width, 64 * width)):
        positions = (size // 2**stage) ** 2
        total += positions * 9 * (before * channels + (2 * blocks - 1) * channels**2)
        total += positions * before * channels if before != channels else 0
        before = channels
    return total + before * classes


@pytest.mark.parametrize(("depth", "width", "templates"), [(16, 1, None), (28, 2, 2), (10, 3, None)])
def test_operations_of_wide_resnets(depth, width, templates):
    assert macs(SWRN(depth, width, templates)) == wrn_macs(depth, width)


def test_wrn_28_10_takes_the_published_operations():
    assert macs(SWRN(28, 10, None)) / 1e9 == pytest.approx(5.2, abs=0.05)


def test_operations_of_bottlenecks_whose_stride_is_inside():
    """ResNet-50 with the stride on its 3x3 convolutions takes 4.1 GMAC, as torchvision publishes (4.089)."""
    assert macs(BottleneckSWRN(50, 1, None)) / 1e9 == pytest.approx(4.089, abs=0.001)


def test_operations_after_pooling_inside_a_stage():
    images = keras.Input((8, 8, 4))
    halve = {1: keras.layers.AveragePooling2D(2)}
    model = keras.Model(images, Stage(PostActivationBlock(4), 3, tied(3), before=halve)(images))
    assert macs(model) == 2 * 9 * 4 * 4 * (64 + 16 + 16)


def test_operations_need_a_fixed_size():
    with pytest.raises(ValueError, match=r"fixed size. Received: \(None, None, None, 3\)"):
        macs(SWRN(10, 1, None, input_shape=(None, None, 3)))


def test_operations_by_step_of_a_recurrent_cell():
    """A step of a cell has two 3x3 convolutions; pooling before step 1 leaves a quarter of the pixels."""
    assert macs_by_step(RC(2, 4, num_classes=5, input_shape=(8, 8, 3))) == {
        "stem": 64 * 9 * 3 * 4,
        "stem_bn": 0,
        "cell_1/0": 2 * 64 * 9 * 4 * 4,
        "cell_1/1": 2 * 16 * 9 * 4 * 4,
        "cell_2/0": 2 * 4 * 9 * 16 * 16,
        "cell_2/1": 2 * 1 * 9 * 16 * 16,
        "head": 16 * 5,
    }


def test_operations_by_update_leave_out_what_serves_no_readout():
    model = FRNN(((8, 4), (4, 8)), readout=4, prenet=1, num_classes=5, input_shape=(8, 8, 3))
    same, lower, down, up = 2 * 64 * 9 * 16, 2 * 16 * 9 * 64, 16 * 9 * (4 * 6 + 6 * 8), 16 * 9 * 8 * 6 + 64 * 9 * 6 * 4
    counts = macs_by_step(model)
    # Nothing is in the lower state yet; then all transitions run; at last those to the state that is read out.
    assert [counts[f"graph/{update}"] for update in range(3)] == [same + down, same + down + lower + up, down + lower]
    assert sum(counts.values()) == macs(model)
