"""What tests of several families share."""

import pytest


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(2, 8, 8, 3)).astype("uint8")
