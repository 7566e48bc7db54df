"""Class folders as people have them: a row of the table in docs/data.md each."""

import logging
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from recurzoo.data.sets import load_data
from tests.support.class_folders import write_folder


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "pets")


@pytest.fixture
def warnings(caplog):
    """The warnings of reading a folder, which are cleared with every call."""

    def warnings():
        texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        caplog.clear()
        return texts

    return warnings


def read(root, **kwargs):
    return load_data(str(root), (8, 8), **kwargs)


def pixels(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("test", ["test", "val", "validation", "valid"])
def test_folder(tmp_path, test, warnings):
    root = write_folder(tmp_path / "set", test)
    data = read(root)
    assert data.class_names == ("cat", "dog")
    assert data.train.images.shape == (6, 8, 8, 3)
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(data.train.images[5], pixels(root / "train" / "dog" / "2.png"))
    assert read(root).train.fingerprint == data.train.fingerprint != data.test.fingerprint
    assert warnings() == []


def test_other_sizes_are_resized_by_the_shorter_side_and_cropped(tmp_path):
    root = tmp_path / "set"
    for part in ("train", "test"):
        (root / part / "a").mkdir(parents=True)
        # White center between black borders that a center crop of a 2:1 image removes.
        image = np.zeros((10, 20, 3), "uint8")
        image[:, 5:15] = 255
        Image.fromarray(image).save(root / part / "a" / "0.png")
    data = read(root)
    assert data.test.images.shape == (1, 8, 8, 3)
    assert data.test.images[:, :, 1:-1].min() > 250


def test_what_is_hidden_or_no_image_is_skipped_and_counted(root, warnings):
    before = read(root)
    for folder in (".ipynb_checkpoints", "__MACOSX"):
        for place in (root / "train", root / "test", root / "test" / "cat"):
            (place / folder).mkdir()
            (place / folder / "0.png").write_bytes(b"")
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "notes.txt", "b.HEIC", "README"):
        (root / "test" / "dog" / name).write_bytes(b"")
    (root / "train" / "labels.csv").write_text("")
    after = read(root)
    assert after.class_names == before.class_names
    assert after.train.fingerprint == before.train.fingerprint
    assert after.test.fingerprint == before.test.fingerprint
    (text,) = warnings()
    counted = ("8 hidden", "1 .db", "1 .txt", "1 .heic", "1 without an ending", "1 outside of class folders")
    assert all(words in text for words in counted)
    assert repr(str(root)) in text
    assert "\n" not in text


def test_many_kinds_are_not_all_listed(root, warnings):
    for number in range(100):
        (root / "test" / "cat" / f"x.{number}{'y' * 100}\n").write_bytes(b"")
    read(root)
    (text,) = warnings()
    assert "90 more kinds" in text
    assert len(text) < 600
    assert text.isprintable()


@pytest.mark.parametrize("suffix", [".jfif", ".JFIF", ".JPG", ".Png", ".PGM"])
def test_endings_in_every_spelling(root, warnings, suffix):
    kind = {".png": "PNG", ".pgm": "PPM"}.get(suffix.lower(), "JPEG")
    Image.new("L", (8, 8), 9).save(root / "test" / "cat" / f"z{suffix}", kind)
    data = read(root)
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1]
    assert np.abs(data.test.images[2].astype(int) - 9).max() <= 1
    assert warnings() == []


def test_nested_images_belong_to_their_class(root, warnings):
    # As Tiny ImageNet has them: train/CLASS/images/x.JPEG.
    before = read(root)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (root / part / name / "images" / "more").mkdir(parents=True)
            (root / part / name / "1.png").rename(root / part / name / "images" / "more" / "x 1.png")
    data = read(root)
    assert data.train.labels.tolist() == before.train.labels.tolist()
    # A folder's own images come before those of its folders.
    order = [0, 2, 1, 3, 5, 4]
    np.testing.assert_array_equal(data.train.images, before.train.images[order])
    assert warnings() == []


def test_links_are_followed_once(root, tmp_path, warnings):
    (tmp_path / "elsewhere").mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "elsewhere" / f"{number}.png")
    cat = root / "test" / "cat"
    (cat / "a.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    (cat / "folder").symlink_to(tmp_path / "elsewhere")
    (cat / "again").symlink_to(tmp_path / "elsewhere")
    (cat / "circle").symlink_to(cat)
    (cat / "up").symlink_to(root / "test")
    (root / "test" / "dog").rename(tmp_path / "dogs")
    (root / "test" / "dog").symlink_to(tmp_path / "dogs")
    data = read(root, train=False)
    # Its two, the linked one, two of the linked folder, and all that the link upwards leads to but itself.
    assert data.class_names == ("cat", "dog")
    assert data.test.labels.tolist() == [0] * 7 + [1] * 2
    (text,) = warnings()
    assert "3 folders found twice" in text


def test_what_is_no_regular_file_is_skipped(root, warnings):
    before = read(root)
    warnings()
    (root / "test" / "cat" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "test" / "cat" / "device.png").symlink_to("/dev/zero")
    os.mkfifo(root / "test" / "cat" / "pipe.jpg")
    assert read(root).test.fingerprint == before.test.fingerprint
    (text,) = warnings()
    assert "3 no regular files" in text


def test_a_class_without_test_images_stays_a_class(root, warnings):
    for path in (root / "test" / "cat").iterdir():
        path.unlink()
    data = read(root)
    assert data.class_names == ("cat", "dog")
    assert data.test.labels.tolist() == [1, 1]
    (text,) = warnings()
    assert "cat" in text
    assert "dog" not in text


@pytest.mark.parametrize("names", [("bird",), ("bird", ".hidden"), ("bird", "x.txt")])
def test_a_class_without_training_images_is_refused(root, names):
    for part in ("train", "test"):
        for place in range(len(names)):
            (root / part / os.path.join(*names[: place + 1])).mkdir()
    with pytest.raises(ValueError, match=r"training images.*Received.*'bird'"):
        read(root)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_of_one_part_only_is_refused(root, part):
    (root / part / "bird").mkdir()
    with pytest.raises(ValueError, match=r"same classes.*Received.*'bird'"):
        read(root)


def test_one_image_a_class(tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / part / name / "0.png")
    assert read(tmp_path).test.labels.tolist() == [0, 1]


def test_names_of_classes_are_compared_in_one_form_of_unicode(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Éléphant") for form in ("NFC", "NFD"))
    assert composed != decomposed
    names = (composed, "猫 と 犬", "zebra crossing")
    root = write_folder(tmp_path / "set", classes=names)
    (root / "train" / composed).rename(root / "train" / decomposed)
    data = read(root)
    assert data.class_names == tuple(sorted(names))
    assert data.train.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    turned = data.relabelled([names[1], decomposed, names[2]])
    assert turned.class_names == (names[1], decomposed, names[2])
    labels = {composed: 1, names[1]: 0, names[2]: 2}
    assert turned.test.labels.tolist() == [labels[name] for name in data.class_names for _ in range(2)]
    (root / "test" / decomposed).mkdir()
    with pytest.raises(ValueError, match="two forms of Unicode"):
        read(root)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "tab\t", "line\u2028", b"\xff\xfe"])
def test_names_of_classes_that_no_record_holds_are_refused(root, name):
    for part in ("train", "test"):
        os.mkdir(os.path.join(root, part, os.fsdecode(name)))
    with pytest.raises(ValueError, match="The name of a class") as caught:
        read(root)
    assert str(caught.value).isprintable()


def test_the_source_can_be_printed(tmp_path):
    data = read(write_folder(tmp_path / "\x1b[31m\n"))
    assert data.source == "image folder \\x1b[31m\\n"


def test_limit(root):
    data = read(root, train=False, limit=3)
    assert len(data.train) == 0
    assert len(data.test) == 3
    with pytest.raises(ValueError, match="at least one"):
        read(root, limit=0)


def test_a_limit_takes_its_share_of_every_class_and_decodes_no_more(root):
    whole, half = (read(root, train=False, limit=limit) for limit in (None, 2))
    assert half.test.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(half.test.images, whole.test.images[[0, 2]])
    (root / "test" / "dog" / "1.png").write_bytes(b"no image")
    assert read(root, train=False, limit=2).test.fingerprint == half.test.fingerprint


def test_errors_are_sentences(tmp_path, root):
    with pytest.raises(ValueError, match="no folder"):
        read(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"train/CLASS.*Received"):
        read(tmp_path)
    (root / "test" / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"not an image that can be read.*0\.png"):
        read(root)
    for name in ("cat", "dog"):
        for path in (root / "test" / name).iterdir():
            path.unlink()
    with pytest.raises(ValueError, match=r"hold images.*Received: none"):
        read(root, train=False)
    for name in ("cat", "dog"):
        (root / "test" / name).rmdir()
    with pytest.raises(ValueError, match=r"a folder for each class.*Received: none"):
        read(root, train=False)
