"""TF-IDF as a text encoder: a vocabulary and its weights, fitted on the texts of seen classes.

A word's weight in a text is (1 + ln tf) · idf with idf = ln((1 + n) / (1 + df)) + 1, for tf
occurrences in the text and df of the n fitted texts that hold it; rows have length 1. These are
scikit-learn's `TfidfVectorizer(sublinear_tf=True)` and Manning, Raghavan and Schütze 2008, 6.4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from zscr.errors import InputError
from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import IR_VERSION, OPSET
from zscr.train.encoders.text import TOKENS

PAD, UNKNOWN, START = SPECIAL = ("[PAD]", "[UNK]", "[CLS]")  # ids 0 to 2, of weight 0
WEIGHTS = "tfidf_weights"  # (batch, length) in the graph, of the words; the export looks for it


@dataclass(frozen=True)
class TfidfConfig:
    """What is fitted.

    Attributes:
        min_texts: a word that fewer texts hold is unknown; one of a single text teaches nothing.
        max_length: words of a text that count; the graph compares each with each.
    """

    min_texts: int = 2
    max_length: int = 1024


# The graph gets the words one by one, so a word of tf occurrences brings its weight in tf parts.
# Special tokens have idf 0; [CLS] is there so that a text without a word has a length, too.
_GRAPH = """<ir_version: {ir_version}, opset_import: ["": {opset}]>
tfidf (int64[batch, length] input_ids, int64[batch, length] attention_mask)
=> (float[batch, {words}] features)
<int64[1] second = {{1}}, int64[1] third = {{2}}, float one = {{1}}, float[1] tiny = {{1e-24}},
 float[1, 1] zero = {{0}}, int64[1] width = {{{columns}}}, int64[1] first_word = {{{special}}}> {{
    left = Unsqueeze (input_ids, third)
    right = Unsqueeze (input_ids, second)
    equal = Equal (left, right)
    same = Cast <to = 1> (equal)
    count = ReduceSum <keepdims = 0> (same, third)
    log_count = Log (count)
    tf = Add (log_count, one)
    idf_of_ids = Gather (idf, input_ids)
    tfidf = Mul (tf, idf_of_ids)
    squares = Mul (tfidf, tfidf)
    square_parts = Div (squares, count)
    sum_squares = ReduceSum <keepdims = 1> (square_parts, second)
    floored = Max (sum_squares, tiny)
    norm = Sqrt (floored)
    parts = Div (tfidf, count)
    unit_parts = Div (parts, norm)
    mask = Cast <to = 1> (attention_mask)
    {weights} = Mul (unit_parts, mask)
    batch_size = Shape <start = 0, end = 1> (input_ids)
    shape = Concat <axis = 0> (batch_size, width)
    zeros = Expand (zero, shape)
    dense = ScatterElements <axis = 1, reduction = "add"> (zeros, input_ids, {weights})
    features = Slice (dense, first_word, width, second)
}}"""


def fit_tfidf(texts: Sequence[str], out: Path, name: str, config: TfidfConfig) -> None:
    """Write the frozen encoder `out`: a tokenizer that knows the words, and a graph of weights.

    Args:
        texts: n texts to fit on, of seen classes only.
        out: the encoder's folder; must not exist.
        name: short name for files and messages.
        config: which words are kept.

    Raises:
        InputError: no word is in `min_texts` of the texts.
    """
    tokenizer = _tokenizer({})
    found = Counter(word for text in texts for word in {*_words(tokenizer, text)})
    df = {word: found[word] for word in sorted(found) if found[word] >= config.min_texts}
    if not df:
        raise InputError(
            f"no word is in {config.min_texts} of the {len(texts)} texts of the seen classes, so "
            f"TF-IDF has no vocabulary; use a pretrained text encoder"
        )
    idf = [math.log((1 + len(texts)) / (1 + n)) + 1 for n in df.values()]
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *df])}
    files = {"tokenizer.json": _tokenizer(vocabulary).to_str(pretty=True).encode()}
    fitted = {"texts": len(texts), "words": len(df), "words_left_out": len(found) - len(df)}
    about = {"tfidf": fitted | asdict(config)}
    write_encoder(out, name, _graph(idf), _input_spec(config), about, files)


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


def _graph(idf: Sequence[float]) -> onnx.ModelProto:
    columns = len(SPECIAL) + len(idf)
    values = {"words": len(idf), "columns": columns, "special": len(SPECIAL), "weights": WEIGHTS}
    model = onnx.parser.parse_model(_GRAPH.format(ir_version=IR_VERSION, opset=OPSET, **values))
    table = np.array([0.0] * len(SPECIAL) + [*idf], np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(table, "idf"))
    onnx.checker.check_model(model)
    return model


def _input_spec(config: TfidfConfig) -> dict[str, object]:
    return TOKENS | {
        "shape": ["batch", "length"],
        "tokenizer": "tokenizer.json",
        "max_length": config.max_length,
        "unknown_id": SPECIAL.index(UNKNOWN),  # this vocabulary is closed: say what is not in it
    }
