"""What a name or a path stands for."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from zscr.data.collection import read_collection
from zscr.data.known_collections import COLLECTIONS, names, table
from zscr.data.registry import DATA_VARIABLE, find_collection
from zscr.errors import ArtefactError, ConfigError, InputError


def test_collection_folder_stands_for_itself(small_collection, tmp_path):
    """A path is returned as it is; a made collection is found by its name and not made again."""
    assert find_collection(str(small_collection)) == small_collection
    (tmp_path / "base").mkdir()
    small_collection.rename(tmp_path / "base/aviary")
    assert find_collection("aviary", base=tmp_path / "base") == tmp_path / "base/aviary"


def test_folder_of_images_is_converted_once(image_folder, tmp_path):
    """The second call finds the first one's collection, byte for byte."""
    source = image_folder(4, 1)
    made = find_collection(str(source), base=tmp_path / "base")
    assert made == tmp_path / "base/pets"
    before = read_collection(made).manifest.sha256
    assert find_collection(str(source), base=tmp_path / "base") == made
    assert read_collection(made).manifest.sha256 == before


def test_stale_conversion_is_never_used(image_folder, tmp_path):
    """A changed source, and another source of the same name, are errors that say what to do."""
    source = image_folder(4, 1)
    find_collection(str(source), base=tmp_path / "base")
    (source / "unseen.txt").write_text("class_0")
    with pytest.raises(ConfigError, match="remove it, or convert"):
        find_collection(str(source), base=tmp_path / "base")
    (source / "unseen.txt").unlink()
    find_collection(str(source), base=tmp_path / "base")
    other = image_folder(4, 1, name="other/pets")
    with pytest.raises(ConfigError, match="was made of"):
        find_collection(str(other), base=tmp_path / "base")


def test_unknown_name_lists_the_known_ones(tmp_path):
    """A typo is answered with every name there is."""
    with pytest.raises(ConfigError) as refused:
        find_collection("aviery", base=tmp_path)
    known = {"aviary", "sketchy25", "sketchy25-25", "sketchy25-clip", "sketchy25-25-clip"}
    known |= {"sketchy25-domains", "sketchy25-25-domains"}
    known |= {"imagenet-r", "nico", "minidomainnet", "ltll", "icir"}
    known |= {"cirr", "fashioniq", "circo", "genecis", "coco"}
    known |= {"sketchy-ext", "sketchy-ext-25", "tuberlin-ext", "quickdraw-ext"}
    assert {*names()} == known | {"fashion44k", "fashion44k-titles", "flickr8k_1k", "wiki"}
    assert all(name in str(refused.value) for name in ("aviery", *known))
    with pytest.raises(ConfigError, match="no collection 'awa'"):
        find_collection("awa", base=tmp_path)


def test_missing_data_names_the_variable(tmp_path, monkeypatch):
    """Unset, or set to a folder without the data."""
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="set ZSCR_DATA"):
        find_collection("sketchy25", base=tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match=r"neither sketchy25\.zip nor sketchy25/"):
        find_collection("sketchy25-25", base=tmp_path)
    with pytest.raises(ConfigError, match=r"neither wiki_rasiwasia\.zip nor wiki_rasiwasia/"):
        find_collection("wiki", base=tmp_path)


def test_other_artefacts_and_folders_are_refused(small_collection, tmp_path):
    """A run is no collection, and a folder without images cannot be converted."""
    manifest = small_collection / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"collection"', '"run"'))
    with pytest.raises(ArtefactError, match="is of kind run, and no collection"):
        find_collection(str(small_collection))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="0 class folders"):
        find_collection(str(tmp_path / "empty"), base=tmp_path / "base")


@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_entry_names_a_function_that_takes_its_options(name):
    """It exists, and takes a place, and a source before it where there is one."""
    source = COLLECTIONS[name]
    parameters = inspect.signature(source.function()).parameters
    assert {*source.options, *source.arguments} <= set(parameters)
    assert not {*source.options} & {*source.arguments}
    places = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert len(places) == (2 if source.what else 1)
    assert bool(source.what) == bool(source.example)


def test_variants_differ_in_their_split(sketchy, tmp_path, monkeypatch):
    """`sketchy25-25` is made by the other published list, under its own name."""
    sketchy.rename(tmp_path / "sketchy25")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    unseen = {}
    for name in ("sketchy25", "sketchy25-25"):
        found = read_collection(find_collection(name, base=tmp_path / "made"))
        assert found.name == name
        unseen[name] = found.splits["unseen"]
    assert unseen == {"sketchy25": ("bat", "class_3"), "sketchy25-25": ("mouse",)}


def test_the_documents_list_the_collections():
    """The table of docs/collections.md is the registry's."""
    text = (Path(__file__).parents[2] / "docs/collections.md").read_text("utf-8")
    _, _, rest = text.partition("<!-- collections -->\n")
    shown, end, _ = rest.partition("\n<!-- /collections -->")
    assert end
    assert shown.strip() == table()
    rows = [line.split("|")[1].strip(" `") for line in table().splitlines()[2:]]
    assert rows == list(COLLECTIONS)
