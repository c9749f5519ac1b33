"""Sentences of a file are read as its suffix says, and whatever is passed over is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from zscr.data.sources.sentences import LONGEST, read_sentences
from zscr.errors import InputError

CAT, DOG = "a cat", "two dogs, one small"
TABLES = {
    "a.txt": f"{CAT}\n\n{DOG}\r\n",
    "a.tsv": f"filepath\ttitle\n1.jpg\t{CAT}\n2.jpg\n3.jpg\t{DOG}\n",
    "a.csv": f'id,caption\n1,{CAT}\n2,"{DOG}"\n3\n',
    "a.jsonl": f'{{"text": "{CAT}"}}\n[1]\n{{"text": 3}}\n{{"text": "{DOG}"}}\n',
    "one.csv": f'words\n{CAT}\n"{DOG}"\n',
}
PASSED = {
    "a.txt": {"blank": 1},
    "a.tsv": {"without the column": 1},
    "a.csv": {"without the column": 1},
    "a.jsonl": {"no JSON object": 1, "without the column": 1},
    "one.csv": {},
}


@pytest.mark.parametrize("name", TABLES)
def test_each_kind_of_file_gives_its_sentences(tmp_path: Path, name: str) -> None:
    """A published header's `title`, a `caption`, a `text`, or the only column there is."""
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + TABLES[name].encode())
    found = read_sentences(path)
    assert found.texts == (CAT, DOG)
    assert found.passed == PASSED[name]


def test_broken_lines_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a character and a line without an end cost themselves alone."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"a cat\n\xff\xfe\n" + b"x" * (3 * LONGEST) + b"\nsome dogs")
    found = read_sentences(path)
    assert found.texts == ("a cat", "some dogs")
    assert found.passed == {"not UTF-8": 1, f"over {LONGEST} bytes long": 1}
    assert "1 not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "column", "told"),
    [
        ("a.txt", "\n \n", "", "holds no sentence"),
        ("a.tsv", "a\tb\n1\t2\n", "", "any of text, caption, title"),
        ("a.tsv", "a\tb\n1\t2\n", "c", "no column 'c'; it has 'a', 'b'"),
        ("a.txt", "x\n", "c", "has no column 'c'"),
        ("a.csv", 'text\n"x', "", "line 2"),
    ],
)
def test_refused_in_a_sentence(
    tmp_path: Path, name: str, content: str, column: str, told: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=told):
        read_sentences(tmp_path / name, column)


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be read|is a folder"):
        read_sentences(tmp_path / name)
