"""Folders as people have them: every image once, in order, and all else told by its kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec as ExclusionSpec

from zscr.data.exclusion import steady
from zscr.data.listing import list_images
from zscr.data.names import found_as_written
from zscr.data.walk import WalkRules, passed_over, walk
from zscr.errors import ConfigError, InputError


@pytest.fixture
def lay(tmp_path):
    """Return a function that makes files below the folder `photos`, and returns that."""

    def make(*names):
        for name in names:
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return tmp_path / "photos"

    return make


def found(folder, **rules):
    walked = walk(folder, WalkRules(**rules))
    return [i.path.relative_to(folder).as_posix() for i in walked.images], dict(walked.passed)


def test_everything_is_counted_by_its_kind(lay, tmp_path):
    """Nothing is passed over unseen, and nothing but images is opened: a pipe would hang."""
    names = "b/2.png b/1.JPEG a.webp notes.txt b/clip.mov b/clip2.MOV x.heicx README"
    hidden = ".git/a.png .thumbnails/a.png @eaDir/a.png b/__MACOSX/a.png .private/a.png"
    folder = lay(*names.split(), *hidden.split(), "._a.jpg", ".b.jpg", "b/odd.a~b")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "lost.png").symlink_to("nowhere")
    (folder / "round.png").symlink_to("round.png")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "tube.png").symlink_to("pipe.png")
    images, passed = found(folder)
    assert images == ["a.webp", "b/1.JPEG", "b/2.png"]
    kinds = {"*.mov": 2, "*.txt": 1, "*.heicx": 1, "other files": 2, "linked folders": 1}
    kinds |= {f"{name} folders": 1 for name in (".git", ".thumbnails", "@eaDir", "__MACOSX")}
    kinds |= {"hidden folders": 1, "hidden files": 1, "._* files": 1}
    kinds |= {"pipes, sockets and devices": 2}
    links = {kind: passed.pop(kind, 0) for kind in ("broken links", "unreadable links")}
    assert (passed, sum(links.values())) == (kinds, 2)
    assert passed_over(passed).startswith("2 *.mov, 2 other files, 2 pipes, ")
    assert all(f"1 {kind}" in passed_over(passed) for kind, count in passed.items() if count == 1)
    many = {f"*.{n}": n for n in range(1, 41)}
    assert passed_over(many).endswith(", 11 *.11, 55 of 10 more kinds")
    assert found(folder / "@eaDir")[0] == ["a.png"]  # named itself


def test_linked_folders_are_entered_on_demand_and_once(lay, tmp_path):
    """A circle ends, and what lies in the folder itself is met at its own place, too."""
    folder = lay("sub/a.png")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/b.png").write_bytes(b"b")
    (tmp_path / "outside/back").symlink_to(folder)
    (folder / "a_link").symlink_to("sub")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "sub/up").symlink_to(folder)
    assert found(folder) == (["sub/a.png"], {"linked folders": 3})
    walked = walk(folder, WalkRules(follow_links=True))
    assert [image.real for image in walked.images] == [
        folder / "sub/a.png",
        tmp_path / "outside/b.png",
    ]
    assert walked.passed == {"folders met twice": 3}


def test_patterns_are_those_of_gitignore(lay):
    """Given ones, and those of files on the way, of which the innermost decides."""
    folder = lay(
        "raw/a.png", "b/raw/a.png", "top.png", "b/top.png", "b/x.tmp.png", "b/keep.tmp.png"
    )
    images, passed = found(folder, exclude=("/raw/", "/top.png", "*.tmp.png", "!keep.tmp.png"))
    assert images == ["b/keep.tmp.png", "b/raw/a.png", "b/top.png"]
    assert passed == {"excluded folders": 1, "excluded images": 2}
    (folder / ".zscrignore").write_text("# * * * ours * * *\n*.tmp.png\nraw/\n")
    (folder / "b/.zscrignore").write_text("!x.tmp.png\n/top.png\n")
    assert found(folder) == (["b/x.tmp.png", "top.png"], passed | {"excluded folders": 2})
    top = WalkRules(top=str(folder))  # of a part, what lies above counts as well
    assert [i.path.name for i in walk(folder / "b", top).images] == ["x.tmp.png"]
    with pytest.raises(ConfigError, match="Invalid git pattern: '!'; write patterns as in"):
        walk(folder, WalkRules(("!",)))
    with pytest.raises(ConfigError, match=r"\[z-a\]': bad character range z-a.*; write"):
        walk(folder, WalkRules(("[z-a]",)))
    for pattern in ("", " ", "\udcff", 4097 * "a"):  # which an index could not remember
        with pytest.raises(ConfigError, match="to exclude is blank, no UTF-8 or over"):
            WalkRules((pattern,))
    (folder / ".zscrignore").write_text("*a" * 5000)
    with pytest.raises(InputError, match="over 4096 characters"):
        walk(folder)
    (folder / ".zscrignore").write_bytes(b"\xff\n")
    with pytest.raises(InputError, match=r"\.zscrignore cannot be used .*correct it or remove"):
        walk(folder)


HARD = [
    ("*a" * 40 + "b", "a" * 200),
    ("**/a/" * 30 + "b", "a/" * 60 + "c"),
    ("*a?" * 30 + "b*c", "a" * 250),
    ("a/**/" * 20 + "b*" * 5 + "/**/c", "a/" * 50 + "b" * 99 + "/x"),
]


@pytest.mark.parametrize(("pattern", "path"), HARD)
def test_no_pattern_takes_exponential_time(pattern, path):
    """A stranger's `.zscrignore` stood still over one file's name for hours."""
    regular = ExclusionSpec.from_lines([pattern]).patterns[0].regex.pattern
    script = "import re, sys; re.match(*sys.argv[1:])"
    command = [sys.executable, "-c", script, steady(regular), path]
    subprocess.run(command, check=True, timeout=20)


@given(st.text("ab*?/.", min_size=1, max_size=9), st.text("ab./", min_size=1, max_size=12))
@example("*a*b/**/a*b*/**/b", "xaab/b/aabb/a/b")
def test_steady_patterns_are_the_same_patterns(pattern, path):
    """Where a later place would have done, an earlier one does."""
    try:
        regular = ExclusionSpec.from_lines([pattern]).patterns[0].regex
    except ValueError:
        return
    if regular is not None:
        one, other = regular.match(path), re.match(steady(regular.pattern), path)
        assert (one and one.groupdict()) == (other and other.groupdict())


def test_what_cannot_be_read_is_counted(lay, monkeypatch):
    """Folders without permission, or that fail; the others are walked."""
    folder, scandir, access = lay("a/1.png", "b/2.png", "c/3.png"), os.scandir, os.access

    def failing(path):
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    def closed(path, mode):  # only the names in it may be read
        return Path(path).name != "c" and access(path, mode)

    monkeypatch.setattr(os, "scandir", failing)  # root may read everything
    monkeypatch.setattr(os, "access", closed)
    walked = walk(folder)
    assert [image.path for image in walked.images] == [folder / "b/2.png"]
    assert walked.passed == {"unreadable folders": 2}
    assert walked.unreadable == [folder / "a", folder / "c"]


def test_deep_folders_are_no_limit(tmp_path, monkeypatch):
    """Deeper than Python recurses, and so deeper than pytest can clear away."""
    monkeypatch.chdir(tmp_path)
    try:
        for _ in range(1100):
            os.mkdir("d")
            os.chdir("d")
        Path("a.png").write_bytes(b"")
        assert len(walk(tmp_path).images) == 1
    finally:
        os.chdir(tmp_path)
        subprocess.run(["rm", "-rf", "d"], check=True)


def test_named_files_are_listed_once(lay, tmp_path):
    """However they are named; what is no file or folder is refused before it is opened."""
    folder = lay("a.png", "b.png", "c.txt")
    (tmp_path / "link.png").symlink_to(folder / "a.png")
    listing = list_images([tmp_path / "link.png", folder, folder / "c.txt", folder / "../photos"])
    assert [file.path.name for file in listing.files] == ["a.png", "b.png", "c.txt"]
    assert listing.passed == {"*.txt": 2}  # seen in both walks
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png is a pipe or device; name an image"):
        list_images([tmp_path / "pipe.png"])
    with pytest.raises(InputError, match="x does not exist; name an image or a folder of images"):
        list_images([tmp_path / "x"])


def test_a_path_is_found_in_any_form_of_unicode(tmp_path):
    """Folder and file, typed composed or decomposed; what is there as typed stands."""
    (tmp_path / "e\u0301te").mkdir()
    (tmp_path / "e\u0301te/u\u0308.png").write_bytes(b"")
    real = tmp_path / "e\u0301te/u\u0308.png"
    assert found_as_written(tmp_path / "\u00e9te/\u00fc.png") == real
    assert found_as_written(real) == real
    lost = tmp_path / "\u00e9te/o.png"
    assert found_as_written(lost).name == "o.png"
