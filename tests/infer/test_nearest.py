"""Where graphs run on a GPU, whole galleries are searched there, and what is not says so.

onnxruntime's CPU provider stands for the GPU: the same graphs, answers and words.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import onnxruntime
import pytest

from tests.infer.test_searcher import GRAPHS, make_bundle, make_index
from zscr.infer.columns import Wanted
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.on_device.device import Device
from zscr.infer.index.on_device.search import DeviceSearch
from zscr.infer.nearest import Nearest, Place
from zscr.infer.runners.backend import cuda_lack
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

LARGE = 1 << 40  # bytes
ON_DEVICE = "; searched exactly on cpu"
COLOURS = ["red", "blue", "green", "grey"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle with its index, without a graph of an image and a text."""
    folder = tmp_path_factory.mktemp("colours") / "bundle"
    make_bundle(folder, *GRAPHS.keys() - {"composed"})
    make_index(folder.with_name("bundle.index"))
    return folder


@pytest.fixture(scope="module")
def device():
    return Device("cpu")


def opened(bundle, device, *, free=LARGE, **options):
    """Return a searcher whose index is searched on a device."""
    own = Searcher.open(bundle)
    search = DeviceSearch(device, lambda: free)
    return Searcher(own.bundle, own.index, device=search, **options), search


def without_ran(answers):
    return [(one.query, one.hits, one.notes) for one in answers]


def test_texts_are_answered_as_on_the_cpu_and_say_where(bundle, device):
    """The same images and scores; every answer names what searched."""
    searcher, search = opened(bundle, device)
    found, wanted = (one.search(COLOURS, k=3) for one in (searcher, Searcher.open(bundle)))
    assert without_ran(found) == without_ran(wanted)
    assert [one.ran for one in found] == [f"{one.ran}{ON_DEVICE}" for one in wanted]
    assert searcher.how.startswith("exact, on cpu: products in float16")
    assert search.answered.total() == len(COLOURS)


@pytest.mark.parametrize(
    ("options", "asked", "why"),
    [
        ({}, {"where": {"class": ["warm"]}}, "parts of an index are"),
        ({}, {"k": 1001}, "more than 1000 images a query are"),
        ({}, {"images": "blue.png"}, "compositions of several graphs are"),
        ({"queries": 3}, {}, "so few queries (3) take less than copying the gallery to the GPU"),
        ({"free": 1000}, {}, "6 images of 3 dimensions need 0.81 GB on cpu, of which 0.00 are"),
    ],
)
def test_what_the_cpu_searches_says_why(bundle, device, options, asked, why, tmp_path):
    """And is answered as without a device."""
    from PIL import Image

    Image.new("RGB", (4, 4), "blue").save(tmp_path / "blue.png")
    if "images" in asked:
        asked = {"images": tmp_path / asked["images"]}
    searcher, search = opened(bundle, device, **options)
    [found], [wanted] = (one.search("red", **asked) for one in (searcher, Searcher.open(bundle)))
    assert without_ran([found]) == without_ran([wanted])
    assert found.ran.startswith(f"{wanted.ran}; searched on the CPU: {why}")
    assert search.answered.total() == 0


def test_the_sentence_on_how_says_why_not_there(bundle, device):
    """Who asked for a GPU sees that the search is slower."""
    searcher, _ = opened(bundle, device, queries=1)
    assert searcher.how.startswith(Searcher.open(bundle).how)
    assert "; searched on the CPU: so few queries (1) take less than copying" in searcher.how


def test_expanded_queries_are_searched_on_the_cpu(tmp_path, device):
    """By the images' features, which are not on the device."""
    folder = make_bundle(tmp_path / "bundle", "text", "gallery")
    make_index(tmp_path / "bundle.index", features=[[1, 0]] * 6)
    searcher, _ = opened(folder, device)
    assert searcher.search("red", expand=2)[0].ran.endswith("the CPU: expanded queries are")


@pytest.mark.parametrize("pinned", ["hnsw", None])
def test_hnsw_that_was_asked_for_is_kept(tmp_path, device, pinned):
    """What was only measured gives way to an exact answer."""
    pytest.importorskip("hnswlib")
    folder = make_bundle(tmp_path / "bundle", "text", "gallery")
    make_index(tmp_path / "bundle.index", search=pinned)
    searcher, _ = opened(folder, device)
    ran = searcher.search("red")[0].ran
    assert ran.endswith(
        "searched on the CPU: by HNSW, as was asked for when the index was made"
    ) == (pinned == "hnsw")


@pytest.mark.skipif(cuda_lack(onnxruntime) is None, reason="there is CUDA")
def test_without_cuda_nothing_is_said(bundle):
    """`auto` then means the CPU, for both."""
    index = Index.open(bundle.with_name("bundle.index"))
    nearest = Nearest(index, Runtime("auto"))
    assert nearest.place(Wanted()) == Place()
    assert nearest.how == index.how


@pytest.mark.gpu
def test_a_gpu_finds_what_the_cpu_finds_and_is_named(bundle):
    """Also from the threads of a server, which share one gallery there."""
    if lack := cuda_lack(onnxruntime):
        pytest.skip(lack)
    index, wanted = Index.open(bundle.with_name("bundle.index")), Wanted(3)
    nearest = Nearest(index, Runtime("ort-cuda"))
    asked = [index.vectors[[row]] for row in range(index.count)] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: nearest.find(rows, wanted), asked))
    assert found == [index.search(rows, 3) for rows in asked]
    assert "; searched exactly on cuda (" in nearest.place(wanted).told


def test_an_image_that_comes_is_found(tmp_path, device):
    """The gallery on the device is that of the generation which is current on the disk."""
    folder = make_bundle(tmp_path / "bundle", "text", "gallery")
    make_index(tmp_path / "bundle.index")
    searcher, search = opened(folder, device)
    assert searcher.search("grey", k=1)[0].hits[0].id == "grey"
    other = Index.open(tmp_path / "bundle.index")
    other.apply(Change([Entry("a red", "1" * 64)], [[1, 0, 0]], removals=["grey"]))
    assert [one.hits[0].id for one in searcher.search(["grey", "grey"], k=1)] == ["violet"] * 2
    assert {hit.id for hit in searcher.search("red", k=2)[0].hits} == {"red", "a red"}
    assert search.answered.total() == 4
