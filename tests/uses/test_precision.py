"""Networks as a whole in other precisions than single: built, trained and asked, as stock models are."""

import keras
import numpy as np
import pytest

from tests.support.families import MEMBERS, images_for, train_a_step


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("family", ["swrn", "relaxed", "frnn"])
def test_pure_precisions_train(policy, family):
    keras.config.set_dtype_policy(policy)
    try:
        model = MEMBERS[family]()
    finally:
        keras.config.set_dtype_policy("float32")
    images = images_for(model)
    before = model.get_weights()
    assert np.isfinite(train_a_step(model, images))
    assert {variable.dtype for variable in model.stages[0].weights} == {policy}
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    # In few bits a small step may leave a weight where it is.
    assert np.mean(moved) > 0.5
    assert np.isfinite(np.asarray(model(images, training=False), "float32")).all()


def test_orthogonal_coefficients_in_half_precision():
    keras.config.set_dtype_policy("float16")
    try:
        bank = MEMBERS["swrn"]().get_layer("stage_1").banks[0]
    finally:
        keras.config.set_dtype_policy("float32")
    coefficients = np.asarray(keras.ops.convert_to_numpy(bank.coefficients), "float32")
    np.testing.assert_allclose(coefficients.T @ coefficients, np.eye(2), atol=1e-2)
