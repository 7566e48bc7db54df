"""The example that learns to write: its baseline, and what it is there to show."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "character_model.py"


@pytest.fixture(scope="module")
def example():
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE)))


def test_the_trigram_model_is_one_of_probabilities(example):
    """Of all characters that can follow, by Witten and Bell's formula; and by hand."""
    train = np.array([0, 1, 0, 1, 2, 0, 1, 0, 2, 1])
    chances = [2 ** -example.trigram_bits(train, np.array([0, 1, last]), np.array([2])) for last in range(3)]
    assert sum(chances) == pytest.approx(1)
    # After 0 1 comes 0 twice, and 2 once; after 1, 0 twice and 2 once; of ten characters, four are 0.
    single = (4 + 3 / 3) / (10 + 3)
    assert chances[0] == pytest.approx((2 + 2 * (2 + 2 * single) / (3 + 2)) / (3 + 2))


def test_what_is_scored_is_the_second_half_of_each_window(example):
    test = np.arange(200)
    windows, scored = example.test_windows(test)
    np.testing.assert_array_equal(windows[:, example.STEPS // 2 + 1 :].ravel(), test[scored])
    assert len(set(scored)) == len(scored)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_network_beats_the_trigram_model():
    output = subprocess.run([sys.executable, str(EXAMPLE)], capture_output=True, text=True, check=True).stdout
    network, trigram = map(float, re.search(r"network ([\d.]+), trigram model ([\d.]+) bits", output).groups())
    assert network < trigram - 0.2
