"""What others have left is taken where it is sound, and refused in a sentence where it is not."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from galleries import SPACE, names_in, unit

from zscr.errors import ArtefactError, InputError, MismatchError, ZscrError
from zscr.infer.exchange.exports import export_index
from zscr.infer.exchange.imports import import_index
from zscr.infer.index.index import Index

ROWS = unit(np.random.default_rng(1).normal(size=(5, 8)))


@dataclass(frozen=True)
class Model:
    """What is asked of a bundle."""

    space: str = "c" * 64
    name: str = "clip"
    dim: int = 8


def plain(folder: Path, rows: Any = ROWS, ids: str = "a\nb\nc\nd\ne\n") -> Path:
    """Write what another tool may leave: vectors and ids."""
    folder.mkdir()
    np.save(folder / "vectors.npy", rows)
    (folder / "ids.txt").write_text(ids, "utf-8")
    return folder


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_bare_vectors_of_another_tool(tmp_path: Path, dtype: Any) -> None:
    """With the model's bundle; what is narrower or wider becomes float32."""
    made = import_index(
        str(plain(tmp_path / "x", ROWS.astype(dtype))), tmp_path / "i", bundle=Model()
    )
    index = made.index
    assert [one.id for one in index.entries] == [*"abcde"]
    assert np.asarray(index.vectors).tobytes() == ROWS.astype(dtype).astype(np.float32).tobytes()
    assert (index.space, index.bundle_name) == (Model.space, "clip")


def test_clip_retrieval(tmp_path: Path, need: Any) -> None:
    """Its two folders, in parts: ids are paths, texts are attributes, other columns are not."""
    need("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    for folder in ("img_emb", "metadata"):
        (tmp_path / "x" / folder).mkdir(parents=True)
    for number, part in ((0, slice(0, 3)), (1, slice(3, 5))):
        rows = ROWS[part].astype(np.float16)
        np.save(tmp_path / f"x/img_emb/img_emb_{number}.npy", rows)
        places = [f"/data/{number}-{row}.jpg" for row in range(len(rows))]
        about = {"image_path": places, "caption": ["a bird"] * len(rows), "width": [7] * len(rows)}
        pq.write_table(pa.table(about), tmp_path / f"x/metadata/metadata_{number}.parquet")
    index = import_index(str(tmp_path / "x"), tmp_path / "i", bundle=Model()).index
    assert [one.id for one in index.entries][2:4] == ["/data/0-2.jpg", "/data/1-0.jpg"]
    assert index.entries[3].image == "/data/1-0.jpg"
    assert index.entries[3].attributes == {"caption": "a bird"}
    wanted = ROWS.astype(np.float16).astype(np.float32)
    assert np.asarray(index.vectors).tobytes() == wanted.tobytes()
    (tmp_path / "x/metadata/metadata_1.parquet").unlink()
    with pytest.raises(InputError, match=r"img_emb_1\.npy has no metadata"):
        import_index(str(tmp_path / "x"), tmp_path / "j", bundle=Model())


def test_a_table_of_a_database(tmp_path: Path, need: Any) -> None:
    """As DuckDB writes it: lists of any length, columns of text, and no word of the model."""
    need("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.array(ROWS.tolist(), pa.list_(pa.float32()))
    pq.write_table(
        pa.table({"id": [*"abcde"], "vector": rows, "class": ["x", None] * 2 + ["y"]}),
        tmp_path / "t",
    )
    index = import_index(str(tmp_path / "t"), tmp_path / "i", bundle=Model()).index
    assert np.asarray(index.vectors).tobytes() == ROWS.tobytes()
    assert [dict(one.attributes) for one in index.entries[:2]] == [{"class": "x"}, {}]
    with pytest.raises(InputError, match="name the bundle of that model with --bundle"):
        import_index(str(tmp_path / "t"), tmp_path / "j")


def spoilt(what: str) -> np.ndarray:
    """Return rows of which one cannot be taken."""
    rows = ROWS.copy()
    if what == "nan":
        rows[3, 1] = np.nan
    elif what == "long":
        rows[3] *= 1.1
    return rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": spoilt("nan")}, "1 of 5 vectors are not unit vectors, first d with norm nan"),
        ({"rows": spoilt("long")}, "first d with norm 1.1; normalise them"),
        ({"rows": ROWS[:, :7]}, "has vectors of 7 dimensions, the bundle clip makes 8"),
        ({"rows": ROWS[:4]}, "has 4 vectors and 5 ids"),
        ({"rows": ROWS[0]}, r"float32 \(8,\), not a row of floats an image"),
        ({"rows": np.ones((5, 8), np.int64)}, "int64"),
        ({"ids": "a\nb\nc\na\ne"}, "the id a is given 2 times"),
        ({"ids": "a\n\nc\nd\ne"}, "empty id"),
    ],
    ids=["nan", "long", "dim", "fewer", "flat", "integers", "twice", "empty"],
)
def test_what_cannot_be_an_index(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """One sentence, and nothing is left."""
    source = plain(tmp_path / "x", **change)
    with pytest.raises(ZscrError, match=said) as told:
        import_index(str(source), tmp_path / "i", bundle=Model())
    assert "\n" not in str(told.value)
    assert names_in(tmp_path) == ["x"]


@pytest.mark.parametrize("style", ["npy", "faiss", "hnswlib"])
@pytest.mark.parametrize("fault", ["missing", "flipped", "short"])
def test_damage_is_seen_before_a_library_reads(
    index: Index, tmp_path: Path, need: Any, style: str, fault: str
) -> None:
    """Of each file of a folder: it is missing, a bit is other, or its end is gone."""
    need(style)
    out = tmp_path / "out"
    export_index(index.folder, str(out), style, features=True)
    for name in [one for one in names_in(out) if one != "manifest.json"]:
        broken = Path(shutil.copytree(out, tmp_path / "broken"))
        raw = bytearray((out / name).read_bytes())
        raw[len(raw) // 2] ^= 1
        (broken / name).unlink()
        if fault != "missing":
            (broken / name).write_bytes(raw if fault == "flipped" else raw[:-1])
        with pytest.raises(ArtefactError, match=name):
            import_index(str(broken), tmp_path / "i")
        shutil.rmtree(broken)
    assert names_in(tmp_path) == ["out"]


@pytest.mark.parametrize("style", ["faiss", "hnswlib"])
def test_a_library_s_file_alone_says_too_little(
    index: Index, tmp_path: Path, need: Any, style: str
) -> None:
    """Without the manifest beside it nobody knows which image a row is."""
    need(style)
    export_index(index.folder, str(tmp_path / "out"), style)
    (tmp_path / "out/manifest.json").unlink()
    with pytest.raises(InputError, match="of no format that is known"):
        import_index(str(tmp_path / "out"), tmp_path / "i", bundle=Model())


def test_a_changed_page_of_parquet_is_seen(index: Index, tmp_path: Path, need: Any) -> None:
    """By the checksum of the page, although its numbers are sound floats."""
    need("parquet")
    export_index(index.folder, str(tmp_path / "out"), "parquet")
    raw = bytearray((tmp_path / "out").read_bytes())
    raw[len(raw) // 2] ^= 1  # among the vectors, which are most of it
    (tmp_path / "out").write_bytes(raw)
    with pytest.raises(InputError, match="out is damaged|no sound Parquet file"):
        import_index(str(tmp_path / "out"), tmp_path / "i")
    (tmp_path / "out").write_bytes(b"no Parquet")
    with pytest.raises(InputError, match="no sound Parquet file"):
        import_index(str(tmp_path / "out"), tmp_path / "i")


def test_another_space_is_refused(index: Index, tmp_path: Path) -> None:
    """And so is a bundle that makes vectors of another length."""
    export_index(index.folder, str(tmp_path / "out"), "npy")
    with pytest.raises(MismatchError, match="by birds, the bundle clip makes 32 in another space"):
        import_index(str(tmp_path / "out"), tmp_path / "i", bundle=Model(dim=32))
    back = import_index(str(tmp_path / "out"), tmp_path / "i", bundle=Model(SPACE, "mine", 32))
    assert back.index.bundle_name == "mine"


def test_lines_that_do_not_fit_the_vectors(index: Index, tmp_path: Path) -> None:
    """Of a folder whose manifest somebody took away to change it."""
    export_index(index.folder, str(tmp_path / "out"), "npy")
    (tmp_path / "out/manifest.json").unlink()
    lines = (tmp_path / "out/entries.jsonl").read_text("utf-8").splitlines()
    model = Model(dim=32)
    for wrong, said in (
        (lines[:-1], "500 vectors and 499 lines"),
        ([*lines, json.dumps({"id": "more"})], "500 vectors and more lines"),
        ([*lines[:-1], "{"], "line 500: .* write it as JSON"),
        ([*lines[:-1], '{"sha256": "x"}'], "line 500: an image has no id"),
        ([*lines[:-1], '{"id": "x", "attributes": {"class": 7}}'], "7 is no text"),
    ):
        (tmp_path / "out/entries.jsonl").write_text("\n".join(wrong) + "\n", "utf-8")
        with pytest.raises(InputError, match=said):
            import_index(str(tmp_path / "out"), tmp_path / "i", bundle=model)
    assert not (tmp_path / "i").exists()
