"""A page shows the images that were indexed; a stranger's index cannot put other files into it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from zscr.artefact import hash_file
from zscr.data.records import Query
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.answers.shown import Shown, is_within
from zscr.infer.answers.writers import write_answers


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Draw an image in a folder of its own."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "photos/1.png")
    return tmp_path / "photos/1.png"


def page(image: Path, sha256: str, shown: Shown | None = None) -> str:
    out, hit = io.StringIO(), Hit(1, "a", 0.5, image=str(image), sha256=sha256)
    write_answers([Answer(Query("1", text="t"), (hit,))], "html", out, shown=shown)
    return out.getvalue()


def test_only_what_was_indexed_is_shown(image):
    """Whoever knows the content has it already; --trust shows any file."""
    sha256 = hash_file(image)
    assert "data:image/jpeg" in page(image, sha256)
    withheld = page(image, "0" * 64)
    assert "data:image/jpeg" not in withheld
    assert "is not what was indexed; --trust shows it" in withheld
    assert "1 could not be shown" in withheld
    assert "data:image/jpeg" in page(image, "0" * 64, Shown(trusted=True))


def test_only_the_folders_of_the_index_are_shown(image, tmp_path):
    """Neither by a path that climbs up, nor by a link that leads out."""
    other, photos = tmp_path / "other", image.parent
    other.mkdir()
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "secret.png").write_bytes(image.read_bytes())
    assert is_within([other, photos], image)
    for outside in (photos / "../secret.png", photos / "link.png", Path("/etc/hostname")):
        assert not is_within([other, photos], outside)
    lies = page(photos / "link.png", hash_file(image), Shown([photos]))
    assert "lies outside of its folders" in lies
    assert "data:image/jpeg" not in lies


def test_a_pipe_is_not_opened(tmp_path):
    """It would wait for a writer, for ever."""
    os.mkfifo(tmp_path / "1.png")
    assert "is a named pipe" in page(tmp_path / "1.png", "0" * 64)
