"""A model card's code: how to load a checkpoint and how to fine-tune it."""

from __future__ import annotations

import json

from recurzoo.checkpoints.data import is_about_paths
from recurzoo.checkpoints.record import Record

ZOO = "recurzoo"

LOADING = """\
```python
import recurzoo

model = recurzoo.load({name})  # or {otherwise}
{predict}
```

{core}, after `import recurzoo.models`, which registers the classes. Nothing that is downloaded is ever executed: the \
files are arrays and a configuration, and `recurzoo.load` compares each with its recorded SHA-256."""

FINE_TUNING = """\
```python
import keras
import recurzoo

model = recurzoo.load({name}, num_classes=20, input_shape=(64, 64, 3))  # a new head for your classes
recurzoo.freeze(model)  # all but the head; BatchNorm stays in inference mode
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
model.fit(images, labels, epochs=5)  # pixels in 0-255, whole numbers as labels
```

`recurzoo.load({name}, include_top=False, pooling="avg")` gives a feature extractor."""

PATHS_FINE_TUNING = """\
```python
import keras
import recurzoo

model = recurzoo.load({name})
model.compile(keras.optimizers.Adam(1e-4), keras.losses.BinaryCrossentropy(from_logits=True))
model.fit(grids, paths, epochs=5)  # (batch, height, width, 2) of 0 and 255; (batch, height, width, 1) of 0 and 1
```"""


def loading(record: Record, repository: str | None = None) -> str:
    """How to load a checkpoint, by its name, from its folder or from its repository.

    Args:
        record: the checkpoint's `Record`.
        repository: str, `USER/REPO`, where it is published.
    """
    if repository is None:
        otherwise, core = "the path of this folder", "Core Keras opens this folder too, with `keras.saving.load_model`"
    else:
        otherwise = f'"hf://{repository}@REVISION" for a branch, a tag or a commit'
        core = f'Core Keras opens it too, with `keras.saving.load_model("hf://{repository}")`'
    predict = "logits = model.predict(images)  # (batch, height, width, channels), pixels in 0-255"
    if is_about_paths(record):
        predict = "logits = model.predict(grids)  # (batch, height, width, 2): 255 for query cells, obstacles"
    return LOADING.format(name=_name(record, repository), otherwise=otherwise, predict=predict, core=core)


def fine_tuning(record: Record, repository: str | None = None) -> str:
    """How to train a checkpoint further, on other classes or other grids.

    Args:
        record: the checkpoint's `Record`.
        repository: str, `USER/REPO`, where it is published.
    """
    text = PATHS_FINE_TUNING if is_about_paths(record) else FINE_TUNING
    return text.format(name=_name(record, repository))


def _name(record: Record, repository: str | None) -> str:
    """What to load it by, quoted; its bare name finds only what the zoo itself ships or publishes."""
    return json.dumps(record.name if repository in (None, f"{ZOO}/{record.name}") else f"hf://{repository}")
