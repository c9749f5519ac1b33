"""The C++ library's Unicode tables, asked of those that decide in Python, a code point at a time.

What a token is, the data of the `tokenizers` library decide, and no other table agrees with them
everywhere: Python's `unicodedata` differs on some hundred assigned code points. That one decides
the normal form that a query's text is brought into first, and which characters say something.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby

import tokenizers
from tokenizers import Regex
from tokenizers.normalizers import BertNormalizer, Lowercase, Replace
from tokenizers.pre_tokenizers import BertPreTokenizer

_WIDTH = 100
_HANGUL = range(0xAC00, 0xAC00 + 11172)  # composed by arithmetic
_POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
Maps = Mapping[int, str]


def tables() -> dict[str, str]:
    """Return the C++ arrays by their names."""
    bert, cjk = _bert()
    decomposed = _changed(partial(unicodedata.normalize, "NFD"))
    found = {
        "BertDeleted": _ranges(point for point, to in bert.items() if to == ""),
        "BertSpace": _ranges(point for point, to in bert.items() if to == " "),
        "BertAlone": _ranges(cjk),
        "BertPunctuation": _ranges(_bert_punctuation()),
        "Space": _matched(r"\s"),
        "Letter": _matched(r"\p{L}"),
        "Number": _matched(r"\p{N}"),
        "Word": _matched(r"\w"),
        "Told": _ranges(point for point in _POINTS if _says(chr(point))),
        "Blank": _ranges(point for point in _POINTS if chr(point).isspace()),
        **_mapped("Bert", {point: to for point, to in bert.items() if to not in ("", " ")}),
        **_mapped("Lower", _changed(Lowercase().normalize_str)),
        **_mapped("Decomposed", decomposed),
        "Composed": _composed(decomposed),
        "Ordered": _ordered(),
    }
    return found


def text() -> str:
    """Return the file that `cpp/src/unicode.cpp` includes."""
    head = (
        f"// Made by scripts/unicode-tables of tokenizers {tokenizers.__version__} and of Unicode "
        f"{unicodedata.unidata_version}\n// as Python has it. Do not edit.\n"
    )
    return head + "".join(_array(name, rows) for name, rows in tables().items())


def _array(name: str, rows: str) -> str:
    kind = {"Pool": "char32_t", "Map": "Mapping", "Composed": "Pair", "Ordered": "Order"}
    which = next((kind[one] for one in kind if name.endswith(one)), "Range")
    lines, line = [f"const {which} k{name}[] = {{"], " "
    for row in rows.split():
        if len(line) + len(row) >= _WIDTH:
            lines.append(line)
            line = " "
        line += row
    return "\n".join([*lines, line, "};", ""])


def _says(character: str) -> bool:
    """Say whether it is a letter, a digit or a pictograph, as `zscr.infer.inputs.prepared` does."""
    kind = unicodedata.category(character)
    return kind[0] in "LN" or kind == "So"


def _changed(normalize: Callable[[str], str]) -> dict[int, str]:
    """Return what becomes of code points by themselves, where that is something else."""
    found = ((point, normalize(chr(point))) for point in _POINTS if point not in _HANGUL)
    return {point: to for point, to in found if to != chr(point)}


def _bert() -> tuple[dict[int, str], set[int]]:
    """Return what uncased BERT makes of code points, and those that stand alone."""
    normalize = BertNormalizer(lowercase=True).normalize_str
    found, alone = dict[int, str](), set[int]()
    for point, to in _changed(normalize).items():
        if len(to) >= 3 and to[0] == to[-1] == " ":
            alone.add(point)
            to = to[1:-1]
        if to != chr(point):
            found[point] = to
    return found, alone


def _bert_punctuation() -> Iterator[int]:
    """Yield what is split off as a word of its own."""
    split = BertPreTokenizer().pre_tokenize_str
    for point in _POINTS:
        if [piece for piece, _ in split(f"a{chr(point)}b")] == ["a", chr(point), "b"]:
            yield point


def _matched(pattern: str) -> str:
    """Return the ranges of code points that a regular expression matches."""
    replace = Replace(Regex(pattern), "").normalize_str
    return _ranges(point for point in _POINTS if not replace(chr(point)))


def _composed(decomposed: Maps) -> str:
    """Return the pairs of code points that compose to a third, ascending."""
    pairs = list[tuple[int, int, int]]()
    for point, parts in decomposed.items():
        if unicodedata.normalize("NFC", chr(point)) == chr(point):
            first = unicodedata.normalize("NFC", parts[:-1])
            if len(first) != 1:
                raise ValueError(f"U+{point:04X} is composed of more than a pair")
            pairs.append((ord(first), ord(parts[-1]), point))
    return " ".join(f"{{{a},{b},{c}}}," for a, b, c in sorted(pairs))


def _ordered() -> str:
    """Return ranges of the marks behind a letter with their canonical combining class."""
    classes = {point: unicodedata.combining(chr(point)) for point in _POINTS}
    of_class = groupby((point for point in _POINTS if classes[point]), key=classes.__getitem__)
    found = list[str]()
    for rank, points in of_class:
        for one in _ranges(points).split():
            found.append(f"{one[:-2]},{rank}}},")
    return " ".join(found)


def _ranges(points: Iterable[int]) -> str:
    found = list[list[int]]()
    for point in sorted(points):
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return " ".join(f"{{{a},{b}}}," for a, b in found)


def _mapped(name: str, changed: Maps) -> dict[str, str]:
    """Return a table of code points, each with where in a pool what becomes of it lies."""
    rows, pool = list[str](), list[int]()
    for point, to in sorted(changed.items()):
        rows.append(f"{{{point},{len(pool)},{len(to)}}},")
        pool += map(ord, to)
    return {f"{name}Map": " ".join(rows), f"{name}Pool": " ".join(f"{one}," for one in pool)}
