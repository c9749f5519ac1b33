"""Caption files as people save them: read line by line, or refused with the place and the fix."""

import io
from pathlib import Path

import pytest

from zscr.errors import InputError
from zscr.infer.queries import LINE_LIMIT, Caption, read_captions


def captions_of(content: bytes):
    return list(read_captions(io.BytesIO(content)))


def test_lines_are_numbered_and_empty_ones_counted(tmp_path):
    """BOM, CRLF, blank lines and a missing last line end change neither texts nor numbers."""
    file = tmp_path / "captions.txt"
    file.write_bytes("\ufeff a red bird \r\n\r\n  \t\nein Vögelchen\nlast".encode())
    captions = read_captions(file)
    expected = [Caption(1, "a red bird"), Caption(4, "ein Vögelchen"), Caption(5, "last")]
    assert list(captions) == expected
    assert captions.skipped == 2
    assert list(captions) == expected, "a file can be read again"
    assert captions.skipped == 2


def test_reading_is_lazy():
    """Of a stream only what was asked for is consumed, so any number of lines fits in memory."""
    stream = io.BytesIO(b"caption\n" * 20_000)
    captions = iter(read_captions(stream))
    assert [next(captions).line for _ in range(3)] == [1, 2, 3]
    assert stream.tell() == 3 * len(b"caption\n")
    assert sum(1 for _ in captions) == 19_997


def test_a_fault_is_met_only_where_it_stands():
    """The captions before a bad line are handed out before the error."""
    captions = iter(read_captions(io.BytesIO(b"good\n\xff\n")))
    assert next(captions).text == "good"
    with pytest.raises(InputError, match="line 2"):
        next(captions)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n\xef\xbb\xbf", None),
        (b"one\ntwo\nV\xf6gel\n", r"line 3 is not UTF-8 \(byte 0xf6 at offset 9\); .*iconv"),
        (b"\xef\xbb\xbfV\xf6gel", "line 1 is not UTF-8 .*offset 4"),
        ("a bird\n".encode("utf-16"), "line 1 is UTF-16; .*iconv -f utf-16 -t utf-8"),
        (b"a\nb\0c\n", "line 2 holds a NUL byte"),
        (b"one\rtwo\rthree\r", "line 1 has a carriage return inside"),
        (b"ok\n" + b"x" * (LINE_LIMIT + 1), f"line 2 is over {LINE_LIMIT} bytes"),
    ],
    ids=["bom-inside", "latin1", "latin1-after-bom", "utf-16", "nul", "old-mac", "long"],
)
def test_what_is_not_a_caption_file_is_refused(content, message):
    """The message names the line, the byte and the command that repairs it."""
    if message is None:
        assert [c.text for c in captions_of(content)] == ["a", "\ufeff"]
        return
    with pytest.raises(InputError, match=message):
        captions_of(content)


def test_a_line_of_just_the_limit_is_read():
    """The limit itself is allowed."""
    assert len(captions_of(b"x" * LINE_LIMIT)[0].text) == LINE_LIMIT


def test_missing_files_and_folders_are_refused_at_once(tmp_path):
    """Before any model is loaded, and without waiting for the first caption."""
    with pytest.raises(InputError, match="is a folder"):
        read_captions(tmp_path)
    with pytest.raises(InputError, match=r"none\.txt does not exist"):
        read_captions(tmp_path / "none.txt")


def test_files_that_cannot_be_opened_are_refused(tmp_path):
    """The system's reason is in the message; a socket stands in for it, as root may read all."""
    import socket

    path = Path(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        with pytest.raises(InputError, match="cannot be opened"):
            list(read_captions(path))
