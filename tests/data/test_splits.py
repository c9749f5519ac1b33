"""Holding out classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.data.splits import hold_out
from zscr.errors import ConfigError

NAMES = st.lists(st.text(max_size=3), min_size=4, max_size=30, unique=True)


@given(NAMES, st.floats(0.05, 0.7), st.integers(0, 99))
def test_choice_depends_on_the_set_and_the_seed_only(classes, share, seed):
    """The order of the classes decides the order of the answer, never its members."""
    chosen = hold_out(classes, share, seed=seed)
    again = hold_out(classes[::-1], share, seed=seed)
    assert again == chosen[::-1]
    assert len(chosen) == max(1, round(share * len(classes)))
    assert [name for name in classes if name in chosen] == chosen


@pytest.mark.parametrize("amount", [0, -1, 4, 5, 0.0, 1.0, 1.5, -0.5])
def test_impossible_amounts_are_refused(amount):
    """Neither nothing nor everything can be held out."""
    with pytest.raises(ConfigError, match="hold"):
        hold_out("abcd", amount, seed=0)
