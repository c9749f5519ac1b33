"""Trees laid out as the published data sets are, with tiny images that are told by their colour."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

CATEGORIES = ("dress", "shirt", "toptee")


def save(path: Path, number: int = 0, size: tuple[int, int] = (8, 6)) -> None:
    """Save an image whose colour is its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (number % 251, number // 251, 77)).save(path)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def cirr(root: Path, *, searle: bool = False, images: int = 8, test: int = 56) -> Path:
    """Lay out CIRR: `dev-0-0-img0` and so on; query 10 + q goes from image q to image q + 1.

    Its image set is images q to q + 5. SEARLE's layout has the lists in `cirr/`, and paths.
    """
    lists = root / "cirr" if searle else root
    for split, folder, count in (("val", "dev", images), ("test1", "test1", test)):
        names = [f"{folder}-{n}-0-img0" for n in range(count)]
        for number, name in enumerate(names):
            save(root / folder / f"{name}.png", number + (100 if split == "test1" else 0))
        rows = [cirr_row(names, q) for q in range(3)]
        if split == "test1":
            rows = [{k: v for k, v in row.items() if k != "target_hard"} for row in rows]
        write(lists / f"captions/cap.rc2.{split}.json", rows)
        paths = {name: f"./{folder}/{name}.png" for name in names}
        write(lists / f"image_splits/split.rc2.{split}.json", paths if searle else names)
    return root


def cirr_row(names: Sequence[str], q: int) -> dict[str, Any]:
    members = {"id": q, "members": names[q : q + 6], "reference_rank": 0}
    row = {"pairid": 10 + q, "reference": names[q], "target_hard": names[q + 1]}
    return row | {"caption": f"make it {q} times larger", "img_set": members}


def fashioniq(root: Path, *, captions: str = "captions", suffix: str = ".jpg") -> Path:
    """Lay out FashionIQ: of each category 6 images, two queries that name 3 of them.

    Image 5 is of all three categories; the queries go from image 0 to 1, and from 1 to 2.
    """
    for category in CATEGORIES:
        names = [f"{category}{n}" for n in range(5)] + ["shared"]
        for number, name in enumerate(names):
            save(root / f"images/{name}{suffix}", number)
        rows = [
            {
                "candidate": names[q],
                "target": names[q + 1],
                "captions": [f"is {q}* red.", "has no sleeves, "],
            }
            for q in range(2)
        ]
        write(root / captions / f"cap.{category}.val.json", rows)
        write(root / f"image_splits/split.{category}.val.json", names)
    return root


def circo(root: Path, images: int = 60, test: int = 2) -> Path:
    """Lay out CIRCO: image ids 1000, 1007, …; of val query 0 has three right images, 1 has one."""
    ids = [1000 + 7 * n for n in range(images)]
    for number, image in enumerate(ids):
        save(root / f"COCO2017_unlabeled/unlabeled2017/{image:012d}.jpg", number)
    infos = [{"id": image, "file_name": f"{image:012d}.jpg", "height": 6} for image in ids]
    where = "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json"
    write(root / where, {"info": {}, "images": infos})
    right = ([ids[5], ids[8], ids[9]], [ids[2]])
    aspects = (["negation", "addition"], ["addition"])
    rows = [
        {
            "id": number,
            "reference_img_id": ids[number],
            "target_img_id": right[number][0],
            "relative_caption": f"has {number} more",
            "shared_concept": "a cat",
            "gt_img_ids": right[number],
            "semantic_aspects": aspects[number],
        }
        for number in range(2)
    ]
    write(root / "annotations/val.json", rows)
    kept = ("reference_img_id", "relative_caption", "shared_concept")
    asked = [{k: rows[n % 2][k] for k in kept} | {"id": n} for n in range(test)]
    write(root / "annotations/test.json", asked)
    return root


def genecis(root: Path, lists: Iterable[str] = ("focus_attribute", "change_object")) -> Path:
    """Lay out GeneCIS: two queries of attributes over boxes, and two of objects."""
    for number in (3, 4, 5):
        folder = "VG_100K" if number < 5 else "VG_100K_2"
        save(root / f"{folder}/{number}.jpg", number, (40, 30))
    for number in range(20, 26):
        save(root / f"val2017/{number:012d}.jpg", number)
    box = [{"image_id": 3 + n % 3, "instance_bbox": [10 + n, 8, 6, 4]} for n in range(5)]
    whole = [{"val_image_id": 20 + n} for n in range(6)]
    for name in lists:
        sides = whole if name.endswith("object") else box
        rows = [
            {
                "reference": sides[q],
                "target": sides[q + 1],
                "gallery": [sides[q + 2], sides[q + 3]],
                "condition": "colour" if sides is box else "ceiling",
            }
            for q in range(2)
        ]
        write(root / f"genecis/{name}.json", rows)
    return root


def coco(root: Path) -> Path:
    """Lay out COCO: image 1 with a cat (a polygon) and a dog, image 2 with a crowd of cups alone.

    Image 3 has one object that is more than half of it, so that it cannot ask.
    """
    images = [{"id": n, "file_name": f"{n:012d}.jpg", "height": 10, "width": 12} for n in (1, 2, 3)]
    for number in (1, 2, 3):
        save(root / f"val2017/{number:012d}.jpg", 40 * number, (12, 10))
    triangle = [[2.0, 2.0, 8.0, 2.0, 2.0, 8.0]]
    crowd = {"size": [10, 12], "counts": [31, 2, 8, 2, 77]}  # two pixels in two columns: 3 and 4
    annotations = [
        _annotation(1, 1, [2.0, 2.0, 6.0, 6.0], triangle),
        _annotation(1, 2, [0.0, 0.0, 12.0, 10.0], [[0, 0, 12, 0, 12, 10, 0, 10]]),
        _annotation(2, 3, [3.0, 1.0, 2.0, 2.0], crowd),
        _annotation(3, 1, [0.0, 0.0, 12.0, 9.0], [[0, 0, 12, 0, 12, 9, 0, 9]]),
    ]
    names = {1: "cat", 2: "dog", 3: "cup"}
    categories = [{"id": number, "name": name} for number, name in names.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write(root / "annotations/instances_val2017.json", content)
    return root


def _annotation(image: int, category: int, box: list[float], segmentation: Any) -> dict[str, Any]:
    about = {"image_id": image, "category_id": category, "bbox": box, "area": 1.0}
    return about | {"segmentation": segmentation, "iscrowd": int(isinstance(segmentation, dict))}
