"""Every error that zscr raises on purpose; the command line turns only these into one sentence.

ZscrError
├── ArtefactError      a folder with a manifest is missing, damaged or of another kind
│   └── MismatchError  two sound artefacts do not belong together (an index of another space)
├── CollectionError    a collection's contents contradict its format or each other
├── InputError         an image, text, caption file or pickle cannot be used
│   └── NoneLeftError  a change would leave no image in an index
├── ConfigError        an option, recipe or configuration value cannot be used
├── ParityError        an exported graph does not compute what the trained model computes
├── RankError          another process of a distributed training is gone
└── MissingExtraError  an optional dependency is not installed; the message holds the pip line
"""

from __future__ import annotations


class ZscrError(Exception):
    """Base of all known errors. The message is one sentence with the values and the fix."""


class ArtefactError(ZscrError):
    """A folder with a manifest is missing, damaged, of another kind, or could not be written."""


class MismatchError(ArtefactError):
    """Two artefacts are sound but were not made for each other."""


class CollectionError(ZscrError):
    """A collection's items, classes or queries contradict the format or each other."""


class InputError(ZscrError):
    """An image, text, caption file or other input cannot be used."""


class NoneLeftError(InputError):
    """A change would leave no image in an index, which holds at least one."""


class ConfigError(ZscrError):
    """An option, a recipe or a configuration value is unknown or out of range."""


class ParityError(ZscrError):
    """An exported graph differs from the trained model by more than the tolerance."""


class RankError(ZscrError):
    """Another process of a distributed training has ended, or answers no more."""


class MissingExtraError(ZscrError):
    """An optional dependency is missing."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'zscr[{extra}]'")
