"""Augmentation against what it says, image by image."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from recurzoo.catalog.settings import Augmentation, Progressive
from recurzoo.data.augmentation import AugmentedImages, sample_as_trained

FILL = (10.0, 20.0, 30.0)


def images(count=6, height=12, width=10):
    # No pixel is 0 (the border's colour) or equal to cutout's.
    return np.random.default_rng(0).integers(40, 256, (count, height, width, 3)).astype("uint8")


def augment(pixels, repeats=20, epoch=0, seed=3, size=None, by="crop", **settings):
    order = np.tile(np.arange(len(pixels)), repeats)
    # Each image once, since an image gets the same in one epoch wherever it stands.
    layer = AugmentedImages(pixels[order], Augmentation(**settings), FILL, Progressive(kind=by))
    layer.size = size
    return order, keras.ops.convert_to_numpy(layer(layer.draw(np.arange(len(order)), epoch, seed)))


def test_images_come_by_their_index_where_nothing_is_augmented():
    layer = AugmentedImages(images(), Augmentation(), FILL)
    got = keras.ops.convert_to_numpy(layer(layer.draw(np.array([3, 1, 3]), epoch=5, seed=0)))
    np.testing.assert_array_equal(got, images()[[3, 1, 3]])


def test_what_an_image_gets_depends_on_seed_epoch_and_index_alone():
    layer = AugmentedImages(images(50), Augmentation(flip=True, crop=4, cutout=4), FILL)
    whole = layer.draw(np.arange(50), epoch=2, seed=1)
    order = np.random.default_rng(0).permutation(50)
    np.testing.assert_array_equal(layer.draw(order, epoch=2, seed=1), whole[order])
    for epoch, seed in ((3, 1), (2, 0)):
        assert (layer.draw(np.arange(50), epoch, seed) != whole).any()


def test_alternating_flips_mirror_each_image_in_every_other_epoch():
    plain = images().astype("float32")
    turns = []
    for epoch in range(4):
        order, got = augment(images(), repeats=30, epoch=epoch, flip="alternating")
        mirrored = (got == plain[order][:, :, ::-1]).all(axis=(1, 2, 3))
        assert (mirrored | (got == plain[order]).all(axis=(1, 2, 3))).all()
        turns.append(mirrored)
    assert 0.35 < turns[0].mean() < 0.65
    for before, after in pairwise(turns):
        np.testing.assert_array_equal(before, ~after)


def test_smaller_images_are_windows_of_the_padded_ones():
    order, got = augment(images(), size=8, crop=1)
    assert got.shape[1:] == (8, 8, 3)
    padded = np.pad(images(), ((0, 0), (1, 1), (1, 1), (0, 0))).astype("float32")
    found = set()
    for number, crop in zip(order, got, strict=True):
        places = [(y, x) for y in range(7) for x in range(5) if (padded[number, y : y + 8, x : x + 8] == crop).all()]
        assert len(places) == 1
        found.add(places[0])
    assert {y for y, _ in found} == set(range(7))
    assert {x for _, x in found} == set(range(5))


def test_smaller_images_are_the_larger_ones_resized():
    flat = np.broadcast_to(np.array([50, 100, 150], "uint8"), (4, 12, 12, 3))
    _, got = augment(np.ascontiguousarray(flat), size=6, by="resize")
    np.testing.assert_allclose(got, np.broadcast_to([50, 100, 150], got.shape), atol=1e-3)
    ramp = np.broadcast_to(np.arange(12, dtype="uint8")[:, None, None] * 10, (1, 12, 12, 3))
    _, got = augment(np.ascontiguousarray(ramp), repeats=1, size=6, by="resize")
    # A pixel of half the size stands in the middle of two: 5, 25, 45, ... inside.
    np.testing.assert_allclose(got[0, 1:-1, 3, 0], np.arange(1, 5) * 20 + 5, atol=0.5)


def test_cutout_grows_with_the_images():
    _, got = augment(images(height=12, width=12), repeats=50, size=6, by="crop", cutout=6)
    holes = (got == np.array(FILL, "float32")).all(axis=-1)
    assert holes.any(axis=2).sum(axis=1).max() == 3


@pytest.mark.parametrize(("epoch", "size"), [(0, 16), (2, 16), (3, 24), (5, 24), (6, 32), (9, 32)])
def test_which_size_an_epoch_has(epoch, size):
    assert Progressive(sizes=(16, 24), shares=(0.3, 0.3)).size_at(epoch, 10, 32) == size
    assert Progressive().size_at(epoch, 10, 32) == 32


@pytest.mark.parametrize("settings", [{"sizes": (16,)}, {"sizes": (16, 24), "shares": (0.5, 0.5)}])
def test_sizes_without_fitting_shares_are_refused(settings):
    with pytest.raises(ValueError, match="share"):
        Progressive(**settings)


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
