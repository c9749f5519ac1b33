"""Search on a device gives the ids and scores of exact search on the CPU, or leaves it to that.

All of it runs in onnxruntime's CPU provider as well, where float16 products are float32 ones of
rounded factors, rounded again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infer.index.conftest import unit
from zscr.errors import ArtefactError
from zscr.infer.index.exact import Hits, search_exact
from zscr.infer.index.on_device.device import Device
from zscr.infer.index.on_device.gallery import Candidates, Told
from zscr.infer.index.on_device.rounding import Rounding, sums_are_float32
from zscr.infer.index.on_device.search import DeviceSearch, proof
from zscr.infer.runners.backend import cuda_lack
from zscr.infer.runners.onnx import import_onnxruntime

LARGE = 1 << 40  # bytes
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(scope="module", params=DEVICES)
def device(request):
    if request.param == "cuda" and (lack := cuda_lack(onnxruntime)):
        pytest.skip(lack)
    return Device(request.param)


def check(search, gallery, queries, k):
    """Compare with exact search; return how many were proved by which products."""
    before = search.answered.copy()
    found, wanted = search.search(gallery, queries, k), search_exact(gallery, queries, k)
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.scores, wanted.scores)
    return tuple((search.answered - before)[stage] for stage in ("float16", "float32", "host"))


@pytest.mark.parametrize(
    ("count", "batch", "k"),
    [(1, 1, 5), (5, 33, 3), (300, 33, 10), (20_001, 33, 10), (40_001, 1, 100), (2000, 2, 2000)],
)
def test_float16_finds_and_proves_the_best(device, clustered, count, batch, k):
    """Of one group and of several, which are whole or not, and of fewer than are asked for."""
    search = DeviceSearch(device, lambda: LARGE)
    gallery, queries = clustered(count, 64), clustered(batch, 64, seed=1)
    assert check(search, gallery, queries, k) == (batch, 0, 0)


@pytest.mark.realdata
@pytest.mark.parametrize("k", [1, 10, 100])
def test_float16_proves_the_best_of_real_embeddings(device, realdata_folder, k):
    """CLIP's texts, which lie close together: 500 of them look for the others."""
    rows = np.load(realdata_folder("clip_text_names") / "clip_vitb32_text_names.npz")["emb"]
    rows = unit(np.random.default_rng(7).permutation(rows))
    search = DeviceSearch(device, lambda: LARGE)
    assert check(search, rows[500:], rows[:500], k) == (500, 0, 0)


def around(count, dim, spread, seed=0):
    """Rows around one direction."""
    return unit(1 + spread * np.random.default_rng(seed).normal(size=(count, dim)))


def test_what_float16_does_not_prove_float32_does(device, clustered):
    """Rows that are nearer to each other than float16 tells apart."""
    search = DeviceSearch(device, lambda: LARGE)
    assert check(search, around(3000, 64, 1e-3), clustered(33, 64, seed=1), 10) == (0, 33, 0)


def test_what_float32_does_not_prove_the_host_does(device, clustered):
    """Equal rows, of which the first come first, and rows apart beside them."""
    search = DeviceSearch(device, lambda: LARGE)
    gallery, queries = np.tile(clustered(50, 48), (100, 1)), clustered(33, 48, seed=1)
    assert check(search, gallery, queries, 10) == (0, 0, 33)
    apart = np.concatenate([gallery, -gallery[:33]])
    assert check(search, apart, np.concatenate([gallery[:33], -gallery[:33]]), 1) == (33, 0, 33)


@settings(max_examples=100)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 17, 64, 256]),
    st.sampled_from([1.0, 0.1, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 3e-7, 0.0]),
    st.integers(1, 400),
    st.sampled_from([1, 3, 7, 50, 1000]),
    st.integers(1, 9),
    st.sampled_from([1, 2, 10, 300]),
    st.booleans(),
)
def test_any_gallery_is_searched_as_on_the_cpu(
    seed, dim, spread, count, group, batch, k, are_halves
):
    """Whatever is near to what, whatever groups there are, and where no row has to be rounded."""
    gallery, queries = around(count, dim, spread, seed), around(batch, dim, 0.3, seed + 1)
    if are_halves:
        gallery, queries = (a.astype(np.float16).astype(np.float32) for a in (gallery, queries))
    check(DeviceSearch(ON_CPU, lambda: LARGE, group), gallery, queries, k)


ON_CPU = Device("cpu")


@pytest.mark.parametrize("step", [1, -1])
def test_what_rounds_down_to_the_least_is_not_passed_over(device, step):
    """Products from 1 to 1 + 31 / 2^16 are all 1 in float16: the best of them may be any."""
    gallery = np.ones((32, 2), np.float32)
    gallery[:, 1] = np.arange(32)[::step] * 2.0**-10
    query = np.array([[1, 2.0**-6]], np.float32)
    assert check(DeviceSearch(device, lambda: LARGE), gallery, query, 1)[0] == 0


@pytest.mark.parametrize("step", [1, -1])
def test_rows_that_fill_up_the_last_group_are_found_once(device, step):
    """Ten groups of ten hold 95 rows: the first five, which are there twice, are best, or worst."""
    search = DeviceSearch(device, lambda: LARGE, group=10)
    gallery = unit(np.c_[np.ones(95), np.arange(95)[::step] / 40])
    assert check(search, gallery, np.array([[1, 0]], np.float32), 5) == (1, 0, 0)


def test_more_queries_than_fit_at_once(device, clustered):
    """Those behind the first part are answered as those in it are."""
    search = DeviceSearch(device, lambda: LARGE)
    gallery, queries = clustered(2000, 512), clustered(120, 512, seed=1)
    assert sum(check(search, gallery, queries, 300)) == 120


def test_nothing_asked_and_nothing_there(device):
    """Empty answers of the right shape."""
    search, none = DeviceSearch(device, lambda: LARGE), np.empty((0, 8), np.float32)
    assert search.search(none, unit(np.ones((2, 8))), 5).rows.shape == (2, 0)
    assert search.search(unit(np.ones((2, 8))), none, 5).rows.shape == (0, 2)


def test_threads_ask_of_different_galleries(device, clustered):
    """As while an index is changed: each has the answers of its own."""
    search = DeviceSearch(device, lambda: LARGE)
    galleries = [clustered(500, 16, seed=seed) for seed in range(3)]
    asked = [(galleries[n % 3], clustered(4, 16, seed=10 + n)) for n in range(48)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: search.search(*one, 10), asked))
    for hits, one in zip(found, asked, strict=True):
        np.testing.assert_array_equal(hits.rows, search_exact(*one, 10).rows)


def test_a_gallery_that_does_not_fit_is_searched_by_the_host_and_said_once(device, capsys):
    """With its size and what is free; the next one may fit."""
    free = [10**8, LARGE]
    search = DeviceSearch(device, lambda: free[0])
    gallery, queries = around(2000, 64, 1.0), around(3, 64, 1.0, seed=1)
    for _ in range(2):
        assert check(search, gallery, queries, 10) == (0, 0, 3)
        assert "2000 images of 64 dimensions need 0.81 GB" in search.lack(gallery)
    told = capsys.readouterr().err
    assert told.count("searched on the CPU: 2000 images") == 1
    assert f"GB on {device.name}, of which 0.10 are free" in told
    free.pop(0)
    assert search.lack(gallery) is not None
    assert search.lack(gallery.copy()) is None


class Short(Device):
    """A device without memory for what it computes; stands for a GPU that others fill."""

    def _run(self, *_):
        raise RuntimeError("Available memory of 3 is smaller than requested bytes of 5")


def test_a_device_that_fails_leaves_the_gallery_to_the_host_and_says_so_once(capsys):
    """The query is answered all the same, and the next is not tried there."""
    search = DeviceSearch(Short("cpu"), lambda: LARGE)
    gallery, queries = around(200, 64, 1.0), around(3, 64, 1.0, seed=1)
    for _ in range(2):
        assert check(search, gallery, queries, 10) == (0, 0, 3)
        assert "cpu failed (Available memory of 3 is" in search.lack(gallery)
    assert capsys.readouterr().err.count("searched on the CPU: cpu failed (Available") == 1


class Unreadable:
    """Rows of a file that cannot be read."""

    shape = (20, 4)

    def __len__(self):
        return 20

    def __getitem__(self, rows):
        raise ArtefactError("damaged")


def test_a_gallery_that_cannot_be_read_is_an_error_each_time(device):
    """It is not taken for one that is there, and the next one is searched."""
    search, queries, lost = DeviceSearch(device, lambda: LARGE), around(2, 4, 1.0), Unreadable()
    for _ in range(2):
        with pytest.raises(ArtefactError):
            search.search(lost, queries, 1)
    assert check(search, around(20, 4, 1.0, seed=1), queries, 1) == (2, 0, 0)


ROWS = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0.6, 0.8]], np.float32)
QUERY, TRUE = ROWS[:1], [1.0, np.float64(ROWS[1, 0]), np.float64(ROWS[2, 0])]


@pytest.mark.parametrize(
    ("rows", "most", "wrong", "is_proved"),
    [
        ([0, 1], 0.7, 0, True),
        ([1, 0], 0.7, 0, True),
        ([0, 1], 0.9, 0, False),  # another may be better than the second
        ([0, 3], TRUE[2], 0, False),  # another, of a lower number, may be as good
        ([0, 0], -np.inf, 0, False),  # one row, twice
        ([0, 0, 1], 0.7, 0, True),
        ([0, 1], 0.7, 1e-3, False),  # the device's score is off by more than it was assumed
    ],
)
def test_nothing_is_proved_that_may_be_wrong(rows, most, wrong, is_proved):
    """The best two of rows, where all others score at most so much."""
    told = np.float64(ROWS[rows, 0])
    told[-1] += wrong
    assumed = [Told(told[None], np.full((1, 1), 1e-4))]
    candidates = Candidates(np.array([rows]), np.array([most]), assumed)
    hits, proved = proof(ROWS, QUERY, candidates, 2)
    assert proved.tolist() == [is_proved]
    if is_proved:
        assert isinstance(hits, Hits)
        assert hits.rows.tolist() == [[0, 1]]
        assert hits.scores.tolist() == [TRUE[:2]]


def test_rounding_that_adds_up_is_within_the_bound():
    """All numbers of a row and a query are rounded down by half a unit: no product is worse."""
    worst = np.float32(1 + 2**-11 - 2**-20)
    row = np.full((1, 256), worst / 16, np.float32)
    half = row.astype(np.float16)
    off = float((row.astype(np.float64) ** 2).sum() - (half.astype(np.float64) ** 2).sum())
    bound = Rounding.of(row, half).by_half(row, half)[0]
    assert off <= bound <= 1.2 * off


def test_cublas_is_told_to_sum_in_float32_unless_the_user_says_otherwise(monkeypatch):
    """Before onnxruntime is imported, since nothing tells it later."""
    monkeypatch.delenv("ORT_CUDA_GEMM_OPTIONS", raising=False)
    import_onnxruntime()
    assert sums_are_float32()
    monkeypatch.setenv("ORT_CUDA_GEMM_OPTIONS", "1")
    import_onnxruntime()
    assert not sums_are_float32()


def test_sums_are_as_exact_as_cublas_was_told_to_be(monkeypatch):
    """A tensor core's additions, each off by 2^-22 at most; or float16's, each by 2^-10."""
    rounding, half = Rounding(1000, 1.0, 0.0), np.array([[1, 0]], np.float16)
    bounds = []
    for options in ("2", "0", "3", "1", "6", ""):
        monkeypatch.setenv("ORT_CUDA_GEMM_OPTIONS", options)
        bounds.append(rounding.by_half(half.astype(np.float32), half)[0] / 1000 / 1.001)
    assert bounds == pytest.approx([2**-22, 2**-10, 2**-10, 2**-10, 2**-22, 2**-10])
    assert rounding.by_full(half.astype(np.float32))[0] == pytest.approx(1001 * 2**-23)
