"""States of a network for many images, written to one file: an array a layer and step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from keras import ops
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recurzoo.analysis.subject import Subject, batches
from recurzoo.base.files import draft
from recurzoo.base.records import Report
from recurzoo.rewriting.outputs import with_outputs

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

LABELS = "labels"


class Features(Report):
    """What `features` wrote.

    Attributes:
        path: of the file.
        model: the network's name.
        data: where the images came from, in words.
        split: which part of the data set.
        fingerprint: a digest of the images and their labels, in the file's order.
        arrays: the shape of each array by its name, images first.
    """

    path: str
    model: str
    data: str
    split: Literal["test", "train"]
    fingerprint: str
    arrays: dict[str, tuple[int, ...]]

    def __rich__(self) -> RenderableType:
        table = Table("array", "shape", box=None, pad_edge=False)
        for name, shape in self.arrays.items():
            table.add_row(name, " x ".join(map(str, shape)))
        # Not a string, whose brackets would be read as markup.
        return Group(Text(f"{self.path}: {self.model} on {self.data}, {self.split}"), table)


def features(
    model: ZooModel | str | Path,
    data: Any,
    outputs: str | Sequence[str],
    out: str | Path,
    split: Literal["test", "train"] = "test",
    limit: int | None = None,
    pool: bool = False,
    overwrite: bool = False,
) -> Features:
    """Write the states of a network for the images of a data set.

    Args:
        model: what `recurzoo.load` takes, or a Keras model.
        data: words for a data set, as `recurzoo.evaluate` takes them, or a pair of images, pixels in 0..255, and int
            labels.
        outputs: names of states, with wildcards, see `recurzoo.output_names`.
        out: path of the file, in the safetensors format: a float32 array for each state, the images in the order of the
            data set, and their `labels`.
        split: `"test"` or `"train"`.
        limit: int, how many test images at most, of each class its share; None for all.
        pool: bool, whether to keep of each state the mean over its pixels only.
        overwrite: bool, whether a file that is there may be replaced.

    Returns:
        A `Features`.

    Raises:
        ValueError: if a name fits nothing, the images have no fixed size, or the data do not fit.
        FileExistsError: if there is a file already.

    Example:
        >>> recurzoo.features("rc-4-w16", "tfds:cifar10", ["cell_2/*"], "cell_2.safetensors", pool=True)
        >>> safetensors.numpy.load_file("cell_2.safetensors")["cell_2/0"].shape
    """
    target = Path(out)
    if target.exists() and not (overwrite and target.is_file()):
        raise FileExistsError(f"There is something in the place of the file. Received: {str(out)!r}; take another")
    subject = Subject(model, data, limit)
    inside = with_outputs(subject.model, outputs)
    task = subject.training if split == "train" else subject.task
    examples = task.examples(0) if split == "train" else task.test
    shapes: dict[str, tuple[int, ...]] = {}
    for name, state in inside.output.items():
        shape = state.shape[1:] if not pool or len(state.shape) < 4 else state.shape[-1:]
        if None in shape:
            raise ValueError(f"Features are written of images of one size. Received: {subject.record.name!r}, any")
        shapes[name] = (len(examples), *shape)
    kept = {
        "model": subject.record.name,
        "data": task.source,
        "split": split,
        "fingerprint": examples.fingerprint,
        "class_names": json.dumps(task.class_names),
    }
    with draft(target) as partial:
        arrays = lay_out(partial, shapes | {LABELS: examples.labels.shape}, kept)
        arrays[LABELS][...] = examples.labels
        for places, images in batches(examples.images, "writing features"):
            for name, state in inside(images, training=False).items():
                pixels = tuple(range(1, len(state.shape) - 1)) if pool else ()
                arrays[name][places] = ops.convert_to_numpy(ops.mean(state, axis=pixels) if pixels else state)
        for array in arrays.values():
            array.flush()
    described = {name: kept[name] for name in ("model", "data", "split", "fingerprint")}
    return Features.from_dict({"path": str(out), **described, "arrays": shapes | {LABELS: examples.labels.shape}})


def lay_out(path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> dict[str, np.memmap]:
    """Make a safetensors file of empty float32 arrays, to be filled in place: together they may be larger than memory.

    Args:
        path: of the file.
        shapes: of the arrays by name, in the file's order.
        metadata: further strings, by name.

    Returns:
        The arrays, mapped into the file.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * int(np.prod(shape, dtype=np.int64))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    # As the library aligns it.
    text += b" " * (-len(text) % 8)
    first = 8 + len(text)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(first + end)
    return {
        name: np.memmap(path, "<f4", "r+", first + header[name]["data_offsets"][0], shape)
        for name, shape in shapes.items()
    }
