"""Texts that tokenizers stumble over, and what Python and C++ make of them."""

from __future__ import annotations

import json
import random
import subprocess
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zscr.infer.inputs.text import TextInput

LENGTH = 24
POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
HAND = (
    *(
        "",
        " ",
        "  two   spaces ",
        "tab\tnew\nline\r\n",
        "\0 nul",
        "e\u0301\u200b",
        "\ufeffbom",
        "\ufffd",
    ),
    *(
        "🐕\u200d🦺 dog",
        "🇩🇪🏳️\u200d🌈👩\u200d👩\u200d👧",
        "小さな赤い鳥",
        "一只红色的小鸟",
        "ประเทศไทย",
        "طائر صغير",
    ),
    *(
        "한국어 각",
        "नन्हा पक्षी",
        "ΑΣ Σ ς",
        "İstanbul",
        "¿qué? naïve café",
        "ﬁ ﬂ ½ ² Ⅷ",
        "x\u00a0y\u2003z\u3000",
    ),
    *(
        "<|endoftext|> x",
        "<|ENDOFTEXT|>!",
        "!<|startoftext|>!!",
        "[SEP] [sep] [MASK]x[CLS]",
        "\x1c\x85\u180e",
    ),
    *(
        "don't we'll I'M THEY'RE",
        "'s 's's '",
        "123abc456 1 22 333",
        "a" * 300,
        "word " * 100,
        '2,5 % (of) 3.5"',
    ),
)


def texts(every: int, rows: int, seed: int = 7) -> dict[str, list[str]]:
    """Return texts by what they are.

    Args:
        every: of the code points in context one of so many; rows: random strings of each kind.
        seed: of these.
    """
    rng = random.Random(seed)
    marks = [point for point in POINTS if unicodedata.combining(chr(point))]
    low = POINTS[:0x3000]
    return {
        "by hand": [*HAND],
        "code points": [f"a{chr(p)}b {chr(p)} c" for p in POINTS[::every]],
        "random": [_random(rng, (low, low, POINTS), 40) for _ in range(rows)],
        "marks": [_random(rng, (marks, POINTS[0x41:0x250]), 20) for _ in range(rows)],
    }


def _random(rng: random.Random, kinds: Sequence[Sequence[int]], most: int) -> str:
    return "".join(chr(rng.choice(rng.choice(kinds))) for _ in range(rng.randint(1, most)))


def in_python(path: Path, values: Sequence[str]) -> Iterator[list[Any]]:
    """Yield of each text its ids, whether it was cut, what is unknown, and if nothing was read."""
    spec = {"field": "text", "names": ["ids", "mask"], "tokenizer": path.name, "max_length": LENGTH}
    reader = TextInput(spec, path.parent)
    for value in values:
        found = reader.prepare([unicodedata.normalize("NFC", value)])
        length = int(found.feeds["mask"].sum())
        unknown = [[*map(ord, word)] for word in found.unknown.get(0, ())]
        ids = found.feeds["ids"][0][:length].tolist()
        yield [ids, bool(found.truncated), unknown, bool(found.blank)]


def in_cpp(program: Path, path: Path, values: Sequence[str]) -> list[list[Any]]:
    """Return the same of libzscr."""
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    command = [str(program), str(path), str(LENGTH)]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def differing(program: Path, path: Path, values: Sequence[str], *, unknown: bool) -> list[Any]:
    """Return texts of which C++ says something else, with both; of unknown words, if asked."""
    ours = in_cpp(program, path, values)
    both = zip(values, in_python(path, values), ours, strict=True)
    kept = (0, 1, 2, 3) if unknown else (0, 1, 3)
    return [one for one in both if any(one[1][n] != one[2][n] for n in kept)]
