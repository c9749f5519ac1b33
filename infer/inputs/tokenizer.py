"""Tokenizers of strangers: tried in a limited process before they are loaded in this one.

A file of `tokenizers` holds regular expressions and rewriting rules, which may take for ever or
grow without end, and a damaged one may panic in Rust, which no Python code can catch. A file that
has stood the trial is known by its hash from then on, on this machine.
"""

from __future__ import annotations

import hashlib
import string
import sys
from contextlib import suppress
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer

from zscr.cache import cache_folder
from zscr.errors import ConfigError, InputError
from zscr.regular import read_regular

_LARGEST = 256 << 20  # bytes; a vocabulary of 250,000 words in 100 languages has 17 MB
_MEMORY, _MEMORY_PER_BYTE, _SECONDS = 768 << 20, 40, 20  # of the trial
_LONGEST = 200_000  # tokens that the samples may become together
_SAMPLES = (
    *(sign * 40 + "!" for sign in string.printable),  # what regular expressions stumble over
    *("", " ", "ab " * 40, "a small bird with a red crown, 3.5 inches", "A" * 5_000),
    *("Übergrößenträger", "小さな赤い鳥", "маленькая птица", "طائر صغير", "नन्हा पक्षी"),
    *("🐕", "e\u0301\u200b"),
)
_PROVEN: set[str] = set()  # by this process


def load_tokenizer(path: Path, max_length: int, pad_to: int | None = None) -> Tokenizer:
    """Load a tokenizer that truncates to `max_length` tokens and pads to the longest of a batch.

    Args:
        path: of the file, which says at which end it truncates and pads, and with what.
        max_length: in tokens.
        pad_to: in tokens, where every text is padded to one length.

    Raises:
        InputError: it is none, or takes too long or too much memory for short texts.
        OSError: the file cannot be read.
    """
    raw = read_regular(path, _LARGEST, "tokenizer")
    _prove(raw, max_length, str(path))
    return _made(raw, max_length, pad_to)


def _made(raw: bytes, max_length: int, pad_to: int | None = None) -> Tokenizer:
    tokenizer = Tokenizer.from_buffer(raw)
    cut, pad = tokenizer.truncation or {}, tokenizer.padding or {}
    tokenizer.enable_truncation(max_length, direction=cut.get("direction", "right"))
    tokenizer.enable_padding(
        direction=pad.get("direction", "right"),
        pad_id=pad.get("pad_id", 0),
        pad_token=pad.get("pad_token", "[PAD]"),
        length=pad_to,
    )
    return tokenizer


def _prove(raw: bytes, max_length: int, name: str) -> None:
    """Try a tokenizer out unless it is known to be sound; see `load_tokenizer`."""
    made_of = f"{tokenizers.__version__} {max_length} {hashlib.sha256(raw).hexdigest()}"
    key = hashlib.sha256(made_of.encode()).hexdigest()
    if key in _PROVEN or _is_known(key):
        return
    from zscr.limited import Limits, run_limited  # most files are known

    limits = Limits(_MEMORY + _MEMORY_PER_BYTE * len(raw), _SECONDS + (len(raw) >> 20))
    arguments = [str(max_length), name]
    run_limited(__name__, arguments, limits, what=f"trying the tokenizer {name}", given=raw)
    _PROVEN.add(key)
    with suppress(OSError, ConfigError):  # no cache that can be written to: the next process tries
        known = _trials() / key
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()


def _is_known(key: str) -> bool:
    """Say whether a file has stood its trial on this machine."""
    try:
        return (_trials() / key).is_file()
    except (OSError, ConfigError):  # there is no cache, or none that may be read
        return False


def _trials() -> Path:
    return cache_folder() / "tokenizers"


def main(max_length: str, name: str, memory: str, seconds: str) -> int:
    """Load the tokenizer on stdin within limits and run it on samples; return the exit status."""
    from zscr.limited import REFUSED, limit_process

    limit_process(memory, seconds)
    try:
        tokenizer = _made(sys.stdin.buffer.read(), int(max_length))
        found = [tokenizer.encode(sample) for sample in _SAMPLES]
        if any(len(one.ids) > int(max_length) for one in found):
            raise ValueError(f"it makes more than {max_length} tokens of a text")
        if sum(len(rest.ids) for one in found for rest in one.overflowing) > _LONGEST:
            raise ValueError(f"it makes over {_LONGEST} tokens of short texts")
    except Exception as error:  # noqa: BLE001  # the library raises plain `Exception`
        sys.stderr.write(f"{name} is no usable tokenizer ({error!s:.200}); fetch it again")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))


def frame_of(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens that a tokenizer puts before and behind every text.

    Raises:
        InputError: it reads nothing of a text.
    """
    encoding = tokenizer.encode("a")
    special = encoding.special_tokens_mask
    if 0 not in special:
        raise InputError("the tokenizer reads nothing of the text 'a'; fetch it again")
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return encoding.ids[:first], encoding.ids[last:]
