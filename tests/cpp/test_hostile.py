"""Files that would fill the memory, hang, or lie: refused in one sentence, or read as in Python."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

ARTEFACT, MISSING = 1, 6


def tokenizer(folder: Path, kind: str = "clip") -> dict[str, Any]:
    from bundles import TEXTS
    from tokenizer_files import KINDS

    return json.loads(KINDS[kind](TEXTS, folder / "sound.json").read_bytes())


def refusal(library: Any, folder: Path, content: dict[str, Any]) -> tuple[int, str]:
    """Open a bundle whose tokenizer is another -> what is said."""
    from bundles import make_bundle, make_index
    from library import Refused

    bundle = make_bundle(folder / "b", "clip")
    make_index(folder / "b.index", bundle, 3)
    raw = json.dumps(content).encode()
    (bundle / "tokenizer.json").write_bytes(raw)
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    manifest.pop("checksum")
    manifest["files"]["tokenizer.json"] = {"sha256": sha256(raw).hexdigest(), "bytes": len(raw)}
    text = json.dumps(manifest, ensure_ascii=False)
    signed = manifest | {"checksum": sha256(text.encode()).hexdigest()}
    (bundle / "manifest.json").write_text(json.dumps(signed))
    with pytest.raises(Refused) as found:
        library.open(bundle)
    return found.value.code, found.value.message


def test_an_added_token_without_a_text(built, tmp_path):
    """It stands at every place; Python passes over it."""
    from bundles import captions
    from token_texts import differing

    content = tokenizer(tmp_path)
    content["added_tokens"][0]["content"] = ""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    assert differing(built / "zscr-tokens", path, captions(20), unknown=True) == []


def test_tokens_around_a_text_are_few(library, tmp_path):
    """A template of 3,000 special tokens, each of which stands for 3,000."""
    content = tokenizer(tmp_path)
    special = {"id": "x", "ids": [1] * 3000, "tokens": ["x"] * 3000}
    single = [{"SpecialToken": {"id": "x", "type_id": 0}}] * 3000
    single.append({"Sequence": {"id": "A", "type_id": 0}})
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single,
        "special_tokens": {"x": special},
    }
    wanted = "tokenizers with over 4096 tokens around a text are not in this version"
    assert refusal(library, tmp_path, content) == (MISSING, wanted)


def test_normalizers_are_few(library, tmp_path):
    """Each of 1,000 would put spaces around every Chinese character."""
    content = tokenizer(tmp_path)
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
    bert |= {"lowercase": True, "strip_accents": None}
    content["normalizer"] = {"type": "Sequence", "normalizers": [bert] * 1000}
    wanted = "tokenizers with over 32 normalizers are not in this version"
    assert refusal(library, tmp_path, content) == (MISSING, wanted)


def test_words_are_not_looked_up_without_an_end(library, tmp_path):
    """Looking for the pieces of a word takes the square of its length."""
    content = tokenizer(tmp_path, "bert")
    content["model"]["max_input_chars_per_word"] = 100_000
    code, said = refusal(library, tmp_path, content)
    assert code == ARTEFACT
    assert "max_input_chars_per_word is 100000, not an integer from 1 to 1000" in said


def test_a_segment_is_there_once(library, tmp_path):
    """A million copies of one would end each other's rows."""
    from bundles import make_bundle, make_index
    from library import Refused
    from test_refusals import signed

    bundle = make_bundle(tmp_path / "b", "clip")
    index = make_index(tmp_path / "b.index", bundle, 5)
    path = index.folder / "manifest.json"
    signed(path, segments=json.loads(path.read_bytes())["segments"] * 2)
    with pytest.raises(Refused, match=r"segment 1 is there twice"):
        library.open(bundle)


def peak(built: Path, reader: str, content: bytes, folder: Path) -> int:
    """Let a reader read a file -> the most memory that it had, in MB."""
    if re.search(r"ZSCR_SANITIZE:\w+=.", (built / "CMakeCache.txt").read_text("utf-8")):
        pytest.skip("sanitizers take memory of their own")
    (folder / "file").write_bytes(content)
    about = {"ZSCR_READER": reader, "ZSCR_SAMPLE": str(folder / "none")}
    command = [str(built / "zscr-fuzz"), str(folder / "file")]
    (folder / "none").mkdir()
    done = subprocess.run(
        command, env={**os.environ, **about}, capture_output=True, text=True, check=True
    )
    return int(done.stdout.split("VmHWM:")[1].split()[0]) >> 10


def test_names_on_the_way_to_a_value_take_no_memory(built, tmp_path):
    """60 names of 40 letters, and below them 500,000 numbers: 1 MB."""
    name = "x" * 40
    deep = f'{{"{name}": ' * 60 + "[" + "0," * 500_000 + "0]" + "}" * 60
    assert peak(built, "manifest", deep.encode(), tmp_path) < 700


def chunk(name: bytes, content: bytes, *, wrong: bool = False) -> bytes:
    crc = zlib.crc32(name + content) ^ wrong
    return len(content).to_bytes(4, "big") + name + content + crc.to_bytes(4, "big")


def png(**more: Any) -> bytes:
    """Return a PNG of 40 x 30 pixels, with chunks before its pixels and behind, and other flaws."""
    from image_files import noise

    whole, passes = noise(size=(40, 30)), [(0, 0, 1, 1)]
    if interlaced := more.get("interlaced", False):  # Adam7: from which row and column, each which
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [whole[y::down, x::across] for y, x, down, across in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part)
    pixels = bytearray(zlib.compress(rows))
    pixels[-1] ^= more.get("adler", False)
    del pixels[len(pixels) - more.get("cut", 0) :]
    head = (40).to_bytes(4, "big") + (30).to_bytes(4, "big") + bytes([8, 2, 0, 0, interlaced])
    made = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head, wrong=more.get("head", False))
    made += more.get("before", b"")
    for at in range(0, len(pixels), 500):
        made += chunk(b"IDAT", bytes(pixels[at : at + 500]), wrong=more.get("pixels", False))
    return made + more.get("behind", b"") + chunk(b"IEND", b"", wrong=more.get("end", False))


def test_texts_of_a_png_take_little_memory(built, tmp_path):
    """300 of them, 8 MB each when they are unpacked: the image is read."""
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 7_900_000))
    assert peak(built, "png", png(before=text * 300), tmp_path) < 700


EXIF = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
FLAWS = {
    "no flaw": {},
    "checksum of pixels": {"pixels": True},
    "checksum in the pixels": {"adler": True},
    "no checksum in the pixels": {"cut": 4},
    "no checksum in the pixels of 7 passes": {"cut": 4, "interlaced": True},
    "pixels are missing": {"cut": 700},
    "some bytes of the pixels are missing": {"cut": 12},
    "checksum of the header": {"head": True},
    "checksum of the end": {"end": True},
    "checksum of a text": {"before": chunk(b"tEXt", b"a\0b", wrong=True)},
    "checksum of a clear colour": {"before": chunk(b"tRNS", bytes(6), wrong=True)},
    "orientation": {"before": chunk(b"eXIf", EXIF)},
    "checksum of an orientation": {"before": chunk(b"eXIf", EXIF, wrong=True)},
    "orientation beside a wrong text": {
        "before": chunk(b"tEXt", b"a\0b", wrong=True) + chunk(b"eXIf", EXIF)
    },
    "checksum of an orientation behind": {"behind": chunk(b"eXIf", EXIF, wrong=True)},
}


def test_flaws_of_a_png(library, tmp_path):
    """What Pillow reads in spite of a wrong checksum is read, to the bit, and nothing else."""
    from bundles import make_bundle, make_index

    from zscr.data.records import Query
    from zscr.infer.runners.runner import Runtime
    from zscr.infer.searcher import Searcher

    bundle = make_bundle(tmp_path / "b", "clip")
    make_index(tmp_path / "b.index", bundle, 20)
    ours, theirs = library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))
    paths = [tmp_path / f"{number}.png" for number in range(len(FLAWS))]
    for path, flaw in zip(paths, FLAWS.values(), strict=True):
        path.write_bytes(png(**flaw))
    queries = [Query(str(n), image=path) for n, path in enumerate(paths)]
    found, refused = {}, []
    for name, one, other in zip(
        FLAWS, ours.search_images(paths), theirs.answers(queries), strict=True
    ):
        assert (one.error is None) == (other.error is None), (name, one.error, other.error)
        assert [hit[1:3] for hit in one.hits] == [(hit.id, hit.score) for hit in other.hits], name
        found[name] = one.hits
        refused += [name] if one.error else []
    assert refused == [
        "checksum in the pixels",
        "pixels are missing",
        "some bytes of the pixels are missing",
        "checksum of the header",
        "checksum of a clear colour",
    ]
    assert found["checksum of pixels"] == found["no flaw"] != found["orientation"]
    assert found["no checksum in the pixels of 7 passes"] == found["no flaw"]
    assert found["checksum of an orientation"] == found["no flaw"]
    assert found["checksum of an orientation behind"] == found["orientation"]


def test_scans_of_a_jpeg_are_few(library, tmp_path):
    """A progressive one with its last scan 1,000 times: each goes through all of the pixels."""
    from bundles import make_bundle, make_index

    bundle = make_bundle(tmp_path / "b", "clip")
    make_index(tmp_path / "b.index", bundle, 3)
    made = io.BytesIO()
    Image.radial_gradient("L").save(made, "JPEG", progressive=True)
    raw = made.getvalue()
    last = raw.rindex(b"\xff\xda")
    many = raw[:last] + raw[last:-2] * 1000 + b"\xff\xd9"
    [answer] = library.open(bundle).ask([{"image_bytes": many, "image_size": len(many)}])
    assert "cannot be decoded (it has over 500 scans)" in (answer.error or "")
