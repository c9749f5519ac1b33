"""Compositions over a bundle and an index: against every image scored by the formulas themselves.

The bundle's embeddings mean nothing, so every query is as hard as any.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.infer.composed.conftest import MANY, STYLES, THINGS, indexed
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.composed.composer import Composer
from zscr.infer.composed.gallery import IndexGallery
from zscr.infer.composition.composition import Channel, Composition, Fusion
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.index import Entry, Index
from zscr.infer.index.only import Only
from zscr.infer.runners.runner import Runtime


def embedded(bundle: Bundle, field: str, values: list[Any]) -> Any:
    graph = {"text": "query", "image": "gallery"}[field]
    return bundle.graph(graph).encode(Query.of(field, values)).astype(np.float64)


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def parts(bundle: Bundle, queries: list[Query]) -> tuple[Any, Any]:
    images = embedded(bundle, "image", [one.image for one in queries])
    return images, embedded(bundle, "text", [one.text for one in queries])


def best(scores: Any, k: int) -> tuple[list[str], list[float]]:
    order = np.lexsort((np.arange(len(scores)), -scores))[:k]
    return [str(row) for row in order], scores[order].tolist()


def require_same(found: Any, scores: Any, k: int, rel: float = 1e-4) -> None:
    """Require that each query's answer is the best k of the scores (B, G)."""
    for one, row in zip(found, scores, strict=True):
        ids, values = best(row, k)
        assert [match.score for match in one.matches] == pytest.approx(values, rel=rel, abs=1e-6)
        assert [match.entry.id for match in one.matches] == ids


def basic_scores(
    bundle: Bundle, queries: list[Query], x: Any, expansion: int = 0, part: Any = None
) -> Any:
    """BASIC from the files of the bundle and the index's rows: every step, every image of a part.

    The part is ranked, and expands; means and minima are those of all images.
    """
    part = np.arange(len(x)) if part is None else part
    mean, text_mean, v = (
        x.mean(axis=0),
        *(
            np.load(bundle.folder / f"{name}.npy").astype(np.float64)
            for name in ("text_mean", "projection")
        ),
    )
    words = (bundle.folder / "context.txt").read_text().split("\n")[:-1]
    found = []
    for query in queries:
        said = [f"{w} {query.text}" for w in words] + [f"{query.text} {w}" for w in words]
        t = unit(embedded(bundle, "text", said).mean(axis=0)) - text_mean
        q = embedded(bundle, "image", [query.image])[0] - mean
        if expansion:
            sims = (v @ v.T @ q) @ (x - mean).T
            near = part[np.argsort(-sims[part])[:expansion]]
            weights = np.exp(0.1 * np.append(sims[near], 1))
            q = weights / weights.sum() @ np.vstack([x[near] - mean, q])
        some = x[np.linspace(0, len(x) - 1, 1000).astype(int)] - mean
        samples = np.load(bundle.folder / "samples.npy") - text_mean
        m_v, m_t = (some @ some.T).min(), (samples @ some.T).min()
        s_v = np.maximum(0, (v @ v.T @ q @ (x - mean).T - m_v) / abs(m_v))
        s_t = np.maximum(0, (t @ (x - mean).T - m_t) / abs(m_v))
        found.append((s_v * s_t - 0.1 * (s_v + s_t) ** 2)[part])
    return np.stack(found)


@pytest.mark.parametrize("name", ["basic", "basic-expanded"])
def test_basic_over_an_index_is_its_formula(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query], name: str
) -> None:
    """From lists, proved: nothing that all 6,000 scores would change."""
    found = composer.answer(many, queries, bundle.compositions[name], 7)
    x = np.asarray(many.vectors, np.float64)
    wanted = basic_scores(bundle, queries, x, 25 if name == "basic-expanded" else 0)
    require_same(found, wanted, 7, rel=2e-3)
    assert any("of 6000 images scored; no other can be as good" in one.notes[-1] for one in found)


def test_what_needs_no_data_is_its_formula(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """Product and WeiCom by lists, average and slerp by one vector."""
    ways = bundle.composed[frozenset({"image", "text"})]
    v, t = parts(bundle, queries)
    x = np.asarray(many.vectors, np.float64)
    s, u = v @ x.T, t @ x.T
    z, w = ((one - one.mean(1, keepdims=True)) / one.std(1, keepdims=True) for one in (s, u))
    phi = np.vectorize(lambda value: 0.5 * math.erfc(-value / math.sqrt(2)))
    angle = np.arccos((v * t).sum(axis=1, keepdims=True))
    arc = (np.sin(0.2 * angle) * v + np.sin(0.8 * angle) * t) / np.sin(angle)
    wanted = {
        "product": np.maximum(0, s) * np.maximum(0, u),
        "weicom": (phi(z) + phi(w)) / 2,
        "average": unit(v + t) @ x.T,
        "slerp": arc @ x.T,
    }
    for name, scores in wanted.items():
        require_same(composer.answer(many, queries, ways[name], 5), scores, 5)


def test_arithmetic_subtracts_what_is_said_or_the_stored_mean(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """In one batch; the stored row is the mean of the styles' embeddings, not normalised."""
    said = [replace(one, instead_of="crow") if n % 2 else one for n, one in enumerate(queries)]
    v, t = parts(bundle, queries)
    mean = embedded(bundle, "text", list(STYLES)).mean(axis=0)
    old = np.where(np.arange(6)[:, None] % 2 == 1, embedded(bundle, "text", ["crow"]), mean)
    found = composer.answer(many, said, bundle.compositions["arithmetic"], 5)
    require_same(found, unit(v + t - old) @ np.asarray(many.vectors, np.float64).T, 5)


def test_freedom_is_its_steps(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """20 neighbours with the query among them, 7 words each, the most frequent before the text."""
    x = np.asarray(many.vectors, np.float64)
    own = Query("own", text="by night", image=queries[0].image)
    words = (bundle.folder / "vocabulary.txt").read_text().split("\n")[:-1]
    named = embedded(bundle, "text", words)
    wanted = []
    for query in (own, *queries):
        v = embedded(bundle, "image", [query.image])[0]
        near = x[np.argsort(-(x @ v))[:20]]
        voters = near if near[0] @ v >= 0.98 else np.vstack([v, near[:19]])
        counts: Counter[int] = Counter()
        for voter in voters:
            counts.update(np.argsort(-(named @ voter), kind="stable")[:3].tolist())
        top = counts.most_common(2)
        said = embedded(bundle, "text", [f"{words[row]} {query.text}" for row, _ in top])
        weights = np.array([count / top[0][1] for _, count in top])
        wanted.append(unit(weights @ said) @ x.T)
    entry = bundle.compositions["freedom"]
    few = replace(entry, vocabulary=replace(entry.vocabulary, nearest=3, kept=2))
    found = composer.answer(many, [own, *queries], few, 5)
    require_same(found, wanted, 5)
    assert all(one.notes[0].startswith("the image is said in words: ") for one in found)
    alone = composer.answer(many, [queries[3]], few, 5)[0]
    assert alone.matches == found[4].matches, "what else is asked decides nothing"


@pytest.mark.parametrize("name", ["basic-expanded", "product", "weicom", "average", "freedom"])
def test_a_folder_is_a_gallery_of_its_own(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query], name: str
) -> None:
    """Nothing outside of it is found, all of it can be, and of an empty one nothing is."""
    way = bundle.composed[frozenset({"image", "text"})][name]
    [found] = composer.answer(many, queries[:1], way, MANY, only=Only(Path("/there/in")))
    assert len(found.matches) == MANY // 3
    assert {int(match.entry.id) % 3 for match in found.matches} == {0}
    assert [match.score for match in found.matches] == sorted(
        (match.score for match in found.matches), reverse=True
    )
    [few] = composer.answer(many, queries[:1], way, 5, only=Only(Path("/there/in")))
    assert few.matches == found.matches[:5]
    [none] = composer.answer(many, queries[:1], way, 5, only=Only(Path("/nowhere")))
    assert none.matches == []


def test_a_folder_expands_by_its_own_images(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """Nothing outside of it decides but the means and minima, which are the index's."""
    part = np.arange(0, MANY, 3)
    x = np.asarray(many.vectors, np.float64)
    [scores] = basic_scores(bundle, queries[:1], x, 25, part)
    way = bundle.compositions["basic-expanded"]
    [found] = composer.answer(many, queries[:1], way, 5, only=Only(Path("/there/in")))
    ids = [str(part[row]) for row in np.argsort(-scores)[:5]]
    assert [match.entry.id for match in found.matches] == ids


def test_an_index_of_two_equal_images(
    bundle: Bundle, composer: Composer, tmp_path: Path, queries: Any
) -> None:
    """It has no spread, no minimum, and fewer images than an expansion asks for, which is told."""
    index = indexed(bundle, tmp_path / "two", 2)
    for name, way in bundle.composed[frozenset({"image", "text"})].items():
        [found] = composer.answer(index, queries[:1], way, 5)
        assert [match.entry.id for match in found.matches] == ["0", "1"], name
        assert all(math.isfinite(match.score) for match in found.matches)
        if name == "basic-expanded":
            assert found.notes == ("expanded by all 2 images, not by 25",)


def test_the_proof_over_hnsw_is_given_its_lists(
    bundle: Bundle, composer: Composer, many: Index, tmp_path: Path, queries: list[Query]
) -> None:
    """It is as good as exact search here; smaller indexes leave no list to HNSW."""
    pytest.importorskip("hnswlib")
    index = indexed(bundle, tmp_path / "hnsw", MANY, search="hnsw")
    way = bundle.composed[frozenset({"image", "text"})]["product"]
    found = Composer(bundle, exact_up_to=MANY - 1).answer(index, queries, way, 5)
    exact = composer.answer(many, queries, way, 5)
    assert composer.answer(index, queries, way, 5) == exact
    assert [[m.entry.id for m in a.matches] for a in found] == [
        [m.entry.id for m in a.matches] for a in exact
    ]
    assert any(one.notes[-1].endswith(", given the lists that HNSW finds") for one in found)


def test_a_short_list_is_found_as_well_as_a_search_is(bundle: Bundle, tmp_path: Path) -> None:
    """With HNSW, of which the neighbours that expand a query, or say it in words, ask for few."""
    pytest.importorskip("hnswlib")
    rows = unit(np.random.default_rng(3).standard_normal((3000, 64))).astype(np.float32)
    entries = [Entry(f"{row}", "0" * 64) for row in range(len(rows))]
    about = {"space": bundle.space, "bundle_name": "birds", "search": "hnsw"}
    index = Index.create(tmp_path / "wide", entries=entries, vectors=rows, **about)
    gallery = IndexGallery(index.now, exact_up_to=0)
    asked = unit(rows[:40] + rows[40:80])
    listed = [[f"{row}" for row in gallery.nearest(one, 5)[0]] for one in asked]
    assert listed == [[one.entry.id for one in found] for found in index.search(asked, 5)]


def test_a_text_among_words_is_encoded_once(
    folder: Path, many: Index, queries: list[Query], counted: Any
) -> None:
    """However often it is asked, and whatever image stands beside it."""
    bundle = Bundle.open(folder, Runtime(threads=1))
    sizes, composer = counted(bundle.graph("query")), Composer(bundle)
    way = bundle.compositions["basic"]
    again = [replace(one, text="robin") for one in queries]
    composer.answer(many, again, way, 5)
    assert sum(sizes) == len(again) + 2 * len(THINGS)
    composer.answer(many, again, way, 5)
    assert sum(sizes) == 2 * len(again) + 2 * len(THINGS)


def test_a_query_that_cannot_be_read_costs_no_other_its_answer(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """Of a text without a letter that is known, or of what it replaces."""
    bad = [queries[0], replace(queries[1], text="???"), replace(queries[2], instead_of=" ")]
    for name in ("arithmetic", "basic", "freedom"):
        asked = bad if name == "arithmetic" else bad[:2]
        found = composer.answer(many, asked, bundle.compositions[name], 3)
        assert [one.error is None for one in found] == [True, False, False][: len(asked)]
        [alone] = composer.answer(many, bad[:1], bundle.compositions[name], 3)
        assert found[0].matches == alone.matches


def test_a_text_that_words_push_over_the_limit_is_told(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """By itself it fits; with a word in front its end is cut."""
    texts = ["blue" + " blue" * more for more in range(1, 100)]
    cut = bundle.graph("query").prepare(Query.of("text", texts)).truncated
    text = texts[cut[0] - 1]
    for name in ("basic", "freedom"):
        [found] = composer.answer(
            many, [replace(queries[0], text=text)], bundle.compositions[name], 3
        )
        told = [note for note in found.notes if "of the phrases of the text and a word" in note]
        assert len(told) == 1, name


def test_what_cancels_out_asks_for_nothing(
    composer: Composer, many: Index, queries: list[Query]
) -> None:
    """One sentence, the query's own."""
    channels = (Channel("image", "gallery"), Channel("text", "query"))
    nothing = Composition("nothing", "", channels=channels, fusion=Fusion("weights", (0.0, 0.0)))
    [found] = composer.answer(many, queries[:1], nothing, 3)
    assert "cancel each other out" in str(found.error)


def test_fused_scores_are_expanded_by_no_features(
    bundle: Bundle, composer: Composer, many: Index, queries: list[Query]
) -> None:
    """Refused, not passed over."""
    with pytest.raises(InputError, match="'basic' fuses scores"):
        composer.answer(many, queries, bundle.compositions["basic"], 3, expansion=Expansion(2))
