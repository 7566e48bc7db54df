"""The readers of text, each with real and invented files to give it, and a table of all readers."""

from __future__ import annotations

import contextlib
import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzzing.binary_readers import read_state, read_weights
from tests.fuzzing.reader import CHECKPOINTS, WEIGHTS, Contents, Reader
from tests.fuzzing.strategies import NUMBERS, damaged, names_in, rewritten, structures


def of_json(originals: list[bytes]) -> Contents:
    """JSON files like some, damaged, rewritten or invented."""
    documents = [json.loads(original) for original in originals]
    parts = []
    for original, document in zip(originals, documents, strict=True):
        keys, words = names_in(documents)
        made = rewritten(document, keys, words) | structures(keys, words)
        parts += [damaged(original), made.map(lambda made: json.dumps(made).encode())]
    return st.one_of(parts)


def read_config() -> Reader:
    """config.json, and building what it says, against the shipped weights."""
    from recurzoo.catalog.names import name_of
    from recurzoo.checkpoints import config as config_file
    from recurzoo.checkpoints.weights import build_to_fit, read_weights

    arrays = read_weights(WEIGHTS / CHECKPOINTS[0] / "model.weights.h5")
    originals = [(WEIGHTS / name / "config.json").read_bytes() for name in CHECKPOINTS]
    families = [{"depth": 38, "unshared": 2, "width": 16}, {"steps": 2, "width": 4}, {"blocks": [2, 2, 2]}]
    originals += [
        json.dumps(
            {"module": "x", "class_name": name, "config": config, "registered_name": f"recurzoo>{name}"}
        ).encode()
        for name, config in zip(("PreActivationResNet", "RC", "RelaxedResNet"), families, strict=True)
    ]
    bank = {"module": "m", "class_name": "SoftSharing", "registered_name": "recurzoo>SoftSharing", "config": {}}
    folded = json.loads(originals[0])
    folded["config"]["sharing"] = {"stage_1": {**bank, "config": {"num_templates": 2}}, "stage_2": [bank]}
    originals.append(json.dumps(folded).encode())

    def read(path: Path) -> None:
        # With the name that its record should have, so that most get as far as being built.
        name = "swrn-22-1-2"
        with contextlib.suppress(Exception):
            said = json.loads(path.read_bytes())
            name = name_of(said["class_name"], {"normalization": "independent", **said["config"]}) or name
        serialized = config_file.read_config(path, name)
        build_to_fit(lambda: config_file.build(serialized), arrays)

    return Reader("config", "config.json", of_json(originals), read, 2000, originals[0])


def read_record() -> Reader:
    """record.json, and comparing the files that it lists."""
    from recurzoo.checkpoints.folder import read_record, verify_files

    originals = [(WEIGHTS / name / "record.json").read_bytes() for name in CHECKPOINTS]

    def read(path: Path) -> None:
        record = read_record(path.parent)
        record.to_json()
        verify_files(path.parent, record)

    def around(folder: Path) -> Any:
        for name in json.loads(originals[0])["files"]:
            shutil.copy(WEIGHTS / CHECKPOINTS[0] / name, folder)
        return contextlib.nullcontext()

    return Reader("record", "record.json", of_json(originals), read, 2000, originals[0], around)


def of_toml(originals: list[bytes]) -> Contents:
    """TOML files like some, damaged, or with their lines rewritten."""
    lines = sorted({line for original in originals for line in original.splitlines()})
    documents = [tomllib.loads(original.decode()) for original in originals]
    keys, words = names_in(documents)
    values = st.sampled_from([json.dumps(word) for word in words]) | NUMBERS.map(str)
    values |= st.sampled_from(
        ["inf", "nan", "1979-05-27", "{}", "[" * 2000, "'''", "9" * 5000, '"x"', "[[1], {a = 2}]"]
    )
    new_line = st.builds(lambda key, value: f"{key} = {value}".encode(), st.sampled_from(keys), values)
    some = st.lists(st.sampled_from(lines) | new_line | st.just(b"[" + b"a." * 2000 + b"a]"), max_size=8)

    @st.composite
    def edited(draw: st.DrawFn) -> bytes:
        text = draw(st.sampled_from(originals)).splitlines()
        place = draw(st.integers(0, len(text)))
        return b"\n".join(text[:place] + draw(some) + text[place + draw(st.integers(0, 3)) :])

    return st.one_of(*map(damaged, originals), edited(), edited(), some.map(b"\n".join))


def read_recipe() -> Reader:
    """Recipes."""
    from recurzoo.catalog.recipe import load_recipe

    originals = [
        b'base = "_cpu-fast"\nepochs = 40\noptimizer = { learning_rate = 0.1, clip_value = 0.1 }\n',
        b'base = "scnn-20.shortest-paths.paper"\nimage_size = 16\n\n[curriculum]\nexamples = 1024\n',
        b'epochs = 500\nmodel = { dropout = 0.3 }\n\n[optimizer]\nkind = "sgd"\nweight_decay = 5e-4\n\n'
        b'[schedule]\nkind = "steps"\nepochs = [250, 375]\n\n[pull]\nkind = "exponential"\nstart = 1e-4\n',
    ]
    return Reader(
        "recipe",
        "swrn-22-1-2.cifar10.mine.toml",
        of_toml(originals),
        lambda path: load_recipe(str(path)),
        2000,
        originals[0],
    )


def read_catalog() -> Reader:
    """A family's file, and all that is asked of it."""
    from recurzoo.catalog import catalog

    package = Path(str(resources.files("recurzoo")))
    original = (package / "families" / "rc" / "family.toml").read_bytes()

    def clear() -> None:
        catalog.families.cache_clear()
        catalog.recipe_tables.cache_clear()

    def read(path: Path) -> None:
        clear()
        for name in catalog.architecture_names():
            with contextlib.suppress(LookupError):
                catalog.default_tag(name)
                catalog.figures(name)
        catalog.figures("rc-4")
        catalog.recipe_names("rc-4")

    @contextlib.contextmanager
    def around(parent: Path) -> Iterator[None]:
        from unittest.mock import patch

        for file in [*package.glob("families/*/family.toml"), *package.glob("catalog/*.toml")]:
            copy = parent / file.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        with patch("recurzoo.catalog.catalog.resources.files", lambda package: parent):
            yield
        clear()

    return Reader("catalog", "families/rc/family.toml", of_toml([original]), read, 1000, original, around)


READERS: dict[str, Callable[[], Reader]] = {
    "config": read_config,
    "record": read_record,
    "catalog": read_catalog,
    "recipe": read_recipe,
    "state": read_state,
    "weights": read_weights,
}
