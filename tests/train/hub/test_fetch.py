"""Bytes that come in parts, late, wrong or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.train.hub.server import (
    Answer,
    Fault,
    Hub,
    cut,
    hang_up,
    instead,
    some_of,
    stalled,
    status,
)
from tests.train.hub.test_snapshot import FILES, NAME, contents
from zscr.errors import ArtefactError, ConfigError
from zscr.patience import Patience
from zscr.train.hub.snapshot import snapshot

SOON = Patience(first_wait=0.0, timeout=0.3)
WEIGHTS = FILES["model.safetensors"]


@pytest.mark.parametrize("part", ["/api/", "/resolve/", "/cdn/"])
@pytest.mark.parametrize(
    "fault",
    [
        status(429, Retry_After="0"),
        status(408),
        status(500),
        status(503),
        cut(100),
        stalled(100),
        hang_up,
    ],
    ids="429 408 500 503 cut silent hung-up".split(),
)
def test_what_passes_is_tried_again(
    hub: Hub, part: str, fault: Fault, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is asked for, and it is said."""
    hub.commit(NAME, {"model.safetensors": WEIGHTS, "long.txt": WEIGHTS})
    hub.faults[part] = [fault]
    assert contents(snapshot(NAME, patience=SOON))["model.safetensors"] == WEIGHTS
    assert "; trying again in 0 s (1 of 5)" in capsys.readouterr().err


def test_a_broken_download_goes_on_where_it_ended(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a range; the host of large files gets no token."""
    hub.commit(NAME, FILES)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.faults["/cdn/"] = [cut(1000)]
    assert contents(snapshot(NAME, patience=SOON))["model.safetensors"] == WEIGHTS
    first, second = hub.asked("/cdn/")
    assert ("Range" in first, second["range"]) == (False, "bytes=1000-")
    assert "authorization" not in {name.lower() for name in (*first, *second)}
    assert {headers["authorization"] for headers in hub.asked("/api/")} == {"Bearer hf_secret"}


@pytest.mark.parametrize(
    "whole",
    [
        instead(WEIGHTS),
        instead(WEIGHTS[1:], 206, Content_Range="bytes 1-127999/128000"),
        instead(b"", 416),
    ],
    ids=["no ranges", "another range", "no such range"],
)
def test_where_no_range_is_had_it_begins_anew(hub: Hub, whole: Fault) -> None:
    """What another answer brings is not appended to what was there."""
    hub.commit(NAME, FILES)
    hub.faults["/cdn/"] = [cut(1000), whole]
    assert contents(snapshot(NAME, patience=SOON))["model.safetensors"] == WEIGHTS


def test_a_way_that_breaks_all_the_time_is_gone_to_its_end(hub: Hub) -> None:
    """Though it takes more tries than a hub has that brings nothing."""
    hub.commit(NAME, FILES)
    hub.faults["/cdn/"] = [cut(14_000), *(some_of(14_000) for _ in range(8))]
    assert contents(snapshot(NAME, patience=SOON))["model.safetensors"] == WEIGHTS
    assert hub.asked("/cdn/")[-1]["range"] == "bytes=126000-"


def test_patience_ends(hub: Hub) -> None:
    """After five tries that bring nothing, or at once when the hub asks for an hour."""
    hub.commit(NAME, FILES)
    hub.faults["/api/"] = [status(503) for _ in range(5)]
    with pytest.raises(ConfigError, match=r"cannot be had now: .* answers 503 .*, 5 times; run "):
        snapshot(NAME, patience=SOON)
    assert len(hub.seen) == 5
    hub.faults["/api/"] = [status(429, Retry_After="3600")]
    with pytest.raises(ConfigError, match=r"\(too many requests\) and asks to wait 3600 s; run"):
        snapshot(NAME, patience=SOON)
    assert len(hub.seen) == 6


def test_a_hub_may_ask_to_wait_by_a_date_or_a_limit(hub: Hub) -> None:
    """As its 429 says it; in an hour is too long."""
    hub.commit(NAME, FILES)
    until = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asked = [{"Retry_After": until}, {"RateLimit": '"api";r=0;t=3600'}]
    for headers in asked:
        hub.faults["/api/"] = [status(429, **headers)]
        with pytest.raises(ConfigError, match=r"and asks to wait 3(600|59\d(\.\d+)?) s"):
            snapshot(NAME, patience=SOON)
    hub.faults["/api/"] = [
        status(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        status(429, Retry_After="soon"),
        status(429, RateLimit='"api";r=9;t=3600'),
    ]
    snapshot(NAME, patience=SOON)


def test_a_mirror_that_lists_no_hashes_is_asked_for_each(hub: Hub) -> None:
    """Large and small files are checked by their tags, before and after."""
    hub.commit(NAME, FILES)
    hub.lies = lambda described: [
        file.pop(key, None) for file in described["siblings"] for key in ("size", "blobId", "lfs")
    ]
    hub.faults["GET /cdn/"] = [instead(b"x" * len(WEIGHTS))]
    with pytest.raises(ArtefactError, match="sent another model.safetensors"):
        snapshot(NAME)
    assert contents(snapshot(NAME))["model.safetensors"] == WEIGHTS
    hub.faults["HEAD "] = [status(200, ETag='"5f1e-62a"')]
    with pytest.raises(ArtefactError, match=r"tells no hash and size of .*cannot be checked"):
        snapshot(NAME, weights=("*.bin",))


@pytest.mark.parametrize(
    ("file", "part"), [("model.safetensors", "/cdn/"), ("merges.txt", "merges")]
)
def test_other_bytes_are_refused_and_removed(hub: Hub, cache: Path, file: str, part: str) -> None:
    """By sha256 or git's hash, though the size is right; the next try begins with nothing."""
    hub.commit(NAME, FILES)
    hub.faults[part] = [instead(b"x" * len(FILES[file]))]
    with pytest.raises(ArtefactError, match=f"sent another {file} .*its hash is wrong.*removed"):
        snapshot(NAME, patience=SOON)
    assert not [p for p in cache.rglob("*") if p.is_file() and b"x" * 3 in p.read_bytes()]
    assert contents(snapshot(NAME))[file] == FILES[file]


def test_more_bytes_than_listed_are_refused(hub: Hub) -> None:
    """Before they fill the disk."""
    hub.commit(NAME, FILES)
    hub.faults["/cdn/"] = [instead(WEIGHTS + b"more")]
    with pytest.raises(ArtefactError, match="model.safetensors is larger than the 128000 bytes"):
        snapshot(NAME)


def test_a_model_that_does_not_fit_is_not_begun(
    hub: Hub, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of all files is compared with the room on the disk before any is asked for."""
    monkeypatch.setenv("ZSCR_CACHE", str(small_disk))
    hub.commit(NAME, {"model.safetensors": bytes(2_000_000)})
    with pytest.raises(ArtefactError, match=r"needs 2.00 MB and the disk has .*; free some space"):
        snapshot(NAME)
    assert not hub.asked("/resolve/")


FETCH = "import sys; from zscr.train.hub.snapshot import snapshot; snapshot(sys.argv[1])"


def test_a_killed_download_goes_on_and_is_never_taken_as_whole(hub: Hub, cache: Path) -> None:
    """kill -9 in the middle of a file: what has come is kept, and the rest is asked for."""
    hub.commit(NAME, FILES)
    hub.faults["/cdn/"] = [stalled(100_000)]
    killed = subprocess.Popen([sys.executable, "-c", FETCH, NAME], stderr=subprocess.DEVNULL)
    while sum(path.stat().st_size for path in cache.rglob(".fetching/*")) < 100_000:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with pytest.raises(ConfigError, match="was not fetched before"):
        snapshot(NAME, offline=True)
    hub.seen.clear()
    assert contents(snapshot(NAME))["model.safetensors"] == WEIGHTS
    assert [headers["range"] for headers in hub.asked("/cdn/")] == ["bytes=100000-"]
    assert len(hub.asked("/resolve/")) == 1  # the small files were whole
    assert not list(cache.rglob(".fetching"))


def test_two_that_fetch_the_same_fetch_it_once(
    hub: Hub,
) -> None:
    """The second waits for the first, and says so."""
    hub.commit(NAME, FILES)
    begun, waits = Event(), Event()

    def late(answer: Answer, body: bytes) -> None:
        begun.set()
        waits.wait(20)
        answer.send(body)

    hub.faults["/cdn/"] = [late]
    first = Thread(target=snapshot, args=(NAME,))
    first.start()
    assert begun.wait(20)
    with subprocess.Popen(
        [sys.executable, "-c", FETCH, NAME], stderr=subprocess.PIPE, text=True
    ) as second:
        assert second.stderr is not None
        told = second.stderr.readline()
        waits.set()
        first.join()
    assert told.startswith(f"waiting for process {os.getpid()}, which is fetching '{NAME}'")
    assert second.returncode == 0
    assert len(hub.asked("/cdn/")) == 1
