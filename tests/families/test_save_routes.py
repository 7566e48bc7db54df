"""Every bank and every normalization through every way a Keras model is saved, copied or rebuilt."""

import keras
import pytest

from recurzoo.layers import BottleneckBlock, PostActivationBlock, PreActivationBlock, Stage
from recurzoo.models import RC, SWRN, PreActivationResNet
from recurzoo.sharing import HardSharing, RelaxedSharing, SoftSharing, partly, tied
from tests.support import routes

pytestmark = pytest.mark.tensorflow


def pooling():
    return {1: keras.layers.AveragePooling2D(2, data_format="channels_last")}


PRE = PreActivationBlock(4)
STAGES = {
    "tied": lambda: Stage(PRE, 3, tied(3), name="stage"),
    "scaled": lambda: Stage(PRE, 3, HardSharing((0, 0, 1), scaled=True), name="stage"),
    "partly": lambda: Stage(PostActivationBlock(4, bias="per_step"), 3, partly([0, 1, 1]), name="stage"),
    "soft": lambda: Stage(PRE, 3, SoftSharing(2, recurrence=0.1), across_sites=True, name="stage"),
    "relaxed": lambda: Stage(
        PostActivationBlock(4, "shared", 0.2), 3, RelaxedSharing(), death_rates=[0.1, 0.2, 0.3], name="stage"
    ),
    "looped": lambda: Stage(PRE, 3, tied(3), before=pooling(), unroll=False, gamma_initializer="zeros", name="stage"),
    "entry": lambda: Stage(
        BottleneckBlock(8, 3), 3, (SoftSharing(2), tied(3), RelaxedSharing()), strides=2, name="stage"
    ),
    "shared_affine": lambda: Stage(PRE, 2, tied(2), "shared_affine", name="stage"),
    "no_affine": lambda: Stage(PRE, 2, tied(2), "no_affine", name="stage"),
    "shared": lambda: Stage(PRE, 2, tied(2), "shared", name="stage"),
    "none": lambda: Stage(PRE, 2, tied(2), "none", name="stage"),
}
SMALL = {"num_classes": 3, "input_shape": (8, 8, 3)}
FOLDED = {"stage_2": HardSharing((0, 0), scaled=True), "stage_1_entry": (tied(1), tied(1))}
FAMILIES = {
    "SWRN": lambda: SWRN(16, 1, 2, dropout=0.3, **SMALL),
    "SWRN folded": lambda: SWRN(16, 1, 2, sharing=FOLDED, unroll=False, **SMALL),
    "RC": lambda: RC(2, 4, **SMALL),
    "PreActivationResNet": lambda: PreActivationResNet(20, 1, "shared", 4, extra_steps=1, extra_scale=0.5, **SMALL),
}
CASES = [*STAGES, *FAMILIES]


def make(case):
    if case in FAMILIES:
        return FAMILIES[case]()
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, data_format="channels_last", name="stem")(inputs)
    x = STAGES[case]()(x)
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


@pytest.fixture(params=CASES)
def model(request, randomize):
    return routes.with_trained_logits(randomize(make(request.param)))


@pytest.fixture
def images(rng):
    return rng.uniform(0, 2, size=(2, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: route.__name__)
def test_route(route, model, images, tmp_path):
    route(model, images, tmp_path)


@pytest.mark.others
def test_files_of_tensorflow_open_on_jax(images, randomize, tmp_path):
    models = {case: routes.with_trained_logits(randomize(make(case))) for case in CASES}
    routes.files_open_on_jax(models, images, tmp_path)
