"""Queries and figures that are re-ranked by an exported graph."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError, InputError
from zscr.infer.bundle import Bundle
from zscr.infer.columns import Wanted
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.found import Found, answer_of
from zscr.infer.gallery_tokens import GalleryTokens
from zscr.infer.index.add import add_collection, add_images
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.index import Index
from zscr.infer.index.remove import remove_images
from zscr.infer.pair import Pair
from zscr.infer.searcher import Searcher
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.run import Run


@pytest.fixture
def searcher(paired: tuple[Run, Bundle], unseen_images: Path, tmp_path: Path) -> Searcher:
    """Index the copy of the images; search with it."""
    bundle = paired[1]
    add_images(bundle, tmp_path / "index", [unseen_images])
    return Searcher(bundle, Index.open(tmp_path / "index"))


@pytest.fixture(scope="module")
def sketch(dyed: Path) -> Path:
    """One sketch of the first unseen class."""
    return dyed / str(read_collection(dyed).split("unseen")[0].sketch)


def ids(searcher: Searcher, sketch: Path, rerank: int | None, k: int = 12) -> list[str]:
    [answer] = searcher.search(sketches=sketch, k=k, rerank=rerank)
    assert answer.error is None
    return [hit.id for hit in answer.hits]


def by_hand(searcher: Searcher, sketch: Path, top: int) -> list[str]:
    """Rank by numpy: the N best cosines by their tokens, then the rest."""
    plain, pair = ids(searcher, sketch, 0), Pair(searcher.bundle)
    image_of = {entry.id: entry.image for entry in searcher.index.entries}
    images = Query.of("image", [image_of[name] for name in plain])
    found, asked = (  # tokens are halves
        encoder.encode(queries).astype(np.float16).astype(np.float64)
        for encoder, queries in ((pair.gallery, images), (pair.asked, Query.of("sketch", [sketch])))
    )
    [cosines] = [
        [hit.score for hit in a.hits] for a in searcher.search(sketches=sketch, k=12, rerank=0)
    ]
    mix = searcher.bundle.manifest.body["reranking"]["mix"]
    scores = (1 - mix) * np.array(cosines) + mix * 20 * (asked * found).sum((1, 2))
    order = [*np.argsort(-scores[:top]), *range(top, 12)]
    return [plain[place] for place in order]


@pytest.mark.parametrize("top", [1, 5, 12, 500])
def test_the_best_are_ranked_by_their_tokens(searcher: Searcher, sketch: Path, top: int) -> None:
    """As by numpy; the rest follows as it was, and scores fall. Fewer hits are the first of them.

    By default as many as the bundle says, 0: none.
    """
    expected = by_hand(searcher, sketch, top)
    assert ids(searcher, sketch, top) == expected
    assert ids(searcher, sketch, top, k=3) == expected[:3]
    [answer] = searcher.search(sketches=sketch, k=12, rerank=top)
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    mix = searcher.bundle.manifest.body["reranking"]["mix"]
    assert answer.notes == (f"top {top} re-ranked by {1 - mix:g} cosine + {mix:g} logit",)
    assert ids(searcher, sketch, None) == by_hand(searcher, sketch, 12)


def test_files_that_are_gone_or_changed_come_behind_and_are_counted(
    searcher: Searcher, sketch: Path, unseen_images: Path
) -> None:
    """They cannot be compared: nothing is known of one, and of the other only of what it was."""
    best = ids(searcher, sketch, 12)
    gone, other = (unseen_images / Path(name).name for name in best[:2])
    gone.unlink()
    Image.new("RGB", (32, 32), "red").save(other)
    fresh = Searcher(searcher.bundle, searcher.index)
    [answer] = fresh.search(sketches=sketch, k=12, rerank=12)
    found = [hit.id for hit in answer.hits]
    assert found[:10] == best[2:]
    assert {*found[10:]} == {*best[:2]}
    [_, note] = answer.notes
    assert note.startswith("2 of 12 images cannot be read as they were indexed, and were not re-ra")
    assert ids(searcher, sketch, 12) == best  # which knows their contents


def test_a_changed_index_is_re_ranked_as_it_is_now(
    searcher: Searcher, sketch: Path, unseen_images: Path
) -> None:
    """Removed, replaced and added images, by a searcher that was open all the time."""
    folder, best = searcher.index.folder, ids(searcher, sketch, 12)
    remove_images(folder, [best[0]])
    shutil.copy(unseen_images / Path(best[-1]).name, unseen_images / Path(best[1]).name)
    shutil.copy(unseen_images / Path(best[2]).name, unseen_images / "twin.png")
    add_images(
        searcher.bundle, folder, [unseen_images / Path(best[1]).name, unseen_images / "twin.png"]
    )
    now = ids(searcher, sketch, 12)
    assert {*now} == {*best[1:], f"{unseen_images.name}/twin.png"}
    assert now.index(best[1]) >= 10  # with the content of the last
    assert abs(now.index(best[2]) - now.index(f"{unseen_images.name}/twin.png")) == 1
    assert now == ids(Searcher(searcher.bundle, Index.open(folder)), sketch, 12)


def test_few_tokens_are_kept_and_the_same_are_found(searcher: Searcher) -> None:
    """Those that were compared last, as far as there is room for them."""
    entries, pair = searcher.index.entries, Pair(searcher.bundle)
    all_places, tokens = GalleryTokens(pair).of(entries)
    few = GalleryTokens(pair, kept=3 * tokens[0].nbytes)
    for _ in range(2):
        places, found = few.of(entries)
        assert places == all_places == [*range(12)]
        np.testing.assert_array_equal(found, tokens)
        assert len(few) == 3


def test_other_queries_and_two_ways_at_once_are_told(searcher: Searcher, sketch: Path) -> None:
    """An image is not compared with images; what is expanded is not re-ranked."""
    image = searcher.index.entries[0].image
    [answer] = searcher.search(images=image, rerank=3)
    assert "'relation' re-ranks what queries of sketch find, and no others" in str(answer.error)
    [plain] = searcher.search(images=image)
    assert (plain.error, plain.notes) == (None, ())
    with pytest.raises(InputError, match="either expanded or re-ranked; leave out expand or rer"):
        searcher.search(sketches=sketch, rerank=3, expand=2)
    for wrong in (-1, 1.5, True):
        with pytest.raises(InputError, match="rerank is .*; give a whole number, 0 for none"):
            searcher.search(sketches=sketch, rerank=wrong)


def test_re_ranked_scores_are_not_calibrated(
    paired: tuple[Run, Bundle], dyed: Path, tmp_path: Path
) -> None:
    """They are on a scale of their own, so no share of unrelated queries is known."""
    bundle, collection = paired[1], read_collection(dyed)
    index = add_collection(bundle, tmp_path / "i", collection, collection.split("unseen")).index
    query, searcher = Query("1", image=index.entries[0].image), Searcher(bundle, index)
    [matches] = index.search(index.vectors[:1], 3)
    shown = [
        answer_of(query, Found(matches, reranked=new), Wanted(), bundle, index).hits[0]
        for new in (False, True)
    ]
    assert [hit.above_unrelated is None for hit in shown] == [False, True]
    assert searcher.search(images=query.image)[0].hits[0].above_unrelated is not None


@pytest.mark.parametrize("top", [4, 100])
def test_run_bundle_and_queries_agree(
    paired: tuple[Run, Bundle], dyed: Path, tmp_path: Path, top: int
) -> None:
    """The figures of both, and what average precision follows from the answers to queries."""
    run, bundle = paired
    asked = Question(task="sketch", rerank=top)
    reports = [evaluate_model(model, asked) for model in (run.folder, bundle.folder)]
    assert reports[0]["metrics"] == pytest.approx(reports[1]["metrics"], abs=1e-6)
    for key in ("top", "mix", "kept", "gain", "mAP", "without", "used"):
        assert reports[0]["reranking"][key] == reports[1]["reranking"][key]
    plain = evaluate_model(bundle.folder, Question(task="sketch"))["metrics"]
    for report in reports:
        control = report["controls"]["without re-ranking"]
        assert control["metrics"] == pytest.approx(plain, abs=1e-6)
        gain = report["metrics"]["mAP"] - plain["mAP"]
        assert control["difference"]["mean"] == pytest.approx(gain)
    collection = read_collection(dyed)
    items = collection.split("unseen")
    index = add_collection(bundle, tmp_path / "i", collection, items).index
    values = []
    for item in items:
        [answer] = Searcher(bundle, index).search(
            sketches=dyed / str(item.sketch), k=12, rerank=top
        )
        right = np.array([hit.class_id == item.class_id for hit in answer.hits])
        values.append((right.cumsum() / np.arange(1, 13))[right].mean())
    assert reports[1]["metrics"]["mAP"] == pytest.approx(np.mean(values))


def zscr(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def test_the_command_re_ranks_and_says_so(
    searcher: Searcher, sketch: Path, paired: tuple[Run, Bundle], tmp_path: Path
) -> None:
    """A number above the gallery's is told; a damaged graph, and a bundle without one, refused."""
    given = ("--index", str(searcher.index.folder), "--format", "jsonl", "--sketch", str(sketch))
    named = (*given, "--bundle", str(searcher.bundle.folder))
    done = zscr("query", *named, "--rerank", "99", "-k", "2")
    assert "--rerank 99: the index holds only 12 images" in done.stderr
    row = json.loads(done.stdout)
    assert [hit["id"] for hit in row["hits"]] == ids(searcher, sketch, None, k=2)
    assert row["notes"][0].startswith("top 99 re-ranked by")
    shutil.copytree(searcher.bundle.folder, tmp_path / "bundle")
    with (tmp_path / "bundle/relation.onnx").open("r+b") as file:
        file.write(b"\0")
    damaged = zscr("query", *given, "--bundle", str(tmp_path / "bundle"))
    assert damaged.exit_code == 1
    assert "relation.onnx" in damaged.stderr
    assert "Traceback" not in damaged.stderr
    sound = zscr("query", *given, "--bundle", str(tmp_path / "bundle"), "--rerank", "0")
    assert [hit["id"] for hit in json.loads(sound.stdout)["hits"]] == ids(searcher, sketch, 0, k=10)


def test_what_has_nothing_to_re_rank_with_says_so(
    handmade: Bundle, handmade_run: Run, sketch: Path, tmp_path: Path
) -> None:
    """A bundle and a run without a pair: figures of it, and queries before any is answered."""
    asked = Question(rerank=3)
    with pytest.raises(InputError, match="no graph that re-ranks; leave --rerank out, or use"):
        evaluate_model(handmade.folder, asked)
    with pytest.raises(InputError, match="no head that re-ranks; leave --rerank out"):
        evaluate_model(handmade_run.folder, asked)
    add_images(handmade, tmp_path / "index", [sketch])
    searcher = Searcher(handmade, Index.open(tmp_path / "index"))
    with pytest.raises(InputError, match="no graph that re-ranks; leave --rerank out, or use"):
        searcher.answers([], rerank=3)


def test_what_a_pair_does_not_compare_is_refused(paired: tuple[Run, Bundle]) -> None:
    """Figures of expanded queries."""
    asked = Question(task="sketch", rerank=3, use=GalleryUse(expansion=Expansion(2)))
    with pytest.raises(ConfigError, match="--expand and --diffuse do not go with --rerank"):
        evaluate_model(paired[1].folder, asked)
