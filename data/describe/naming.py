"""How a class is called in a sentence: its name in plain words, with the article that it needs."""

from __future__ import annotations

import re

from zscr.errors import ConfigError

PLACE = "{}"  # of a class's name in a sentence
_QUALIFIED = re.compile(r"(.+?) \((.+)\)")
_ARTICLE = re.compile(r"\b([Aa])n? \{\}")


def plain(name: str) -> str:
    """Return a class's name as people say it: `car_(sedan)` is `sedan car`, a hyphen a space."""
    spaced = " ".join(name.replace("_", " ").replace("-", " ").split())
    qualified = _QUALIFIED.fullmatch(spaced)
    return f"{qualified[2]} {qualified[1]}" if qualified else spaced


def fill(sentence: str, name: str) -> str:
    """Put a class's name in each place of a sentence; `a {}` becomes `an airplane`."""
    called = plain(name)
    article = r"\1n {}" if called[:1].lower() in "aeiou" else r"\1 {}"
    return _ARTICLE.sub(article, sentence).replace(PLACE, called)


def require_place(sentence: str, where: str) -> None:
    """Refuse a sentence that says nothing of the class.

    Raises:
        ConfigError: it has no `{}`.
    """
    if PLACE not in sentence:
        raise ConfigError(
            f"{where} is {sentence!a:.60} and has no place for the class; write {PLACE} where its "
            f"name goes"
        )
