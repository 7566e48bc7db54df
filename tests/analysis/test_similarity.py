"""Similarity matrices, over a run's epochs, and the wiring that they suggest."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save_file

from recurzoo.analysis.similarity import measure_similarity
from recurzoo.analysis.subject import Subject
from recurzoo.analysis.weights import measure_weights
from recurzoo.checkpoints.folder import COEFFICIENTS
from recurzoo.models import RC, SWRN, RelaxedResNet
from tests.support.networks import SMALL
from tests.support.numpy_layers import similarity


def with_run(model, folder, arrays):
    """A network that was trained in a run which kept these arrays."""
    save_file(arrays, folder / COEFFICIENTS)
    subject = Subject(model)
    subject.folder = folder
    return subject


def test_a_bank_of_one_template_is_all_alike(randomize):
    found = measure_similarity(Subject(randomize(SWRN(22, 1, 1, **SMALL))))
    assert [bank.name for bank in found.banks] == ["stage_1", "stage_2", "stage_3"]
    for bank in found.banks:
        np.testing.assert_allclose(bank.matrices[-1], np.ones((4, 4)), atol=1e-6)
        assert bank.index == (0, 0, 0, 0)
        assert [(loop.start, loop.period, loop.repeats) for loop in bank.loops] == [(0, 1, 4)]


def test_matrices_of_a_runs_epochs(randomize, tmp_path, rng):
    model = randomize(SWRN(22, 1, 3, **SMALL))
    now = ops.convert_to_numpy(model.get_layer("stage_2").banks[0].coefficients)
    run = rng.normal(size=(41, 4, 3)).astype("float32")
    subject = with_run(model, tmp_path, {"stage_2/bank/coefficients": run})
    first, second, third = measure_similarity(subject).banks
    # A few early ones and the last, as in the paper; of other banks there is no run.
    assert (first.epochs, second.epochs, third.epochs) == ((None,), (0, 1, 5, 10, 40), (None,))
    for epoch, matrix in zip(second.epochs[:-1], second.matrices, strict=False):
        np.testing.assert_allclose(matrix, similarity(run[epoch]), atol=1e-6)
    np.testing.assert_allclose(second.matrices[-1], similarity(now), atol=1e-6)
    assert measure_similarity(subject, epochs=[7]).banks[1].epochs == (7, 40)
    with pytest.raises(ValueError, match=r"\[41\]"):
        measure_similarity(subject, epochs=[41])


def test_layers_in_turn_are_two_kernels_with_a_loop(randomize):
    model = randomize(SWRN(22, 1, 3, **SMALL))
    bank = model.get_layer("stage_3").banks[0]
    rows = np.array([[1, 0, 0], [0, 1, 0], [-2, 0, 0], [0, 0.5, 0]], "float32")
    bank.coefficients.assign(rows)
    found = measure_similarity(Subject(model)).banks[-1]
    assert found.index == (0, 1, 0, 1)
    assert [(loop.start, loop.period, loop.repeats) for loop in found.loops] == [(0, 2, 2)]


def test_a_network_without_alike_layers_is_refused():
    with pytest.raises(ValueError, match="none does"):
        measure_similarity(Subject(RC(1, 4, **SMALL)))


def test_angles_and_coefficients(randomize, tmp_path, rng):
    relaxed = randomize(RelaxedResNet((2, 2, 2), "relaxed", **SMALL))
    run = rng.uniform(0, 90, (6, 2)).astype("float32")
    found = measure_weights(with_run(relaxed, tmp_path, {"level_1/conv1_bank/angles": run}))
    by_bank = {one.bank: one for one in found.angles}
    assert by_bank["level_1/conv1_bank"].epochs == (0, 1, 2, 3, 4, 5)
    np.testing.assert_allclose(by_bank["level_1/conv1_bank"].degrees, run)
    kernels = ops.convert_to_numpy(relaxed.get_layer("level_2").banks[0].templates).reshape(2, -1).astype("float64")
    mean = kernels.mean(axis=0)
    cosines = kernels @ mean / np.linalg.norm(kernels, axis=1) / np.linalg.norm(mean)
    assert by_bank["level_2/conv1_bank"].epochs == (None,)
    np.testing.assert_allclose(by_bank["level_2/conv1_bank"].degrees[0], np.degrees(np.arccos(cosines)), rtol=1e-5)
    soft = randomize(SWRN(16, 1, 2, **SMALL))
    values = measure_weights(Subject(soft)).coefficients[0].values
    np.testing.assert_array_equal(values, ops.convert_to_numpy(soft.get_layer("stage_1").banks[0].coefficients))
    with pytest.raises(ValueError, match="none"):
        measure_weights(Subject(RC(1, 4, **SMALL)))


def test_a_damaged_run_is_told(tmp_path):
    (tmp_path / COEFFICIENTS).write_bytes(b"nothing of the kind")
    subject = Subject(SWRN(16, 1, 2, **SMALL))
    subject.folder = tmp_path
    with pytest.raises(ValueError, match="cannot be read"):
        measure_similarity(subject)
