"""Images that are decoded when they are needed: the same numbers as held ones, and crops of their own size."""

import io
import struct
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from recurzoo.catalog.recipe import load_recipe
from recurzoo.catalog.settings import Augmentation
from recurzoo.checkpoints.folder import read_record
from recurzoo.data.augmentation import AugmentedImages, draw_crop
from recurzoo.data.images import decode
from recurzoo.data.sets import StoredImages, load_data
from recurzoo.data.stream import StreamedImages
from recurzoo.data.tfrecord import TFRecords
from recurzoo.training.run import train
from tests.support.class_folders import write_folder

CHANGES = ["architecture=rc-1-w4", "dataset=pets", "image_size=8", "batch_size=3", "epochs=2", "precision=float32"]
FILL = (10.0, 20.0, 30.0)


def assert_equal_weights(found, wanted):
    found, wanted = (load_file(Path(result.folder) / "model.safetensors") for result in (found, wanted))
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.linalg.norm(found[name] - value) <= 1e-4 * np.linalg.norm(value), name


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "pets", size=(12, 8))


@pytest.fixture
def streamed(folder, monkeypatch):
    monkeypatch.setenv("RECURZOO_MEMORY", "0")
    return load_data(str(folder), (8, 8))


def test_what_is_decoded_when_needed_is_what_is_held(folder, streamed, monkeypatch, caplog):
    monkeypatch.delenv("RECURZOO_MEMORY")
    held = load_data(str(folder), (8, 8))
    for one, other in ((streamed.train, held.train), (streamed.test, held.test)):
        assert isinstance(one.images, StoredImages)
        assert isinstance(other.images, np.ndarray)
        assert one.images.shape == other.images.shape
        assert one.images.nbytes == other.images.nbytes
        assert one.fingerprint == other.fingerprint
        for places in (slice(None), slice(1, 3), np.array([2, 0]), one.labels == 1):
            np.testing.assert_array_equal(one.images[places], other.images[places])
        np.testing.assert_array_equal(np.concatenate(list(one.images.batches(3))), other.images)


def test_small_images_are_decoded_by_one_thread_and_photos_by_one_a_core(folder, monkeypatch):
    monkeypatch.setattr("recurzoo.data.stored_images.cores", lambda: 3)
    small, photo = (folder / "train" / "cat" / "0.png").read_bytes(), io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3)).astype("uint8")
    Image.fromarray(noise).save(photo, "PNG")
    for images, threads in (([small] * 40, 1), ([photo.getvalue()] * 40, 3), ([small, *[photo.getvalue()] * 2], 3)):
        stored = StoredImages(images, (8, 8))
        assert stored.threads == threads
        for found in (stored[:], np.concatenate(list(stored.batches(16)))):
            np.testing.assert_array_equal(found, [decode(image, (8, 8)) for image in images])
    with pytest.raises(ValueError, match=r"no such image.*gone\.png"):
        StoredImages([folder / "gone.png"], (8, 8))[:]
    assert StoredImages([], (8, 8))[:].shape == (0, 8, 8, 3)


def test_a_split_is_held_up_to_the_setting(folder, monkeypatch, caplog):
    nbytes = 6 * 8 * 8 * 3
    for gib, kind in ((nbytes / 2**30, np.ndarray), ((nbytes - 1) / 2**30, StoredImages)):
        monkeypatch.setenv("RECURZOO_MEMORY", repr(gib))
        assert isinstance(load_data(str(folder), (8, 8)).train.images, kind)
    assert [record.name for record in caplog.records] == ["recurzoo"]
    for text in ("-1", "many", "5", "nan"):
        monkeypatch.setenv("RECURZOO_MEMORY", text)
        with pytest.raises(ValueError, match=text):
            load_data(str(folder), (8, 8))


def test_stamps_tell_one_set_of_files_from_another(folder):
    paths = sorted(folder.glob("train/*/*.png"))
    first = StoredImages(paths, (8, 8)).digest()
    assert first == StoredImages(paths, (4, 4)).digest()
    assert first != StoredImages(paths[::-1], (8, 8)).digest()
    with paths[0].open("ab") as file:
        file.write(b"x")
    assert first != StoredImages(paths, (8, 8)).digest()


def test_a_stream_gives_the_batches_that_held_images_give(streamed):
    augmentation = Augmentation(flip=True, crop=2, cutout=3)
    images = streamed.train.images
    layers = StreamedImages(images, augmentation, FILL), AugmentedImages(images[:], augmentation, FILL)
    order = np.array([4, 1, 5, 0, 2, 3])
    drawn = layers[0].draw(order, epoch=1, seed=7)
    batches = list(layers[0].stream(drawn, 2, lambda places: 10 * places, epoch=1, seed=7))
    assert len(batches) == 3
    for number, (inputs, targets) in enumerate(batches):
        places = slice(2 * number, 2 * number + 2)
        np.testing.assert_array_equal(targets, 10 * order[places])
        got, wanted = (keras.ops.convert_to_numpy(out) for out in (layers[0](inputs), layers[1](drawn[places])))
        np.testing.assert_array_equal(got, wanted)


def test_a_crop_depends_on_seed_epoch_and_place_alone_and_lies_inside():
    sizes = [(500, 375), (375, 500), (64, 64), (600, 40), (40, 600), (1, 1)]
    for size in sizes:
        for place in range(200):
            left, top, right, bottom = draw_crop(place, 0.08, 2, 5)(size)
            assert 0 <= left < right <= size[0] + 1e-9
            assert 0 <= top < bottom <= size[1] + 1e-9
            assert 3 / 4 - 1e-9 <= (right - left) / (bottom - top) <= 4 / 3 + 1e-9
            assert draw_crop(place, 0.08, 2, 5)(size) == (left, top, right, bottom)
    boxes = {draw_crop(place, 0.08, epoch, seed)((99, 99)) for place in (0, 1) for epoch in (0, 1) for seed in (0, 1)}
    assert len(boxes) == 8


def test_shares_of_the_area_are_uniform():
    boxes = [draw_crop(place, 0.25, 0, 0)((1000, 1000)) for place in range(4000)]
    shares = np.array([(right - left) * (bottom - top) / 1e6 for left, top, right, bottom in boxes])
    # Of a square image, shapes that do not fit are rare below three quarters of it.
    assert shares.min() > 0.25
    counts, _ = np.histogram(shares, np.linspace(0.25, 0.75, 6))
    assert abs(counts / counts.mean() - 1).max() < 0.15


def test_a_crop_is_cut_before_it_is_resized():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype("uint8")
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    got = decode(content.getvalue(), (4, 5), lambda size: (size[0] - 25, 2, size[0] - 20, 6))
    np.testing.assert_array_equal(got, pixels[2:6, 5:10])


def test_a_streamed_run_ends_with_the_weights_of_a_held_one(folder, tmp_path, monkeypatch):
    results = []
    for memory in ("4", "0"):
        monkeypatch.setenv("RECURZOO_MEMORY", memory)
        results.append(train(load_recipe("swrn-22-1-2.cifar10.cpu", CHANGES), str(folder), tmp_path / memory))
    held, streamed = (read_record(result.folder) for result in results)
    assert held.dataset == streamed.dataset
    assert_equal_weights(*results)


def test_random_crops_stream_and_resume(folder, tmp_path):
    changes = [*CHANGES, "augmentation.resized_crop=0.3", "reestimate=true", "epoch_examples=3", "epochs=4"]
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", changes)
    whole = train(recipe, str(folder), tmp_path / "whole")

    def stop(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, str(folder), tmp_path / "broken", report=stop)
    again = train(recipe, str(folder), tmp_path / "broken", resume=True)
    assert_equal_weights(again, whole)
    with pytest.raises(ValueError, match="resized_crop"):
        train(load_recipe("swrn-22-1-2.cifar10.cpu", changes), "digits", tmp_path / "digits")


def test_an_image_that_cannot_be_read_ends_the_run_by_name(folder, tmp_path):
    bad = folder / "train" / "cat" / "1.png"
    bad.write_bytes(b"no image")
    recipe = load_recipe("swrn-22-1-2.cifar10.cpu", [*CHANGES, "augmentation.resized_crop=0.3", "batch_size=6"])
    with pytest.raises(ValueError, match=r"cat/1\.png"):
        train(recipe, str(folder), tmp_path / "run")


def test_records_are_read_in_any_order(tmp_path):
    contents = [b"one", b"", b"x" * 1000, b"last"]
    frame = b"".join(struct.pack("<Q", len(c)) + b"sum1" + c + b"sum2" for c in contents)
    for number in range(2):
        (tmp_path / str(number)).write_bytes(frame)
    records = TFRecords([tmp_path / "0", tmp_path / "1"])
    assert len(records) == 8
    assert [records[place] for place in (7, 0, 2, 5)] == [b"last", b"one", b"x" * 1000, b""]
    (tmp_path / "1").write_bytes(frame[:-1])
    with pytest.raises(ValueError, match="TFRecord"):
        TFRecords([tmp_path / "0", tmp_path / "1"])
