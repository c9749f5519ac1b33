"""TF-IDF as a text encoder: a vocabulary and its weights, fitted on the texts of seen classes.

A word's weight in a text is (1 + ln tf) · idf with idf = ln((1 + n) / (1 + df)) + 1, for tf
occurrences in the text and df of the n fitted texts that hold it; rows have length 1. These are
scikit-learn's `TfidfVectorizer(sublinear_tf=True)` and Manning, Raghavan and Schütze 2008, 6.4.
With `pairs`, two words that follow each other are a term as well as each of them (its
`ngram_range=(1, 2)`): which colour is said of which part.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.parser
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from zscr.errors import InputError
from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import IR_VERSION, OPSET
from zscr.train.encoders.text_graph import TOKENS

PAD, UNKNOWN, START = SPECIAL = ("[PAD]", "[UNK]", "[CLS]")  # ids 0 to 2, of weight 0
WEIGHTS = "tfidf_weights"  # (batch, length) in the graph, of the words; the export looks for it


@dataclass(frozen=True)
class TfidfConfig:
    """What is fitted.

    Attributes:
        min_texts: a term that fewer texts hold is unknown; one of a single text teaches nothing.
        max_length: words of a text that count; the graph compares each term with each.
        pairs: of neighbouring words are terms, too.
    """

    min_texts: int = 2
    max_length: int = 1024
    pairs: bool = False


# The table of pairs has a place for each two words, which is what limits the vocabulary: 64 MB.
MOST_PAIRED = 4096

# How the terms come from the words: the words alone, or with their pairs behind them. Neighbours
# (a, b) of V words are looked up at a · V + b of the table; 0, which is [PAD], is no known pair.
_WORDS = """terms = Identity (input_ids)
    mask = Cast <to = 1> (attention_mask)"""
_PAIRS = """before = Slice (input_ids, first, last, second)
    after = Slice (input_ids, second, end, second)
    row = Mul (before, vocabulary)
    place = Add (row, after)
    pair = Gather (pairs, place)
    pair_ids = Cast <to = 7> (pair)
    terms = Concat <axis = 1> (input_ids, pair_ids)
    after_mask = Slice (attention_mask, second, end, second)
    both_mask = Concat <axis = 1> (attention_mask, after_mask)
    mask = Cast <to = 1> (both_mask)"""

# The graph gets the terms one by one, so a term of tf occurrences brings its weight in tf parts.
# Special tokens have idf 0; [CLS] is there so that a text without a word has a length, too.
_GRAPH = """<ir_version: {ir_version}, opset_import: ["": {opset}]>
tfidf (int64[batch, length] input_ids, int64[batch, length] attention_mask)
=> (float[batch, {width}] features)
<int64[1] first = {{0}}, int64[1] second = {{1}}, int64[1] third = {{2}}, int64[1] last = {{-1}},
 int64[1] end = {{9223372036854775807}}, int64 vocabulary = {{{vocabulary}}}, float one = {{1}},
 float[1] tiny = {{1e-24}}, float[1, 1] zero = {{0}}, int64[1] columns = {{{columns}}},
 int64[1] first_word = {{{special}}}> {{
    {finding}
    left = Unsqueeze (terms, third)
    right = Unsqueeze (terms, second)
    equal = Equal (left, right)
    same = Cast <to = 1> (equal)
    count = ReduceSum <keepdims = 0> (same, third)
    log_count = Log (count)
    tf = Add (log_count, one)
    idf_of_terms = Gather (idf, terms)
    tfidf = Mul (tf, idf_of_terms)
    squares = Mul (tfidf, tfidf)
    square_parts = Div (squares, count)
    sum_squares = ReduceSum <keepdims = 1> (square_parts, second)
    floored = Max (sum_squares, tiny)
    norm = Sqrt (floored)
    parts = Div (tfidf, count)
    unit_parts = Div (parts, norm)
    {weights} = Mul (unit_parts, mask)
    batch_size = Shape <start = 0, end = 1> (input_ids)
    shape = Concat <axis = 0> (batch_size, columns)
    zeros = Expand (zero, shape)
    dense = ScatterElements <axis = 1, reduction = "add"> (zeros, terms, {weights})
    features = Slice (dense, first_word, columns, second)
}}"""


def fit_tfidf(texts: Sequence[str], out: Path, name: str, config: TfidfConfig) -> None:
    """Write the frozen encoder `out`: a tokenizer that knows the words, and a graph of weights.

    Args:
        texts: n texts to fit on, of seen classes only.
        out: the encoder's folder; must not exist.
        name: short name for files and messages.
        config: which terms are kept.

    Raises:
        InputError: no word is in `min_texts` of the texts, or too many are for a table of pairs.
    """
    tokenizer = _tokenizer({})
    lists = [_words(tokenizer, text) for text in texts]
    found = _counted(lists, 1)
    words = {one: n for one, n in found.items() if n >= config.min_texts}
    if not words:
        raise InputError(
            f"no word is in {config.min_texts} of the {len(texts)} texts of the seen classes, so "
            f"TF-IDF has no vocabulary; use a pretrained text encoder"
        )
    if config.pairs and len(words) > MOST_PAIRED:
        raise InputError(
            f"{len(words):,} words are in {config.min_texts} of the {len(texts):,} texts of the "
            f"seen classes, and a table of their pairs has room for {MOST_PAIRED:,}; use the text "
            f"encoder 'tfidf', which counts words alone, or a pretrained one"
        )
    counted = _counted(lists, 2) if config.pairs else {}
    pairs = {one: n for one, n in counted.items() if n >= config.min_texts}
    idf = [math.log((1 + len(texts)) / (1 + n)) + 1 for n in (*words.values(), *pairs.values())]
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *(w for (w,) in words)])}
    files = {"tokenizer.json": _tokenizer(vocabulary).to_str(pretty=True).encode()}
    fitted = {"texts": len(texts), "words": len(words), "words_left_out": len(found) - len(words)}
    about = {"tfidf": fitted | ({"pairs_kept": len(pairs)} if pairs else {}) | asdict(config)}
    graph = _graph(idf, vocabulary, [*pairs])
    write_encoder(out, name, graph, _input_spec(config), about, files)


def _counted(lists: Iterable[Sequence[str]], length: int) -> dict[tuple[str, ...], int]:
    """Count, in order, the lists that hold each run of `length` words."""
    found = Counter(
        run for words in lists for run in {*zip(*(words[n:] for n in range(length)), strict=False)}
    )
    return dict(sorted(found.items()))


def _tokenizer(vocabulary: Mapping[str, int]) -> Tokenizer:
    """Make a tokenizer of lower-cased runs of two or more letters, digits or underscores."""
    tokenizer = Tokenizer(models.WordLevel(dict(vocabulary), UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = Regex(r"\w\w+")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(words, "removed", invert=True)
    if vocabulary:
        special = [(START, vocabulary[START])]
        tokenizer.post_processor = processors.TemplateProcessing(f"{START} $A", None, special)
    return tokenizer


def _words(tokenizer: Tokenizer, text: str) -> list[str]:
    pieces = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    return [word for word, _ in pieces]


def _graph(
    idf: Sequence[float], vocabulary: Mapping[str, int], pairs: Sequence[tuple[str, ...]]
) -> onnx.ModelProto:
    """Return the graph whose columns are the words of the vocabulary and then the pairs."""
    columns = len(SPECIAL) + len(idf)
    values = {"width": len(idf), "columns": columns, "special": len(SPECIAL), "weights": WEIGHTS}
    values |= {"vocabulary": len(vocabulary), "finding": _PAIRS if pairs else _WORDS}
    model = onnx.parser.parse_model(_GRAPH.format(ir_version=IR_VERSION, opset=OPSET, **values))
    constants: dict[str, npt.NDArray[Any]] = {
        "idf": np.array([0.0] * len(SPECIAL) + [*idf], np.float32)
    }
    if pairs:
        table = np.zeros((len(vocabulary), len(vocabulary)), np.int32)
        for number, (left, right) in enumerate(pairs, len(vocabulary)):
            table[vocabulary[left], vocabulary[right]] = number
        constants["pairs"] = table.ravel()
    for name, array in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.checker.check_model(model)
    return model


def _input_spec(config: TfidfConfig) -> dict[str, object]:
    return TOKENS | {
        "shape": ["batch", "length"],
        "tokenizer": "tokenizer.json",
        "max_length": config.max_length,
        "unknown_id": SPECIAL.index(UNKNOWN),  # this vocabulary is closed: say what is not in it
    }
