"""Augmentation against what it says, image by image."""

import keras
import numpy as np
import pytest

from recurzoo.catalog.recipe import Augmentation
from recurzoo.data.augmentation import AugmentedImages, sample_as_trained

FILL = (10.0, 20.0, 30.0)


def images(count=6, height=12, width=10):
    # No pixel is 0 (the border's colour) or equal to cutout's.
    return np.random.default_rng(0).integers(40, 256, (count, height, width, 3)).astype("uint8")


def augment(pixels, repeats=20, **settings):
    layer = AugmentedImages(pixels, Augmentation(**settings), FILL, seed=3)
    order = np.tile(np.arange(len(pixels)), repeats).astype("int32")
    return order, keras.ops.convert_to_numpy(layer(order, training=True))


def test_no_augmentation_when_not_training():
    layer = AugmentedImages(images(), Augmentation(flip=True, crop=4, cutout=4), FILL, seed=0)
    got = keras.ops.convert_to_numpy(layer(np.array([3, 1], "int32"), training=False))
    np.testing.assert_array_equal(got, images()[[3, 1]])


def test_flip_mirrors_about_half_of_the_images():
    order, got = augment(images(), repeats=60, flip=True)
    plain = images()[order].astype("float32")
    mirrored = (got == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (got == plain).all(axis=(1, 2, 3))).all()
    assert 0.4 < mirrored.mean() < 0.6


@pytest.mark.parametrize("flip", [False, True])
def test_crops_are_shifted_windows_of_the_zero_padded_image_one_an_image(flip):
    order, got = augment(images(), crop=2, flip=flip)
    padded = np.pad(images(), ((0, 0), (2, 2), (2, 2), (0, 0))).astype("float32")
    shifts = set()
    for number, crop in zip(order, got, strict=True):
        found = [
            (dy, dx, mirrored)
            for dy in range(5)
            for dx in range(5)
            for mirrored in ((False, True) if flip else (False,))
            # The paper's order: flip, then pad and crop.
            if (crop == (padded[number, :, ::-1] if mirrored else padded[number])[dy : dy + 12, dx : dx + 10]).all()
        ]
        assert len(found) == 1
        shifts.add(found[0][:2])
    assert len(shifts) > 15


def test_cutout_paints_one_clipped_square_with_the_mean():
    _, got = augment(images(), repeats=200, cutout=6)
    holes = (got == np.array(FILL, "float32")).all(axis=-1)
    seen_rows = set()
    for hole in holes:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 3 <= len(rows) <= 6
        assert 3 <= len(columns) <= 6
        assert len(rows) == 6 or rows[0] == 0 or rows[-1] == 11
        seen_rows.add((rows[0], rows[-1]))
    # Twelve centres, so twelve different extents.
    assert len(seen_rows) == 12
    # The centre is uniform over all pixels: mean covered area by counting.
    extent = lambda size: np.mean([min(c + 3, size) - max(c - 3, 0) for c in range(size)])  # noqa: E731
    assert abs(holes.sum(axis=(1, 2)).mean() / (extent(12) * extent(10)) - 1) < 0.03


def test_cutout_comes_last():
    _, got = augment(images(), repeats=100, crop=4, cutout=6)
    # Were it painted before the crop, some square would be pushed over the border with zeros around it whole.
    assert ((got == np.array(FILL, "float32")).all(axis=-1).sum(axis=(1, 2)) >= 9).all()


def test_a_sample_is_of_different_images_augmented():
    got = sample_as_trained(images(), Augmentation(flip=True), FILL, count=4)
    plain = images().astype("float32")
    sources = [
        number
        for number, image in enumerate(plain)
        for sampled in got
        if (sampled == image).all() or (sampled == image[:, ::-1]).all()
    ]
    assert len(got) == len(set(sources)) == len(sources) == 4
