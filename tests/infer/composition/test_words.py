"""The own word lists: what BASIC takes of an encoder stands on them."""

from __future__ import annotations

from zscr.infer.composition.words import evenly, own_words


def test_the_own_lists_are_long_sorted_and_apart() -> None:
    """A word that stands twice counts twice, and one of both lists against itself."""
    own = own_words()
    assert len(own.objects) > 1000
    assert len(own.styles) > 300
    for words in (own.objects, own.styles):
        assert list(words) == sorted(set(words))
        assert all(word == word.strip().lower() and word for word in words)
    assert not set(own.objects) & set(own.styles)


def test_words_are_taken_evenly() -> None:
    """The first and the last are among them; of fewer, all are."""
    assert evenly("abcdefgh", 3) == ["a", "d", "h"]
    assert evenly("ab", 3) == ["a", "b"]
