"""Names that are read from a file: what an encoder can read nothing of is left out, and told."""

from __future__ import annotations

from zscr.infer.encoder import load_encoder
from zscr.train.adaptation.names import read_names


def test_what_an_encoder_cannot_read_is_left_out(tiny_text, tmp_path, capsys):
    """Of any tokenizer, not of TF-IDF alone: its row would be that of every such name."""
    path = tmp_path / "names.txt"
    path.write_text("red circle\n🐕\nred square\t麺\n")
    names = read_names(path, load_encoder(tiny_text), None)
    assert names.split.groups == ("red circle", "red square\t麺")
    assert len(names.split["text"].rows) == 2
    assert (names.about["count"], names.about["unknown"]) == (2, 1)
    said = capsys.readouterr().err
    assert "1 texts hold no word that the text encoder knows; their names have others" in said
    assert "1 of 3 names" in said
    assert "left out, first: '🐕'" in said
