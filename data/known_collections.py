"""The collections that zscr knows: how each is made, and what it holds.

One list feeds `zscr data convert NAME`, `--collection NAME` and the table of docs/collections.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.data.known_sketches import SKETCHES
from zscr.data.known_source import Source


def _triplets(make: str, texts: str, images: str, **given: Any) -> Source:
    """Return a published data set of queries that are an image and a text."""
    options = given.pop("options", ("skip_missing",))
    return Source(f"zscr.data.sources.triplets.{make}", texts, images, options=options, **given)


COLLECTIONS: Mapping[str, Source] = {
    "aviary": Source(
        "zscr.data.aviary:make_aviary",
        "captions and descriptions, all true",
        "drawn birds, sketches on request; 10 unseen species",
    ),
    **SKETCHES,
    "fashion44k": Source(
        "zscr.data.sources.fashion:convert_fashion",
        "product titles",
        "products; 20 unseen article types",
        what="a folder or ZIP of products, with 20 unseen article types",
        example="fashion44k.zip",
        options=("seed",),
        archive="fashion44k",
    ),
    "fashion44k-titles": Source(
        "zscr.data.sources.titles:convert_titles",
        "a title of each product, which asks for its image",
        "products without classes, 10,000 to judge on; 20 article types not trained on",
        what="a folder or ZIP of products, whose titles ask for their images",
        example="fashion44k.zip",
        options=("seed",),
        archive="fashion44k",
    ),
    "flickr8k_1k": Source(
        "zscr.data.sources.captioned:convert_captions",
        "five captions of each photo",
        "1,000 photos without classes, 200 to judge on",
        what="a folder or ZIP of 1,000 of Flickr8k's photos, with captions.txt",
        example="flickr8k_1k.zip",
        options=("seed",),
        archive="flickr8k_1k",
    ),
    "wiki": Source(
        "zscr.data.sources.wiki:convert_wiki",
        "published topics of articles",
        "published SIFT histograms; 5 unseen classes",
        what="a folder or ZIP of WIKI's features, with 5 unseen classes of 10",
        example="wiki_rasiwasia.zip",
        options=("seed",),
        archive="wiki_rasiwasia",
    ),
    "zscrgan": Source(
        "zscr.data.sources.zscrgan.convert:convert_zscrgan",
        "published vectors",
        "published vectors (CUB, FLO, AWA, NAB, WIKI)",
        what="a folder or ZIP that ZSCRGAN's authors published (four pickles)",
        example="CUB.zip",
        options=("val_classes", "seed"),
    ),
    "cirr": _triplets(
        "cirr:convert_cirr",
        "what is to be different about an image",
        "photos of real life; tasks `val`, `val-subset` and, for the server, `test1`",
        what="CIRR's captions and image splits (rc2), with its images",
        example="CIRR/",
        archive="CIRR",
    ),
    "fashioniq": _triplets(
        "fashioniq:convert_fashioniq",
        "two captions of what is to be different about a product",
        "dresses, shirts and tops; tasks `original` and `val`, and of each category",
        what="FashionIQ's captions and image splits, with its images",
        example="FashionIQ/",
        archive="FashionIQ",
        options=("caption_order", "skip_missing"),
    ),
    "circo": _triplets(
        "circo:convert_circo",
        "what is to be different about an image",
        "123,403 photos of COCO; tasks `val`, of each semantic aspect and, for the server, `test`",
        what="CIRCO's annotations, with COCO's unlabeled2017",
        example="CIRCO/",
        archive="CIRCO",
    ),
    "genecis": _triplets(
        "genecis:convert_genecis",
        "an attribute or object to focus on or to change",
        "boxes of Visual Genome, photos of COCO; a gallery a query",
        what="GeneCIS's four lists, with the images of Visual Genome and COCO",
        example="genecis/",
        archive="genecis",
    ),
    "coco": _triplets(
        "coco:convert_coco",
        "a sentence of the classes in an image",
        "photos of COCO; the task `composition`: an object, cut out, asks for its photo",
        what="COCO's val2017 and its instances, for Pic2Word's object composition",
        example="coco/",
        archive="coco",
        options=("seed", "skip_missing"),
    ),
    "awa": Source(
        "zscr.data.sources.awa:convert_awa",
        "attributes of each class",
        "photos in AWA2's format",
        what="images with a matrix of class attributes in AWA2's format",
        example="Animals_with_Attributes2",
        options=("val", "seed"),
    ),
    "imagenet-r": Source(
        "zscr.data.sources.domains.imagenet_r:convert_imagenet_r",
        "a domain beside each image",
        "photos and renditions of 200 classes",
        what="ImageNet-R and ImageNet's validation photos, with Pic2Word's two lists",
        example="data/imgnet",
        options=("skip_missing",),
        archive="imagenet_r",
    ),
    "nico": Source(
        "zscr.data.sources.domains.freedom:convert_freedom",
        "a domain beside each image",
        "photos of 60 classes in 6 surroundings",
        what="NICO++, with FreeDom's two lists",
        example="data/nico",
        options=("skip_missing",),
        archive="nico",
        arguments={"name": "nico"},
    ),
    "minidomainnet": Source(
        "zscr.data.sources.domains.freedom:convert_freedom",
        "a domain beside each image",
        "clipart, paintings, photos and sketches of 126 classes",
        what="MiniDomainNet, with FreeDom's two lists",
        example="data/minidn",
        options=("skip_missing",),
        archive="minidn",
        arguments={"name": "minidomainnet"},
    ),
    "ltll": Source(
        "zscr.data.sources.domains.ltll:convert_ltll",
        "a domain beside each image",
        "25 landmarks today and in the archive",
        what="LTLL's landmarks, today and in the archive",
        example="LTLL.zip",
        options=("skip_missing",),
        archive="ltll",
    ),
    "icir": Source(
        "zscr.data.sources.domains.icir:convert_icir",
        "what is to be different, beside each image",
        "202 instances, each with a gallery of its own",
        what="i-CIR, with its two lists",
        example="icir/",
        options=("skip_missing",),
        archive="icir",
    ),
    "domains": Source(
        "zscr.data.sources.sketches.domain_folders:convert_domains",
        "class names",
        "images of one domain that ask for those of others, such as PACS",
        what="a folder of domains, in each a folder of images for each class",
        example="PACS/ --gallery photo",
        options=("asking", "gallery", "unseen", "val", "seed"),
    ),
    "folder": Source(
        "zscr.data.sources.folder:convert_folder",
        "`captions.txt`, or class names",
        "any, in a folder a class",
        what="a folder with a subfolder of images for each class",
        example="photos/",
        options=("unseen", "val", "seed", "exclude", "follow_links"),
    ),
    "captions": Source(
        "zscr.data.sources.captioned:convert_captions",
        "`captions.txt`, what is said of each image",
        "any, without classes",
        what="a folder or ZIP of images with captions.txt, without classes",
        example="photos/",
        options=("unseen_images", "val_images", "seed", "exclude", "follow_links"),
    ),
    "images": Source(
        "zscr.data.sources.uncaptioned:convert_images",
        "none",
        "any, where they lie: files of a folder or a list, members of tar shards",
        what="images alone: a folder, a list of paths, tar shards as cc3m-{0000..0331}.tar",
        example="'cc3m-{0000..0331}.tar'",
        options=("val_share", "exclude", "follow_links"),
    ),
}


def names() -> list[str]:
    """Return the collections that can be made by their name alone, given the data."""
    return [name for name, source in COLLECTIONS.items() if source.archive or not source.what]


def table() -> str:
    """Return the table of collections in docs/collections.md."""
    lines = ["| collection | made of | texts | images |", "|---|---|---|---|"]
    for name, source in COLLECTIONS.items():
        made_of = f"`{source.archive}.zip`" if source.archive else "nothing, on the spot"
        if name not in names():
            made_of = f"`zscr data convert {name} SOURCE`"
        lines.append(f"| `{name}` | {made_of} | {source.texts} | {source.images} |")
    return "\n".join(lines)
