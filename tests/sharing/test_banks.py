"""What banks serve, hold and cost, against the papers' formulas in NumPy."""

import numpy as np
import pytest
from keras import ops

from recurzoo.sharing import HardSharing, RelaxedSharing, SoftSharing, partly, tied, untied
from recurzoo.sharing.soft import soft_or_untied
from tests.support import numpy_layers

SHAPE = (3, 3, 4, 5)


def build(sharing, slots, shape=SHAPE, **kwargs):
    bank = sharing.bank(slots, shape, **kwargs)
    bank.build()
    return bank


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_soft_kernels_are_mixes_of_the_templates(randomize):
    bank = randomize(build(SoftSharing(3), 6))
    templates, coefficients = numpy(bank.templates), numpy(bank.coefficients)
    expected = [sum(coefficients[i, j] * templates[j] for j in range(3)) for i in range(6)]
    np.testing.assert_allclose(numpy(bank.kernels()), expected, atol=1e-6)


def test_a_number_of_templates_stands_for_a_sharing():
    assert soft_or_untied(4, None, 0.5) == HardSharing((0, 1, 2, 3))
    assert soft_or_untied(4, "all", 0.5) == SoftSharing(4, 0.5)
    assert soft_or_untied(4, 3) == SoftSharing(3, 0.0)


def test_hard_slots_use_the_kernel_of_their_index_times_their_scale(randomize):
    index = (0, 1, 1, 2, 0)
    bank = randomize(build(HardSharing(index, scaled=True), 5))
    templates, scale = numpy(bank.templates), numpy(bank.scale)
    expected = [scale[i] * templates[kernel] for i, kernel in enumerate(index)]
    np.testing.assert_allclose(numpy(bank.kernels()), expected, atol=1e-6)
    served = [numpy(kernel) * numpy(factor) for kernel, factor in bank.serve()]
    np.testing.assert_allclose(served, expected, atol=1e-6)


def test_hard_slots_of_one_index_are_served_the_same_tensor():
    served = [kernel for kernel, _ in build(partly([0, 1, 0]), 3).serve()]
    assert served[0] is served[2]
    assert served[0] is not served[1]


def test_relaxed_slots_have_kernels_of_their_own(randomize):
    bank = randomize(build(RelaxedSharing(), 4))
    np.testing.assert_array_equal(numpy(bank.kernels()), numpy(bank.templates))
    assert bank.templates.shape == (4, *SHAPE)


@pytest.mark.parametrize(
    ("sharing", "slots"),
    [(SoftSharing(2), [1, 3]), (RelaxedSharing(), [0, 2]), (HardSharing((0, 1, 0, 1), scaled=True), [1, 3])],
    ids=["soft", "relaxed", "hard"],
)
def test_a_loop_is_given_the_kernels_that_single_slots_are(sharing, slots, randomize):
    bank = randomize(build(sharing, 4))
    at_turn = bank.table(slots)
    for turn, slot in enumerate(slots):
        kernel, factor = at_turn(ops.convert_to_tensor(turn))
        kernel = kernel if factor is None else kernel * factor
        np.testing.assert_allclose(numpy(kernel), numpy(bank.kernels())[slot], atol=1e-6)


@pytest.mark.parametrize("slots", [4, 7])
def test_coefficients_start_orthogonal(slots):
    coefficients = numpy(build(SoftSharing(4), slots).coefficients).astype("float64")
    np.testing.assert_allclose(coefficients.T @ coefficients, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("sharing", [SoftSharing(3), RelaxedSharing(), untied(3)], ids=["soft", "relaxed", "hard"])
def test_each_template_starts_he_normal(sharing):
    templates = numpy(build(sharing, 3, (3, 3, 48, 64)).templates)
    sigma = np.sqrt(2 / (9 * 48))
    for template in templates:
        assert template.std() == pytest.approx(sigma, rel=0.02)
        # A normal distribution has 4.55% beyond two sigma; a truncated one has none.
        assert np.mean(np.abs(template) > 2 * sigma) == pytest.approx(0.0455, abs=0.005)
    assert np.abs(np.corrcoef(templates.reshape(3, -1)) - np.eye(3)).max() < 0.05


@pytest.mark.parametrize("sharing", [SoftSharing(3), RelaxedSharing(), untied(3)], ids=["soft", "relaxed", "hard"])
def test_templates_may_start_as_pytorch_has_it(sharing):
    """Its `kaiming_uniform_(a=sqrt(5))`: uniform between plus and minus one over the root of the fan-in."""
    templates = numpy(build(sharing, 3, (3, 3, 48, 64), initializer="pytorch").templates)
    bound = 1 / np.sqrt(9 * 48)
    for template in templates:
        assert template.var() == pytest.approx(1 / (3 * 9 * 48), rel=0.02)
        assert bound == pytest.approx(np.abs(template).max(), rel=0.001)
        # In the precision of the weights, in which the bound itself is rounded.
        assert np.abs(template).max() <= np.float32(bound)
    with pytest.raises(ValueError, match="Received: 'zeros'"):
        build(sharing, 3, initializer="zeros")


def test_coefficients_start_as_they_are_told_to():
    start = {
        kind: numpy(build(SoftSharing(60, coefficients=kind), 60 if kind == "identity" else 240).coefficients)
        for kind in ("orthogonal", "identity", "sparse", "normal", "uniform")
    }
    np.testing.assert_array_equal(start["identity"], np.eye(60))
    np.testing.assert_allclose(start["orthogonal"].T @ start["orthogonal"], np.eye(60), atol=1e-5)
    np.testing.assert_array_equal((start["sparse"] == 0).sum(axis=1), 30)
    for kind in ("sparse", "normal", "uniform"):
        assert (start[kind] ** 2).sum(axis=0).mean() == pytest.approx(1, rel=0.1)
        assert abs(start[kind].mean()) < 0.01
    assert np.abs(start["uniform"]).max() < (3 / 240) ** 0.5 < np.abs(start["normal"]).max()
    # An odd number keeps one more, and a slot never has none.
    assert ((numpy(build(SoftSharing(3, coefficients="sparse"), 9).coefficients) != 0).sum(axis=1) == 2).all()
    with pytest.raises(ValueError, match="Received: num_templates=2"):
        build(SoftSharing(2, coefficients="identity"), 4)
    with pytest.raises(ValueError, match="Received: coefficients='zeros'"):
        SoftSharing(2, coefficients="zeros")


def test_soft_similarity_is_that_of_the_coefficients(randomize):
    bank = randomize(build(SoftSharing(3), 5))
    np.testing.assert_allclose(bank.similarity(), numpy_layers.similarity(numpy(bank.coefficients)), atol=1e-6)


@pytest.mark.parametrize("sharing", [partly([0, 1, 0, 2]), RelaxedSharing()], ids=["hard", "relaxed"])
def test_similarity_of_other_banks_is_that_of_the_kernels(sharing, randomize):
    bank = randomize(build(sharing, 4))
    np.testing.assert_allclose(bank.similarity(), numpy_layers.similarity(numpy(bank.kernels())), atol=1e-5)


def test_slots_of_one_large_kernel_stay_tied_at_threshold_one(randomize):
    # So many numbers that the kernel's similarity to itself is rounded to less than 1.
    bank = randomize(build(tied(3), 3, (3, 3, 128, 128)))
    np.testing.assert_array_equal(bank.similarity(), np.ones((3, 3)))
    assert bank.fold(1.0).sharing == tied(3)


def test_recurrence_regularizer_and_its_gradient(randomize, gradients):
    bank = randomize(build(SoftSharing(2, recurrence=0.3), 4))
    coefficients = numpy(bank.coefficients).astype("float64")

    def penalty(coefficients):
        return -0.3 * numpy_layers.similarity(coefficients).sum()

    assert float(bank.penalty()) == pytest.approx(penalty(coefficients), rel=1e-5)
    # The diagonal is counted: four ones.
    assert penalty(coefficients) < -0.3 * 4
    (gradient,) = gradients(bank.penalty, [bank.coefficients])
    step, expected = 1e-6, np.zeros_like(coefficients)
    for at in np.ndindex(coefficients.shape):
        up, down = coefficients.copy(), coefficients.copy()
        up[at] += step
        down[at] -= step
        expected[at] = (penalty(up) - penalty(down)) / (2 * step)
    np.testing.assert_allclose(gradient, expected, atol=1e-4)


def test_recurrence_regularizer_bears_coefficients_of_zero(gradients):
    bank = build(SoftSharing(2, recurrence=1.0), 3)
    bank.coefficients.assign([[0, 0], [1, 2], [2, 1]])
    (gradient,) = gradients(bank.penalty, [bank.coefficients])
    assert np.abs(gradient).max() < 10


def test_relaxed_penalty_is_the_plain_sum_of_squared_distances_to_the_mean(randomize):
    bank = randomize(build(RelaxedSharing(pull=0.02), 4))
    kernels = numpy(bank.templates).astype("float64")
    mean = kernels.mean(axis=0)
    expected = sum(np.sum((kernel - mean) ** 2) for kernel in kernels)
    assert float(bank.penalty()) == pytest.approx(0.02 * expected, rel=1e-5)
    bank.pull.assign(0.1)
    assert float(bank.penalty()) == pytest.approx(0.1 * expected, rel=1e-5)


def test_penalties_reach_the_training_loss(randomize):
    soft, relaxed = build(SoftSharing(2, recurrence=0.5), 3), build(RelaxedSharing(0.1), 3)
    for bank in (soft, relaxed):
        assert float(sum(bank.losses)) == pytest.approx(float(bank.penalty()))
    assert build(SoftSharing(2), 3).penalty() is None
    assert not build(SoftSharing(2), 3).losses


def test_consolidation_takes_the_mean_and_folding_keeps_signed_scales(randomize):
    relaxed = randomize(build(RelaxedSharing(), 3))
    fold = relaxed.consolidate()
    assert fold.sharing == tied(3)
    np.testing.assert_allclose(fold.templates[0], numpy(relaxed.templates).mean(axis=0), atol=1e-7)

    soft = randomize(build(SoftSharing(2), 4))
    soft.coefficients.assign([[1, 2], [-2, -4], [2, -1], [3, 6]])
    fold = soft.fold(0.99)
    assert fold.sharing == HardSharing((0, 0, 1, 0), scaled=True)
    np.testing.assert_allclose(fold.scale, [1, -2, 1, 3], rtol=1e-6)
    rebuilt = fold.scale[:, None, None, None, None] * fold.templates[list(fold.sharing.index)]
    np.testing.assert_allclose(rebuilt, numpy(soft.kernels()), atol=1e-5)


def test_angles_to_the_mean_are_in_degrees():
    bank = build(RelaxedSharing(), 2, (1, 1, 1, 2))
    bank.templates.assign(np.reshape([[1.0, 0.0], [0.0, 1.0]], (2, 1, 1, 1, 2)))
    np.testing.assert_allclose(bank.angles_to_mean(), [45, 45])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: HardSharing(()),
        lambda: HardSharing((0, 2)),
        lambda: HardSharing((0, 1)).bank(3, SHAPE),
        lambda: SoftSharing(0),
        lambda: SoftSharing(1.5),
        lambda: SoftSharing(2, recurrence=-1),
        lambda: SoftSharing(4).bank(3, SHAPE),
        lambda: RelaxedSharing(-1),
    ],
)
def test_impossible_sharings_are_refused(wrong):
    with pytest.raises(ValueError, match="Received: "):
        wrong()
