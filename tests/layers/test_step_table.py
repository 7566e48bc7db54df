"""Which row of a table is whose."""

import numpy as np
import pytest
from keras import ops

from recurzoo.layers.initializers import RowConstant
from recurzoo.layers.step_table import row_at, rows_of_steps


def test_words_and_indices():
    assert rows_of_steps("per_step", 3) == (0, 1, 2)
    assert rows_of_steps("shared", 3) == (0, 0, 0)
    assert rows_of_steps([0, 1, 0], 3) == (0, 1, 0)


@pytest.mark.parametrize("sharing", ["by_step", (0, 1), (0, 0, 2), (1, 1, 1), (0, -1, 1)])
def test_what_is_no_index_of_three_rows_is_refused(sharing):
    with pytest.raises(ValueError, match="Received: "):
        rows_of_steps(sharing, 3)


@pytest.mark.parametrize("rows", [(0, 1, 2), (0, 0, 0), (0, 1, 0), (1, 0, 1)])
def test_a_step_finds_its_row_as_a_number_and_as_a_tensor(rows):
    table = np.arange(2.0 * (max(rows) + 1)).reshape(-1, 2)
    for step in range(5):
        expected = table[rows[min(step, 2)]]
        np.testing.assert_array_equal(ops.convert_to_numpy(row_at(table, rows, step)), expected)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(row_at(ops.convert_to_tensor(table), rows, ops.convert_to_tensor(step))), expected
        )


def test_each_row_starts_at_its_own_constant():
    initializer = RowConstant.from_config(RowConstant([1, 0.5]).get_config())
    found = ops.convert_to_numpy(initializer((2, 3), "float32"))
    np.testing.assert_array_equal(found, [[1, 1, 1], [0.5, 0.5, 0.5]])
    with pytest.raises(ValueError, match="Received: shape=\\(3, 3\\)"):
        initializer((3, 3))
