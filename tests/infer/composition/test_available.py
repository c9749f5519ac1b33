"""Which ways there are to answer which fields: the stored ones first, with sketches, too."""

from __future__ import annotations

from zscr.infer.composition.available import available
from zscr.infer.composition.composition import Channel, Composition

TAKES = {frozenset({name}): f"{name} graph" for name in ("text", "image", "sketch")}
PLAIN = ["average", "product", "slerp", "weicom", "arithmetic"]


def test_a_sketch_stands_in_the_images_place() -> None:
    """With all that is stored of texts and of the gallery; the default is the stored one."""
    text = Channel("text", "text graph", replaces=True, instead="instead.npy")
    image = Channel("image", "image graph", centred=True, projection="projection.npy")
    stored = Composition("arithmetic", "", channels=(image, text), gallery_mean="mean.npy")
    own = Composition("own", "", graph="both")
    takes = {**TAKES, frozenset({"image", "text"}): "both"}
    found = available(takes, {"own": own, "arithmetic": stored})
    assert [*found[frozenset({"image", "text"})]] == ["own", "arithmetic", *PLAIN[:-1]]
    sketched = found[frozenset({"sketch", "text"})]
    assert [*sketched] == ["arithmetic", *PLAIN[:-1]]
    assert sketched["arithmetic"].gallery_mean == "mean.npy"
    assert sketched["arithmetic"].channels == (
        Channel("sketch", "sketch graph", centred=True, projection="projection.npy"),
        text,
    )


def test_without_anything_stored_there_is_what_needs_no_data() -> None:
    """For each field that a text can be about; a sketch beside an image asks for nothing yet."""
    found = available(TAKES, {})
    assert {fields: [*ways] for fields, ways in found.items()} == {
        frozenset({"image", "text"}): PLAIN,
        frozenset({"sketch", "text"}): PLAIN,
    }
