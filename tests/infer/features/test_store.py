"""Features: computed once, keyed by content, and never lost or mixed up by what goes wrong."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from zscr.artefact import hash_bytes
from zscr.data.records import Query
from zscr.infer.encoder import load_encoder
from zscr.infer.features.store import Source, compute_features
from zscr.infer.runners.runner import Runtime

ONE = Runtime(threads=1)


def sources_of(paths):
    return [Source.image(path) for path in paths]


def take(features, sources):
    return features.take(source.key for source in sources)


def test_features_are_computed_once(tmp_path, tiny_image, counted, images):
    """The second call runs no graph and needs no image; the rows come in the order asked for."""
    paths = images(5)
    sources, encoder = sources_of(paths), load_encoder(tiny_image, ONE)
    alone = np.concatenate([encoder.encode(Query.of("image", [path])) for path in paths])
    encoded = counted(encoder)
    first = compute_features(tmp_path / "store", encoder, sources)
    assert sum(encoded) == 5
    np.testing.assert_allclose(take(first, sources), alone, atol=1e-6)
    shutil.rmtree(paths[0].parent)
    again = compute_features(tmp_path / "store", encoder, sources[::-1])
    assert sum(encoded) == 5
    np.testing.assert_array_equal(take(again, sources), take(first, sources))
    assert again.failed == {}


def test_features_are_keyed_by_content(tmp_path, tiny_image, counted, images):
    """A new name is no new image, a new content is; so is another encoder's view of it."""
    paths, encoder, store = images(4), load_encoder(tiny_image, ONE), tmp_path / "store"
    encoded = counted(encoder)
    compute_features(store, encoder, sources_of(paths))
    renamed = paths[0].rename(paths[0].with_name("other.png"))
    paths[1].write_bytes(paths[2].read_bytes())  # a twin
    compute_features(store, encoder, sources_of([renamed, *paths[1:]]))
    assert sum(encoded) == 4
    Image.new("RGB", (30, 30), "red").save(paths[3])
    compute_features(store, encoder, sources_of(paths[1:]))
    assert sum(encoded) == 5
    encoder.sha256 = "f" * 64
    compute_features(store, encoder, sources_of(paths[1:]))
    assert sum(encoded) == 5 + 2  # three images, two of which are twins
    assert len([*store.glob("*.npy")]) == 2  # what has grown replaces what it was before


def test_texts_keep_their_rows(tmp_path, tiny_text, counted):
    """Texts are encoded in the order of their lengths, and each gets its own vector back."""
    texts = ["a small red circle on grey ground", "red", "white square", "red", ""]
    sources, encoder = [Source.text(text) for text in texts], load_encoder(tiny_text, ONE)
    encoded = counted(encoder)
    features = compute_features(tmp_path / "store", encoder, sources)
    assert sum(encoded) == 4
    alone = np.concatenate([encoder.encode(Query.of("text", [text])) for text in texts])
    np.testing.assert_allclose(take(features, sources), alone, atol=1e-6)


def test_bad_images_are_left_out_with_their_reasons(tmp_path, tiny_image, counted, images):
    """Whatever is wrong with some, the others' vectors are what they are without them."""
    paths, encoder = images(9), load_encoder(tiny_image, ONE)
    bad = {1: "truncated", 2: "not a JPEG", 4: "over the limit", 5: "does not exist", 7: "changed"}
    paths[1].write_bytes(paths[1].read_bytes()[:-200])
    paths[2].write_text("text")
    Image.new("L", (4, 4)).save(paths[4], format="BMP")
    header = bytearray(paths[4].read_bytes())
    header[18:26] = struct.pack("<ii", 20_000, 20_000)  # as many pixels as it claims to have
    paths[4].write_bytes(header)
    sources = sources_of(paths)
    paths[5].unlink()
    Image.new("RGB", (9, 9)).save(paths[7])
    features = compute_features(tmp_path / "store", encoder, sources)
    assert {sources.index(s) for s in sources if s.key in features.failed} == set(bad)
    for number, reason in bad.items():
        why = features.failed[sources[number].key]
        assert reason in why
        assert str(paths[number]) in why
    good = [number for number in range(9) if number not in bad]
    alone = encoder.encode(Query.of("image", [paths[number] for number in good]), batch_size=1)
    found = take(features, [sources[number] for number in good])
    np.testing.assert_allclose(found, alone, atol=1e-6)
    encoded = counted(encoder)
    again = compute_features(tmp_path / "store", encoder, sources)
    assert (sum(encoded), again.failed) == (0, features.failed)


def damages(content):
    """Flip a byte here and there, cut the end, drop it all."""
    for place in np.linspace(0, len(content) - 1, 25).astype(int):
        damaged = bytearray(content)
        damaged[place] ^= 1
        yield bytes(damaged)
    yield from (content[:-3], b"")


@pytest.mark.parametrize("suffix", ["npy", "json"])
def test_damaged_cache_is_computed_again(tmp_path, tiny_image, images, capsys, suffix):
    """Its features are right whatever happened to its files; that they were lost is said."""
    sources, encoder, store = (
        sources_of(images(5)),
        load_encoder(tiny_image, ONE),
        tmp_path / "store",
    )
    expected = take(compute_features(store, encoder, sources), sources)
    [path] = store.glob(f"*.{suffix}")
    sound, said = path.read_bytes(), 0
    for damaged in damages(sound):
        path.write_bytes(damaged)
        capsys.readouterr()
        found = take(compute_features(store, encoder, sources), sources)
        np.testing.assert_array_equal(found, expected)
        said += "is damaged" in capsys.readouterr().err
        shutil.rmtree(store)
        compute_features(store, encoder, sources)
    assert said >= (27 if suffix == "npy" else 10)  # one hash among the keys may just be unknown


def test_damaged_part_is_computed_again(tmp_path, tiny_image, images, run_killed):
    """What a killed run left is checked, too."""
    paths, store = images(8), tmp_path / "store"
    store.mkdir()
    script = "killed(lambda: work(Path(sys.argv[3])), 4)"  # after the first of two shards
    run_killed(WORK + script, tiny_image, paths[0].parent, store)
    [part] = store.glob("*.parts/*.npz")
    content = bytearray(part.read_bytes())
    content[-100] ^= 1
    part.write_bytes(content)
    [rows] = run_killed(WORK + AGAIN, tiny_image, paths[0].parent, store)
    assert rows == 8
    assert [path.suffix for path in sorted(store.iterdir())] == [".npy", ".json"]


@pytest.mark.parametrize("name", ["a**b", "x[1]"])
def test_names_that_look_like_patterns_are_names(tmp_path, tiny_image, images, name):
    """Of an encoder, or the folder of a bundle: rows that are merged leave nothing behind."""
    encoder = load_encoder(tiny_image, ONE)
    encoder.name = name
    paths, store = images(5), tmp_path / "store"
    compute_features(store, encoder, sources_of(paths[:3]))
    assert len(compute_features(store, encoder, sources_of(paths)).places) == 5
    assert sorted(path.suffix for path in store.iterdir()) == [".json", ".npy"]


def test_a_part_by_another_name_is_not_read(tmp_path, tiny_image, images):
    """A stranger's, in the features of a collection: of the right hash, and no number of ours."""
    encoder, store = load_encoder(tiny_image, ONE), tmp_path / "store"
    name = f"{encoder.name}-{encoder.sha256[:12]}"
    buffer = io.BytesIO()
    np.savez(buffer, keys=np.array(["f" * 64]), rows=np.ones((1, *encoder.row_shape), np.float32))
    (store / f"{name}.parts").mkdir(parents=True)
    part = store / f"{name}.parts/evil-{hash_bytes(buffer.getvalue())[:12]}.npz"
    part.write_bytes(buffer.getvalue())
    os.mkfifo(part.with_name("pipe.npz"))
    found = compute_features(store, encoder, sources_of(images(3)))
    assert len(found.places) == 3
    assert [path.name for path in store.iterdir() if path.is_dir()] == []


WORK = """
from zscr.infer.encoder import load_encoder
from zscr.infer.features.store import Source, compute_features
from zscr.infer.runners.runner import Runtime
from zscr.artefact import hash_file

encoder = load_encoder(Path(sys.argv[1]), Runtime(threads=1))
count(encoder)
sources = [Source.image(path) for path in sorted(Path(sys.argv[2]).iterdir())]

def work(store):
    return compute_features(store, encoder, sources, shard=4)
"""
AGAIN = "print(rows_of(lambda: work(Path(sys.argv[3]))))"
EVERYWHERE = """
for calls in range(99):
    store = Path(sys.argv[3]) / str(calls)
    store.mkdir(parents=True)
    died = killed(lambda: work(store), calls)
    kept = len([*store.glob("*.parts/0*.npz")])
    rows = rows_of(lambda: work(store))
    files = {path.name: hash_file(path) for path in store.iterdir()}
    print(json.dumps([died, kept, rows, files]))
    if not died:
        break
"""


def test_killed_run_goes_on_where_it_was(tmp_path, tiny_image, images, run_killed):
    """Killed at any call to the disk, a rerun encodes only the rest, to the same bytes."""
    images(12)  # three shards
    seen = run_killed(WORK + EVERYWHERE, tiny_image, tmp_path / "images", tmp_path / "stores")
    died = [row[0] for row in seen]
    assert died == [True] * (len(seen) - 1) + [False]
    whole = seen[-1][3]
    assert sorted(name.rsplit(".")[-1] for name in whole) == ["json", "npy"]
    assert [files for *_, files in seen] == [whole] * len(seen)
    left = [rows for _, _, rows, _ in seen]
    assert left == sorted(left, reverse=True)
    assert set(left) == {12, 8, 4, 0}
    assert all(rows == 12 - 4 * kept for _, kept, rows, _ in seen if rows)


class Maps:
    """An encoder of maps of 16 bits, as large as those of a network's lower half."""

    name, sha256, row_shape, dtype = "maps", "0" * 64, (64, 14, 14), np.dtype(np.float16)

    def encode(self, queries, batch_size):
        return np.stack([np.full(self.row_shape, int(query.text), self.dtype) for query in queries])


def test_maps_are_in_memory_as_the_store_and_as_the_table(tmp_path):
    """And not a third time, neither when they are computed nor when they are found."""
    sources = [Source.text(str(number)) for number in range(300)]
    for _ in range(2):
        tracemalloc.start()
        rows = take(compute_features(tmp_path, Maps(), sources, shard=20), sources)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.array_equal(rows[:, 0, 0, 0], np.arange(300))
        assert peak < 2.3 * rows.nbytes
