"""Query files as people save them: read line by line, or refused with the place and the fix."""

import io
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.data.records import Query, Refused
from zscr.errors import InputError
from zscr.infer.lines import LINE_LIMIT, read_lines
from zscr.infer.queries import make_query, read_queries


def captions_of(content: bytes):
    return list(read_queries(io.BytesIO(content)))


def test_lines_are_numbered_and_empty_ones_counted(tmp_path):
    """BOM, CRLF, blank lines and a missing last line end change neither texts nor numbers."""
    file = tmp_path / "captions.txt"
    file.write_bytes("\ufeff a red bird \r\n\r\n  \t\nein Vögelchen\nlast".encode())
    captions = read_queries(file)
    texts = {"1": "a red bird", "4": "ein Vögelchen", "5": "last"}
    expected = [Query(name, text=text) for name, text in texts.items()]
    assert list(captions) == expected
    assert captions.skipped == 2
    assert list(captions) == expected, "a file can be read again"
    assert captions.skipped == 2


def test_reading_is_lazy():
    """Of a stream little more than what was asked for is consumed, so any number of lines fits."""
    stream = io.BytesIO(b"caption\n" * 20_000)
    captions = iter(read_queries(stream))
    assert [next(captions).id for _ in range(3)] == ["1", "2", "3"]
    assert stream.tell() <= 1 << 16
    assert sum(1 for _ in captions) == 19_997


def test_what_is_there_already_need_not_be_waited_for():
    """Of a pipe, the lines that have come whole; of a file, all of them."""
    ours, theirs = os.pipe()
    os.write(theirs, b"one\ntwo\nthr")
    with open(ours, "rb") as stream:
        captions = iter(read_queries(stream))
        assert (next(captions).text, captions.waiting) == ("one", True)
        assert (next(captions).text, captions.waiting) == ("two", False)
        os.write(theirs, b"ee\nfour")
        os.close(theirs)
        assert [query.text for query in captions] == ["three", "four"]
    captions = iter(read_queries(Path(__file__)))
    assert next(captions)
    assert captions.waiting


@pytest.mark.parametrize(
    ("bad", "shown", "message"),
    [
        (b"V\xf6gel", "V\ufffdgel", r"line 2 is not UTF-8 \(byte 0xf6 at offset 6\); .*iconv"),
        (b"a\0b", "a\0b", "line 2 holds a NUL byte"),
        (b"a\rb", "a\rb", "line 2 has a carriage return inside"),
        (b"x" * (LINE_LIMIT + 1), "x" * 80, f"line 2 is over {LINE_LIMIT} bytes"),
        (b"x" * (3 * LINE_LIMIT), "x" * 80, f"line 2 is over {LINE_LIMIT} bytes"),
    ],
    ids=["latin1", "nul", "old-mac", "long", "longer"],
)
def test_a_bad_line_costs_no_other(bad, shown, message):
    """It keeps its place and its number, with the byte and the fix; the lines after it are read."""
    first, refused, *others = captions_of(b"good\n" + bad + b"\nlast\nV\xf6gel")
    assert (first, others[0]) == (Query("1", text="good"), Query("3", text="last"))
    assert (refused.query.id, refused.query.text) == ("2", shown)
    assert re.search(message, refused.error)
    at = 5 + len(bad) + 1 + 5 + 1
    assert f"line 4 is not UTF-8 (byte 0xf6 at offset {at})" in others[1].error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a bird\n".encode("utf-16"), "line 1 is UTF-16; .*iconv -f utf-16 -t utf-8"),
        ("a bird\n".encode("utf-32"), "line 1 is UTF-32; .*iconv -f utf-32 -t utf-8"),
        ("a bird\n".encode("utf-16-le"), "line 1 shows that this is not a text file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "line 1 shows that this is not a text file"),
        (b"%PDF-1.7\n1 0 obj\n", "line 1 shows that this is not a text file"),
        (b"\0" * (LINE_LIMIT + 2), "line 1 shows that this is not a text file"),
        (b"one\rtwo\rthree\r", "line 1 has a carriage return inside"),
        (b"image,caption\n1.jpg,A child\n", "line 1 names an image beside its caption"),
        (b"1000_b0.jpg,A child in a pink dress\n", "line 1 names an image .*cut -d, -f2-"),
        (b"1000_b0.jpg#0\tA child in a pink dress\n", "line 1 names an image .*cut -f2-"),
        (b"image_name| comment_number| comment\n", "line 1 names an image"),
        (b'"1.jpg","A child"\n', "line 1 names an image"),
        *(
            (table.encode(), "line 1 names an image beside its caption")
            for table in (
                *("my photo.jpg,a dog", "1.heic;a dog", "a dog,1.jpg", "1.TIF#3|a dog"),
                *("caption,image", "filename;caption", ",image,caption", "id,image,caption"),
                *("url\tcaption", "file_name,text", "raw,sentids,split,filename,img_id"),
            )
        ),
        (b"", "holds nothing; write a query on each line"),
        (b"\n \n", "holds only 2 empty lines"),
        (b"\xef\xbb\xbf", "holds only 1 empty lines"),
    ],
)
def test_a_file_of_another_kind_is_refused(content, message):
    """In one sentence, before its first line is taken for a caption."""
    with pytest.raises(InputError, match=message):
        captions_of(content)


LINES = st.lists(st.binary(max_size=12) | st.sampled_from([b"", b" ", b"a bird", b"\xff", b"a\0"]))


@given(lines=LINES, end=st.sampled_from([b"", b"\n"]), pieces=st.integers(1, 40))
def test_no_line_is_lost_or_invented(lines, end, pieces):
    """Whatever bytes come, in whatever pieces: a query, a reason or an empty line for each line."""
    content = b"\n".join(lines) + end
    stream = Dribbling(content, pieces)
    captions = read_queries(stream)
    try:
        found = list(captions)
    except InputError:
        return  # of another kind as a whole
    held = content.split(b"\n")
    held = held[:-1] if held[-1] == b"" else held
    assert len(found) + captions.skipped == len(held)
    for one in found:
        query = one if isinstance(one, Query) else one.query
        raw = held[int(query.id) - 1]
        if isinstance(one, Query):
            assert raw.decode().strip().removeprefix("\ufeff").strip() == one.text.strip("\ufeff")
        else:
            assert f"line {query.id} " in one.error


class Dribbling(io.BytesIO):
    """A stream that gives a few bytes at once, as a slow pipe does."""

    def __init__(self, content, most):
        super().__init__(content)
        self.most = most

    def read1(self, size=-1):
        return super().read1(min(size, self.most))


def test_a_caption_may_speak_of_images():
    """Only a file's name, or a column's, before a comma or tab is no caption."""
    texts = ["image of a dog, asleep", "a photo, blurred", "photos, many", "photo.jpg"]
    assert [query.text for query in captions_of("\n".join(texts).encode())] == texts


def test_json_lines_are_text_files_too(tmp_path):
    """The same checks, before the line is parsed; a document is no file of lines."""
    (tmp_path / "queries.jsonl").write_bytes(b'{"text": "a"}\n{"text": "V\xf6gel"}\n{"text": "b"}')
    first, refused, last = read_queries(tmp_path / "queries.jsonl")
    assert (first.text, last.text) == ("a", "b")
    assert "line 2 is not UTF-8 (byte 0xf6 at offset 25)" in refused.error
    (tmp_path / "queries.jsonl").write_text('[\n {"text": "a"}\n]\n')
    with pytest.raises(InputError, match="line 1 begins a JSON document of several lines"):
        list(read_queries(tmp_path / "queries.jsonl"))


def test_a_mark_of_byte_order_inside_a_file_is_text():
    """Only at the beginning is it none."""
    assert [query.text for query in captions_of(b"a\n\xef\xbb\xbf")] == ["a", "\ufeff"]


def test_a_line_of_just_the_limit_is_read():
    """The limit itself is allowed."""
    [query] = captions_of(b"x" * LINE_LIMIT)
    assert len(query.text) == LINE_LIMIT


def test_missing_files_and_folders_are_refused_at_once(tmp_path):
    """Before any model is loaded, and without waiting for the first query."""
    with pytest.raises(InputError, match="is a folder"):
        read_queries(tmp_path)
    with pytest.raises(InputError, match=r"none\.txt does not exist"):
        read_queries(tmp_path / "none.txt")


def test_files_that_cannot_be_opened_are_refused(tmp_path):
    """Neither a pipe, which would wait for ever, nor a socket, a device or what is the kernel's."""
    import socket

    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, kind in (
            (tmp_path / "pipe", "a named pipe"),
            (tmp_path / "socket", "a socket"),
            (Path("/dev/zero"), "a device"),
            (Path("/proc/self/environ"), "a file of the kernel"),
        ):
            with pytest.raises(InputError, match=f"is {kind}"):
                read_queries(path)
            with pytest.raises(InputError, match=f"is {kind}"):
                make_query(image=path)


@pytest.fixture
def jsonl(tmp_path):
    """Return a function that writes lines beside two images and prepares to read them."""
    (tmp_path / "img").mkdir()
    for name in ("img/a.jpg", "b.png"):
        (tmp_path / name).touch()

    def write(*lines):
        file = tmp_path / "queries.jsonl"
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return read_queries(file)

    return write


def test_json_lines_fill_any_fields(jsonl, tmp_path):
    """Paths are relative to the file, ids the line's number unless given, empty lines counted."""
    absolute = json.dumps({"sketch": str(tmp_path / "b.png")})
    queries = jsonl(
        '{"text": " a red Vögelchen "}',
        "",
        '{"id": "x", "image": "img/a.jpg", "text": "in\\nred"}',
        absolute,
    )
    assert list(queries) == [
        Query("1", text="a red Vögelchen"),
        Query("x", text="in\nred", image=tmp_path / "img/a.jpg"),
        Query("4", sketch=tmp_path / "b.png"),
    ]
    assert queries.skipped == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a red bird", "is not JSON .*such as"),
        ('{"text": "a"} {"text": "b"}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('"a red bird"', "is no JSON object"),
        ("{}", "asks for nothing"),
        ('{"id": "7"}', "asks for nothing"),
        ('{"caption": "a"}', "has the unknown key 'caption'; use id, text, image, sketch"),
        ('{"text": "a", "text": "b"}', "has the key 'text' twice"),
        ('{"text": 7}', "has 'text' 7; make it a string"),
        ('{"text": "a", "image": null}', "has 'image' null; make it a string"),
        ('{"text": "a", "id": 7}', "has 'id' 7; make it a string"),
        ('{"text": " "}', "has an empty 'text'"),
        ('{"text": "a", "id": ""}', "has an empty 'id'"),
        ('{"image": "gone.jpg"}', r"gone\.jpg, which does not exist"),
        ('{"text": "a", "sketch": "img"}', "img, which is a folder"),
        (json.dumps({"image": "x" * 300}), "which cannot be opened .File name too long"),
        ('{"text": "a\\u0000b"}', "holds a NUL"),
        ('{"image": "\\ud800.jpg"}', "holds a NUL or half a character"),
        ('{"text": "b", "id": "first"}', "has the id 'first', as line 1 has"),
    ],
)
def test_a_line_that_is_no_query_is_one_sentence(jsonl, line, message):
    """Which names the line; those before and after it are handed out."""
    first, refused, last = jsonl('{"text": "good", "id": "first"}', line, '{"text": "last"}')
    assert (first.id, last.text) == ("first", "last")
    assert isinstance(refused, Refused)
    assert re.search(message, refused.error)
    assert "queries.jsonl line 2" in refused.error
    assert "\n" not in refused.error


def test_a_refused_line_shows_what_it_asked(jsonl, tmp_path):
    """The fields that it fills, under its own id; of what is no object the beginning."""
    lines = ('{"image": "gone.jpg", "id": "mine"}', '{"text": 7, "id": "x"}', "a" * 99)
    assert [one.query for one in jsonl(*lines)] == [
        Query("mine", image=tmp_path / "gone.jpg"),
        Query("x", text=lines[1]),
        Query("3", text="a" * 80),
    ]


@pytest.mark.parametrize(("first", "second"), [("2", None), (None, "1")])
def test_an_id_may_not_be_another_lines_number(jsonl, first, second):
    """Neither before that line nor after it: answers could not be told apart."""
    rows = [{"text": "a"} | ({"id": name} if name else {}) for name in (first, second)]
    _, refused = jsonl(*map(json.dumps, rows))
    assert re.search("line 2 has the id '[12]', as line 1 has", refused.error)


def test_the_ending_alone_makes_json_lines(tmp_path):
    """In either case; elsewhere an object in the first line is refused, not taken for a caption."""
    for name in ("a.JSONL", "a.json", "a"):
        (tmp_path / name).write_text('\n{"text": "red"}\n')
    assert [q.text for q in read_queries(tmp_path / "a.JSONL")] == ["red"]
    for source in (tmp_path / "a.json", tmp_path / "a", io.BytesIO(b'{"text": "red"}')):
        with pytest.raises(InputError, match=r"line [12] is a JSON object, .* ends in \.jsonl"):
            list(read_queries(source))


@pytest.mark.parametrize(
    "content",
    [
        *(b"{red", b"[1]", b"7", b'"a"', b'red\n{"a": 1}', b"[" * 99_999),
        *(b"photo, black and white", b"image, file", b"caption", b"a photo.jpg", b"text, title"),
        *(b"a dog, a cat", b"an image; its caption"),
    ],
)
def test_captions_may_look_like_something_else(content):
    """Only an object that comes first is JSON Lines for sure, and only some words a header."""
    texts = [query.text for query in captions_of(content)]
    assert texts == content.decode().splitlines()


def test_a_file_of_names_that_is_not_there_is_not_about_permissions(tmp_path):
    """What is said names the reason, and what to do about it."""
    with pytest.raises(InputError, match=r"gone\.txt does not exist; name another file"):
        list(read_lines(tmp_path / "gone.txt"))


def test_paths_that_cannot_be_looked_at_are_refused(tmp_path):
    """Such as a caption given to --file: one sentence with the system's reason."""
    long = tmp_path / ("a red bird " * 40)
    with pytest.raises(InputError, match=r"bird  cannot be opened \(File name too long\); name a"):
        read_queries(long)
    with pytest.raises(InputError, match=r"--image is .* cannot be opened \(File name too long\)"):
        make_query(image=long)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="--sketch is .*loop, which cannot be opened"):
        make_query(sketch=tmp_path / "loop")
    with pytest.raises(InputError, match=r"loop/x cannot be opened"):
        read_queries(tmp_path / "loop/x")


def test_options_make_one_query(tmp_path):
    """A text typed on two lines is one caption; files must be there."""
    image = tmp_path / "a.jpg"
    image.touch()
    assert make_query(" a red\n bird ", image) == Query("1", text="a red bird", image=image)
    assert make_query(sketch=image) == Query("1", sketch=image)
    with pytest.raises(InputError, match=r"--sketch is .*gone\.jpg, which does not exist"):
        make_query("a", image, tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="--text holds"):
        make_query("V\udcf6gel")
    with pytest.raises(InputError, match="--text is empty"):
        make_query(" \n", image)
