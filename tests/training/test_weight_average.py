"""The average of weights, against its recurrence in NumPy, over two fits."""

import keras
import numpy as np

from recurzoo.catalog.recipe import Recipe
from recurzoo.models import SWRN
from recurzoo.training.trainer import make_trainer, train_epoch
from recurzoo.training.weight_average import floating_variables

TARGETS = np.eye(10, dtype="float32")[np.arange(8)]
LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)


def small_trainer():
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)).astype("uint8")
    recipe = Recipe(
        name="r", architecture="a", dataset="d", epochs=4, batch_size=8, average={"decay": 0.75, "last": 0.5}
    )
    return recipe, make_trainer(recipe, SWRN(16, 1, 2, input_shape=(8, 8, 3)), images, (0, 0, 0), LOSS)


def weights(model):
    return [keras.ops.convert_to_numpy(variable) for variable in floating_variables(model)]


def test_average_follows_the_weights_over_several_fits():
    recipe, trainer = small_trainer()
    expected = None
    for epoch in range(4):
        # One step an epoch: the average sees the weights before the step.
        before = weights(trainer.network)
        decay = 0.75 if epoch >= 2 else 0.0
        expected = (
            before if expected is None else [decay * e + (1 - decay) * w for e, w in zip(expected, before, strict=True)]
        )
        train_epoch(trainer, recipe, TARGETS, epoch)
    expected = [0.75 * e + 0.25 * w for e, w in zip(expected, weights(trainer.network), strict=True)]
    trainer.average.copy_to(trainer.network)
    for got, wanted in zip(weights(trainer.network), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_state_holds_everything_a_run_changes_but_the_images():
    recipe, trainer = small_trainer()
    names = [variable.path for variable in trainer.state]
    assert not any("pixels" in name for name in names)
    train_epoch(trainer, recipe, TARGETS, 0)
    state = [keras.ops.convert_to_numpy(variable) for variable in trainer.state]
    rates = [train_epoch(trainer, recipe, TARGETS, 1)["loss"]]
    for variable, value in zip(trainer.state, state, strict=True):
        variable.assign(value)
    rates.append(train_epoch(trainer, recipe, TARGETS, 1)["loss"])
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-4)
