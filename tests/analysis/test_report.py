"""The files that an analysis is written as."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from recurzoo.analysis.analyze import KINDS, analyze
from recurzoo.analysis.report import write_analysis
from recurzoo.models import SWRN, RelaxedResNet
from tests.support.networks import SMALL

FILES = {
    "similarity": {"similarity": "json csv png svg", "similarity-wiring": "png svg"},
    "ablation": {"ablation": "json csv png svg"},
    "trajectories": {"trajectories": "json csv png svg", "trajectories-numbers": "csv"},
    "iteration": {
        "iteration": "json csv png svg",
        "iteration-readings": "csv png svg",
        "iteration-unrolled": "csv png svg",
    },
    "readout": {"readout": "json csv png svg", "readout-statistics": "csv png svg"},
    "anytime": {"anytime": "json csv png svg"},
    "weights": {"weights": "json", "weights-coefficients": "csv png svg"},
}
SETTINGS = {"readout": {"times": [3, 4], "statistics": ["reused"]}, "iteration": {"further": 1, "seeds": (0,)}}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_written_as_json_csv_and_figures(kind, case, tmp_path):
    c = case("rc")
    model, data = (SWRN(16, 1, 2, **SMALL), None) if kind == "weights" else (c.model, c.data)
    found = analyze(kind, model, data, out=tmp_path / "new" / "out", **SETTINGS.get(kind, {}))
    written = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert written == {f"{stem}.{ending}" for stem, endings in FILES[kind].items() for ending in endings.split()}
    assert json.loads((tmp_path / "new" / "out" / f"{kind}.json").read_text()) == found.to_dict()
    assert type(found).from_dict(json.loads(found.to_json())) == found
    assert found.kind == kind
    assert found.model == model.name
    for path in (tmp_path / "new" / "out").iterdir():
        if path.suffix == ".csv":
            part = path.stem.removeprefix(kind).removeprefix("-")
            assert len(list(csv.DictReader(path.open()))) == len(found.tables()[part]) > 0
        elif path.suffix == ".png":
            pixels = np.asarray(Image.open(path).convert("L"))
            # Six and a half inches wide, and not empty.
            assert pixels.shape[1] == 1300
            assert pixels.std() > 0
        elif path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert str(found)


def test_equal_records_make_equal_files(tmp_path):
    model = RelaxedResNet((2, 2, 2), "relaxed", **SMALL)
    for folder in ("a", "b"):
        analyze("weights", model, out=tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_only_an_earlier_analysis_is_replaced(tmp_path):
    model = SWRN(16, 1, 2, **SMALL)
    analyze("similarity", model, out=tmp_path)
    found = analyze("similarity", model, out=tmp_path, threshold=0.5)
    assert json.loads((tmp_path / "similarity.json").read_text())["threshold"] == 0.5
    (tmp_path / "similarity.json").write_text('{"mine": 1}')
    (tmp_path / "similarity.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"similarity\.json"):
        write_analysis(found, tmp_path)
    assert (tmp_path / "similarity.csv").read_text() == "mine"
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_what_is_no_analysis(case):
    with pytest.raises(ValueError, match="'dreams'"):
        analyze("dreams", case("rc").model)
    with pytest.raises(ValueError, match="speed"):
        analyze("weights", SWRN(16, 1, 2, **SMALL), speed=1)
    with pytest.raises(ValueError, match="4 labels"):
        analyze("ablation", case("rc").model, (np.zeros((3, 8, 8, 3)), [0, 1, 2, 3]))


def test_a_figure_for_a_notebook(case):
    found = analyze("similarity", case("swrn").model)
    assert ElementTree.fromstring(found.picture("wiring")._repr_svg_()).tag.endswith("svg")
    assert found.picture().draw == found.figures()[""]
    with pytest.raises(ValueError, match="'wires'"):
        found.picture("wires")
