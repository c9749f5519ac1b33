"""What cannot be used is a code and one sentence, and the handle stays usable."""

from __future__ import annotations

import json
import shutil
import subprocess
from hashlib import sha256
from random import Random

import pytest

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

ARTEFACT, MISMATCH, INPUT, CONFIG, RUNTIME, MISSING = range(1, 7)
TEXT = "a small bird on the beach"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make a bundle with an index by HNSW beside it."""
    from bundles import make_bundle, make_index

    pytest.importorskip("hnswlib", reason="needs the extra 'hnsw'")
    folder = tmp_path_factory.mktemp("made")
    bundle = make_bundle(folder / "b", "clip")  # whose vocabulary is small
    make_index(folder / "b.index", bundle, 120, search="hnsw")
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """Copy both, to be damaged."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def refused(work):
    from library import Refused

    with pytest.raises(Refused) as found:
        work()
    return found.value.code, found.value.message


def signed(path, **fields):
    """Change a manifest's fields and make its checksum right."""
    content = json.loads(path.read_bytes()) | fields
    content.pop("checksum")
    text = json.dumps(content, ensure_ascii=False).encode()
    path.write_text(json.dumps(content | {"checksum": sha256(text).hexdigest()}, indent=1))


def test_queries(made, library):
    """Arguments refuse a call; a text that cannot be read only its own answer."""
    searcher = library.open(made / "b")
    assert refused(lambda: searcher.search([TEXT], 0)) == (
        INPUT,
        "k is 0 and ef is 0; k must be at least 1, and ef 0 or more",
    )
    empty, invalid, fine = searcher.search([" \t", b"a \xff b", TEXT])
    assert empty.error == "query 1 has an empty text; give it words or leave it out"
    assert "query 2 cannot be read: it holds bytes at 2 that are not UTF-8" in invalid.error
    assert len(fine.hits) == 10
    assert searcher.search([]) == []
    for asked, said in (({"sketch": b"a.jpg"}, "sketch"), ({}, "nothing")):
        found = refused(lambda asked=asked: searcher.ask([asked]))
        known = "text or image or image and text"
        assert found == (INPUT, f"'b' answers queries of {known}, not of {said}")
    assert refused(lambda: searcher.embed(3, text=TEXT.encode()))[0] == INPUT


def test_vectors(made, library):
    """Rows that are not of the space: another length, not of norm 1, not finite."""
    from bundles import unit

    searcher, rows = library.open(made / "b"), unit(2, 5)
    assert refused(lambda: searcher.search_vectors(unit(1, 1, 7)))[0] == INPUT
    for wrong in (2.0, float("nan")):
        rows[1] *= wrong
        code, message = refused(lambda: searcher.search_vectors(rows))
        assert code == INPUT
        assert "row 1 is no unit vector" in message


def test_opening(copy, library, tmp_path):
    """No folder, no index, options that cannot be had, and no onnxruntime."""
    bundle = copy / "b"
    cases = {
        "there is no bundle": (ARTEFACT, lambda: library.open(tmp_path / "none")),
        "there is no index": (ARTEFACT, lambda: library.open(bundle, tmp_path / "none")),
        "is of kind bundle, and no index": (ARTEFACT, lambda: library.open(bundle, bundle)),
        "-1 threads cannot run anything": (CONFIG, lambda: library.open(bundle, threads=-1)),
        "onnxruntime cannot be loaded": (
            RUNTIME,
            lambda: library.open(bundle, onnxruntime=b"/none.so"),
        ),
        "there is no libonnxruntime.so in": (
            RUNTIME,
            lambda: library.open(bundle, onnxruntime=str(tmp_path).encode()),
        ),
        "is no onnxruntime": (RUNTIME, lambda: library.open(bundle, onnxruntime=b"libm.so.6")),
    }
    for sentence, (code, work) in cases.items():
        found = refused(work)
        assert found[0] == code
        assert sentence in found[1]


def test_providers(copy, library):
    """Each by onnxruntime's name, Python's or without `ort-`; never the CPU in place of another."""
    [plain] = library.open(copy / "b").search([TEXT])
    for name in (b"ort-cpu", b"cpu", b"CPUExecutionProvider"):
        [answer] = library.open(copy / "b", provider=name).search([TEXT])
        assert (answer.hits, answer.ran) == (plain.hits, plain.ran)
    code, message = refused(lambda: library.open(copy / "b", provider=b"ort-abacus"))
    assert code == CONFIG
    assert message.startswith("provider 'ort-abacus' cannot run here: onnxruntime 1.")
    assert "ort-cpu; use one of these" in message


def test_no_provider_falls_back_to_the_cpu(copy, library):
    """Azure's, which onnxruntime's wheel has, takes no node of a graph: the CPU would run all."""
    import onnxruntime

    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no Azure provider")
    code, message = refused(lambda: library.open(copy / "b", provider=b"azure"))
    assert code == CONFIG
    assert "text.onnx would run in part on the CPU (" in message
    assert message.endswith("; use ort-cpu")


@pytest.mark.parametrize(
    ("folder", "fields", "code", "sentence"),
    [
        ("b", {"schema": 99}, ARTEFACT, "has schema 99, this zscr reads 4; upgrade zscr"),
        ("b.index", {"schema": 1}, ARTEFACT, "remove it, then run 'zscr index add'"),
        ("b.index", {"space": "other"}, MISMATCH, "in the space other, not in"),
        ("b.index", {"count": 7}, ARTEFACT, "120 rows, not 7"),
        ("b.index", {"dim": 41}, ARTEFACT, "does not hold rows of 41 numbers"),
        ("b.index", {"next_label": 5}, ARTEFACT, "labels that are not given yet"),
        ("b", {"files": {"../x": {}}}, ARTEFACT, "leads out of its folder"),
        ("b", {"reranking": {"kept": True}}, None, ""),  # of no graph with tokens
        ("b", {"dim": 1e3}, ARTEFACT, "dim is 1000.0, not an integer from 1 to 65536"),
    ],
)
def test_manifests(copy, library, folder, fields, code, sentence):
    """A sound checksum makes no field true."""
    signed(copy / folder / "manifest.json", **fields)
    if code is None:
        assert library.open(copy / "b").search([TEXT])[0].hits
        return
    found = refused(lambda: library.open(copy / "b"))
    assert found[0] == code
    assert sentence in found[1]


def test_what_is_not_here_yet(copy, library, tmp_path):
    """Kinds of tokenizers and inputs that the library lacks are named."""
    from bundles import make_bundle
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bundle = make_bundle(tmp_path / "u")
    made.save(str(bundle / "tokenizer.json"))
    raw = (bundle / "tokenizer.json").read_bytes()
    files = json.loads((bundle / "manifest.json").read_bytes())["files"]
    files["tokenizer.json"] = {"sha256": sha256(raw).hexdigest(), "bytes": len(raw)}
    signed(bundle / "manifest.json", files=files)
    code, message = refused(lambda: library.open(bundle))
    assert code == MISSING
    assert message == "tokenizers of the kind Unigram are not in this version"


def test_weights_in_other_files_are_refused(copy, library):
    """A graph that names another file as its weights could name any."""
    import onnx

    path = copy / "b" / "text.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="w", size_threshold=0)
    files = json.loads((copy / "b" / "manifest.json").read_bytes())["files"]
    raw = path.read_bytes()
    files["text.onnx"] = {"sha256": sha256(raw).hexdigest(), "bytes": len(raw)}
    signed(copy / "b" / "manifest.json", files=files)
    code, message = refused(lambda: library.open(copy / "b"))
    assert code == ARTEFACT
    assert "keeps weights in other files" in message


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("b/text.onnx", "is damaged: its sha256 is not the one in manifest.json"),
        ("b/tokenizer.json", "is damaged: its sha256 is not the one in manifest.json"),
        ("b.index/segment.1.safetensors", "is damaged: its block 0 of 4 MiB"),
        ("b.index/hnsw.1.bin", "is damaged; run 'zscr index repair"),
    ],
)
def test_one_bit_of_each_file(name, sentence, copy, library):
    """The last bit of every file that an answer is made of."""
    raw = bytearray((copy / name).read_bytes())
    raw[-1] ^= 1
    (copy / name).write_bytes(raw)
    code, message = refused(lambda: library.open(copy / "b").search([TEXT]))
    assert code == ARTEFACT
    assert sentence in message


def test_a_handle_outlives_a_damaged_file(copy, library):
    """What is proved at the first search is proved at the next one again, once it is mended."""
    [path] = (copy / "b.index").glob("hnsw.*.bin")
    searcher, kept = library.open(copy / "b"), path.read_bytes()
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    for _ in range(2):
        assert refused(lambda: searcher.search([TEXT]))[0] == ARTEFACT
    [exact] = searcher.search([TEXT], exact=1)
    path.write_bytes(kept)
    assert searcher.search([TEXT])[0].hits == exact.hits


OLD = """
const char *version(void) { return "1.20.1"; }
const void *none(unsigned api) { return (void *)0; }
struct base { const void *(*api)(unsigned); const char *(*version)(void); } base = {none, version};
const struct base *OrtGetApiBase(void) { return &base; }
"""


def test_an_older_onnxruntime(made, library, tmp_path):
    """A stand-in that has no API of 1.21, as 1.20's library answers; see docs/cpp.md."""
    (tmp_path / "old.c").write_text(OLD)
    old = tmp_path / "libonnxruntime.so.1.20.1"
    command = ["env", "-u", "LD_PRELOAD", "cc", "-shared", "-fPIC", "-o", old, tmp_path / "old.c"]
    subprocess.run(command, check=True)
    said = f"onnxruntime 1.20.1 ({old}) lacks the API of version 1.21; use that or a later one"
    found = refused(lambda: library.open(made / "b", onnxruntime=str(tmp_path).encode()))
    assert found == (RUNTIME, said)


def test_unrelated_queries_of_the_same_score_are_not_below(copy, library):
    """Of unrelated queries that score exactly as much, none scores lower: nothing looks like it."""
    manifest = copy / "b.index" / "manifest.json"
    best = library.open(copy / "b").search([TEXT])[0].hits[0][2]
    [known, *_] = json.loads(manifest.read_bytes())["calibrations"]
    signed(manifest, calibrations=[known | {"scores": [best, best]}])
    answer = library.open(copy / "b").search([TEXT])[0]
    assert (answer.hits[0][6], answer.nothing) == (0.0, True)


def test_of_two_calibrations_of_a_graph_the_first_counts(copy, library):
    """As in Python."""
    from zscr.infer.searcher import Searcher

    manifest = copy / "b.index" / "manifest.json"
    [known, *_] = json.loads(manifest.read_bytes())["calibrations"]
    least, most = known | {"scores": [-1.0]}, known | {"scores": [1.0]}
    for rows, share in (([least, most], 1.0), ([most, least], 0.0)):
        signed(manifest, calibrations=rows)
        assert library.open(copy / "b").search([TEXT])[0].hits[0][6] == share
        assert Searcher.open(copy / "b").search(TEXT)[0].hits[0].above_unrelated == share


def test_hnsw_of_a_stranger_never_leads_outside(copy, library):
    """Every word of HNSW's file replaced in turn, its hash made right: exact, or the same."""
    [path] = (copy / "b.index").glob("hnsw.*.bin")
    manifest, kept = copy / "b.index" / "manifest.json", path.read_bytes()
    wanted = library.open(copy / "b").search([TEXT])[0]
    exact, rng = 0, Random(3)
    header, links = range(0, 96, 4), (96 + 4 * rng.randrange(3000) for _ in range(60))
    for place in (*header, *links, len(kept) - 4):
        raw = bytearray(kept)
        raw[place : place + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\x79\0\0\0", b"\0\0\0\0"))
        path.write_bytes(raw)
        files = json.loads(manifest.read_bytes())["files"]
        files[path.name] = {"sha256": sha256(raw).hexdigest(), "bytes": len(raw)}
        signed(manifest, files=files)
        found = library.open(copy / "b").search([TEXT])[0]
        assert len(found.hits) == 10
        if "is no HNSW of these vectors" in " ".join(found.notes):
            exact += 1
            assert found.hits == wanted.hits
    assert exact > 40
