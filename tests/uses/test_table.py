"""A table of uses: what a stock Functional model does, a member of every family does by the same lines."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers, ops

import recurzoo
from tests.support.families import MEMBERS, images_for

pytestmark = pytest.mark.tensorflow


def stock():
    images = keras.Input((8, 8, 3), name="images")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(layers.Rescaling(1 / 255)(images))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    for _ in range(2):
        x = layers.Conv2D(4, 3, padding="same")(x)
    return keras.Model(images, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x)))


ONE_EACH = {name: MEMBERS[name] for name in ("swrn", "rc", "preresnet-ubn", "relaxed", "scnn", "frnn")}
MODELS = {"stock": stock, **ONE_EACH, "softened": lambda: recurzoo.soften(stock(), templates=1)}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.fixture
def images(model):
    return images_for(model)


def outputs(model, images):
    return ops.convert_to_numpy(model(images, training=False))


def assert_same(found, model, images):
    np.testing.assert_allclose(outputs(found, images), outputs(model, images), atol=1e-5, rtol=1e-4)


def by_file(model, folder):
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def targets_for(model, images):
    return np.ones((len(images), *model.output_shape[1:]), "float32")


def fit(model, images, targets, compiled=(), **settings):
    model.compile(**{"optimizer": "sgd", "loss": "mse", **dict(compiled)})
    # Made in the first step, the optimizer's variables would have it traced twice.
    model.optimizer.build(model.trainable_variables)
    before = model.get_weights()
    history = model.fit(images, targets, batch_size=2, verbose=0, **settings)
    assert np.isfinite(history.history["loss"]).all()
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))


def test_twice_in_one_model(model, images, tmp_path):
    left, right = keras.Input(model.input_shape[1:]), keras.Input(model.input_shape[1:])
    siamese = keras.Model([left, right], layers.Subtract()([model(left), model(right)]))
    pair = [images, images[::-1]]
    assert len(siamese.weights) == len(model.weights)
    expected = outputs(model, pair[0]) - outputs(model, pair[1])
    np.testing.assert_allclose(outputs(siamese, pair), expected, atol=1e-4)
    fit(siamese, pair, targets_for(model, images))
    loaded = by_file(siamese, tmp_path)
    assert_same(loaded, siamese, pair)
    assert len(loaded.weights) == len(model.weights)


def test_inside_other_models(model, images, tmp_path):
    logits = outputs(model, images)
    row = keras.Sequential([model, layers.Activation("softmax")])
    np.testing.assert_allclose(outputs(row, images), ops.softmax(logits), atol=1e-5)
    for found in (by_file(row, tmp_path), copy.deepcopy(row)):
        assert_same(found, row, images)
    film = np.stack([images, images[::-1]], 1)
    films = keras.Input(film.shape[1:])
    over_time = keras.Model(films, layers.TimeDistributed(model)(films))
    np.testing.assert_allclose(outputs(over_time, film)[:, 1], logits[::-1], atol=1e-5)
    assert_same(by_file(over_time, tmp_path), over_time, film)
    for dtype in ("uint8", "int32", "float16"):
        pixels = keras.Input(model.input_shape[1:], dtype=dtype)
        typed = keras.Model(pixels, model(pixels))
        np.testing.assert_allclose(outputs(typed, images.astype(dtype)), logits, atol=0.01, rtol=0.01)


def test_in_a_class_of_ones_own(model, images, tmp_path):
    class Wrapper(keras.Model):
        def __init__(self):
            super().__init__()
            self.body = model

        def call(self, x, training=None):
            return self.body(x, training=training)

    def batches():
        while True:
            yield images, targets_for(model, images)

    wrapper = Wrapper()
    wrapper.compile("sgd", "mse")
    wrapper.fit(batches(), steps_per_epoch=2, verbose=0)
    expected = outputs(wrapper, images)
    wrapper.save_weights(tmp_path / "wrapper.weights.h5")
    for variable in model.weights:
        variable.assign(variable * 0)
    wrapper.load_weights(tmp_path / "wrapper.weights.h5")
    np.testing.assert_allclose(outputs(wrapper, images), expected, atol=1e-6)


def test_copies(model, images, tmp_path):
    def anew(layer):
        return type(layer).from_config(layer.get_config())

    def call(layer, *args, **kwargs):
        return layer(*args, **kwargs)

    model.get_layer("head").trainable = False
    clones = [
        keras.models.clone_model(model),
        keras.models.clone_model(model, input_tensors=keras.Input(model.input_shape[1:], dtype="uint8")),
        keras.models.clone_model(model, clone_function=anew, call_function=call),
        keras.models.model_from_json(model.to_json()),
    ]
    for clone in clones:
        clone.set_weights(model.get_weights())
    for found in (*clones, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_same(found, model, images)
        assert [v.trainable for v in found.weights] == [v.trainable for v in model.weights]
    model.save(tmp_path / "older.h5")
    assert_same(keras.saving.load_model(tmp_path / "older.h5"), model, images)


def test_at_the_same_time(model, images, tmp_path):
    expected = outputs(model, images)
    model.save(tmp_path / "net.keras")

    def load_and_predict(_):
        return outputs(keras.saving.load_model(tmp_path / "net.keras"), images)

    with ThreadPoolExecutor(3) as threads:
        for found in threads.map(load_and_predict, range(3)):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_functions_of_tensorflow(model, images):
    import tensorflow as tf

    expected = outputs(model, images)
    compiled = tf.function(lambda x: model(x, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(images)), expected, atol=1e-4)
    mapped = tf.data.Dataset.from_tensor_slices(images).batch(2).map(lambda x: model(x, training=False))
    np.testing.assert_allclose(np.concatenate(list(mapped.as_numpy_iterator())), expected, atol=1e-5)


def test_everything_that_fit_takes(model, images, tmp_path):
    targets = targets_for(model, images)
    averaged = keras.optimizers.SGD(0.01, use_ema=True, gradient_accumulation_steps=2)
    callbacks = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.EarlyStopping("val_loss", restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss"),
        keras.callbacks.SwapEMAWeights(),
    ]
    compiled = {"optimizer": averaged, "metrics": ["mae"]}
    weights = np.arange(4.0).reshape(4, *[1] * (targets.ndim - 2))
    validation = {"validation_data": (images, targets), "sample_weight": weights}
    fit(model, images, targets, compiled, callbacks=callbacks, **validation)
    best = keras.saving.load_model(tmp_path / "best.keras")
    # Two batches, accumulated.
    assert int(best.optimizer.iterations) == int(model.optimizer.iterations) == 1
    best.fit(images, targets, verbose=0)


def test_several_steps_an_execution(model, images):
    fit(model, images, targets_for(model, images), {"steps_per_execution": 2})
    assert int(model.optimizer.iterations) == 2


# Compiling takes long; one will do for all that have loops and banks.
@pytest.mark.parametrize("name", ["stock", "rc"])
def test_training_compiled_by_xla(name):
    model = MODELS[name]()
    images = images_for(model)
    fit(model, images, targets_for(model, images), {"jit_compile": True, "optimizer": "adamw"})


def test_distillation(model, images):
    if len(model.output_shape) != 2:
        pytest.skip("Keras distills classifiers")
    teacher = copy.deepcopy(model)
    teacher.trainable = False
    place = model.layers[-3].name
    losses = [
        keras.distillation.LogitsDistillation(loss=keras.losses.KLDivergence()),
        keras.distillation.FeatureDistillation(loss="mse", teacher_layer_name=place, student_layer_name=place),
    ]
    both = keras.distillation.Distiller(teacher, model, losses, distillation_loss_weights=[1.0, 1.0])
    before = teacher.get_weights()
    compiled = {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    fit(both, images, np.array([0, 1, 2, 1]), compiled, class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    for old, now in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_keras_compares_logits_as_probabilities_unless_it_is_given_a_loss():
    """When this fails, Keras is mended, and docs/keras.md and docs/soften.md need not speak of it."""
    teacher, student = np.array([[3.0, 1.0, -1.0]]), np.array([[1.0, 2.0, 0.5]])
    first, second = (np.exp(logits / 2) / np.exp(logits / 2).sum() for logits in (teacher, student))
    divergence = 2**2 * float((first * np.log(first / second)).sum())
    by_name = keras.distillation.LogitsDistillation(temperature=2.0)
    given = keras.distillation.LogitsDistillation(temperature=2.0, loss=keras.losses.KLDivergence())
    assert float(given.compute_loss(teacher, student)) == pytest.approx(divergence, rel=1e-3)
    assert float(by_name.compute_loss(teacher, student)) != pytest.approx(divergence, rel=0.1)


def test_adapters(model, images, tmp_path):
    if len(model.output_shape) != 2:
        pytest.skip("its head is a convolution, which takes no adapters")
    model.get_layer("head").enable_lora(2)
    fit(model, images, targets_for(model, images))
    assert_same(by_file(model, tmp_path), model, images)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_integers_for_the_heads_kernel(model, images, tmp_path):
    model.quantize("int8")
    assert_same(by_file(model, tmp_path), model, images)


def test_looking_inside(model, images):
    import tensorflow as tf

    pixels = tf.constant(images, "float32")
    feature_map = [layer.output for layer in model.layers if len(layer.output.shape) == 4 and layer.name != "head"][-1]
    both = keras.Model(model.input, [feature_map, model.output])
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        features, logits = both(pixels, training=False)
        of_class = tf.reduce_sum(logits[..., 0])
    # Grad-CAM's, and saliency's.
    for gradient in tape.gradient(of_class, [features, pixels]):
        assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(logits, outputs(model, images), atol=1e-4)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line), expand_nested=True, show_trainable=True)
    assert f"{model.count_params():,}" in "".join(lines)


def test_weights_for_a_model_with_another_head(model, images, tmp_path):
    model.save_weights(tmp_path / "net.weights.h5")
    body = model.layers[-2].output
    other = keras.Model(model.input, layers.Dense(7, name="head")(body))
    kernel = np.array(other.get_layer("head").kernel)
    before = outputs(keras.Model(model.input, body), images)
    for layer in other.layers[:-1]:
        for variable in layer.weights:
            variable.assign(variable * 0)
    with pytest.warns(UserWarning, match="head"):
        other.load_weights(tmp_path / "net.weights.h5", skip_mismatch=True)
    np.testing.assert_allclose(outputs(keras.Model(model.input, body), images), before, atol=1e-6)
    np.testing.assert_array_equal(other.get_layer("head").kernel, kernel)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda images: images[0],
        lambda images: np.repeat(images, 2, 1),
        lambda images: images.transpose(0, 3, 1, 2),
    ],
)
def test_wrong_shapes_are_refused(model, images, wrong):
    import tensorflow as tf

    # Also after a good call.
    outputs(model, images)
    model.compile("sgd", "mse")
    data = tf.data.Dataset.from_tensors((wrong(images), targets_for(model, images)))
    for attempt in (lambda: model(wrong(images)), lambda: model.fit(data, verbose=0)):
        with pytest.raises(ValueError, match="expected shape="):
            attempt()


def test_one_channel_stands_for_all(model, images):
    if not np.ndim(model.layers[1].scale):
        with pytest.raises(ValueError, match=r"channels|axis -1"):
            model(images[..., :1])
        return
    gray = np.repeat(images[..., :1], images.shape[-1], -1)
    np.testing.assert_array_equal(outputs(model, images[..., :1]), outputs(model, gray))
