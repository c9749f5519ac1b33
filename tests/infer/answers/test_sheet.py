"""The contact sheet: self-contained, safe with hostile texts, small, and honest about images."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from zscr.infer.answers.answer import Answer, Hit, write_answers
from zscr.infer.answers.sheet import SIDE

HOSTILE = '"><script>alert(1)</script><img src="https://evil.example/x.png" onerror=alert(1)>&amp;'


class Page(HTMLParser):
    """Collects tags with their attributes, and the text outside style."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def classes(self):
        return [attrs["class"] for _, attrs in self.tags if "class" in attrs]


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "wide.png"
    pixels = np.zeros((200, 400, 3), np.uint8)
    pixels[:, :200] = (200, 30, 30)
    Image.fromarray(pixels).save(path)
    return str(path)


def page_of(*answers, **kwargs):
    out = io.StringIO()
    write_answers(iter(answers), "html", out, **kwargs)
    return out.getvalue()


def test_images_are_embedded_once_and_decode(image, tmp_path):
    """Fifty captions over one image embed one thumbnail, and it shows the image."""
    answers = [Answer(n, "a caption", (Hit(1, "wide", 0.5, image=image),)) for n in range(50)]
    content = page_of(*answers)
    (data,) = re.findall(r"url\(data:image/jpeg;base64,([^)]*)\)", content)
    with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
        assert thumbnail.size == (SIDE, SIDE // 2)
        red, green, blue = thumbnail.getpixel((20, 20))
    assert red > 180
    assert max(green, blue) < 60
    assert Page(content).classes().count("pic t0") == 50
    assert "50 captions, 50 results, 1 image</footer>" in content


def test_hostile_texts_stay_text(image):
    """Captions, ids, classes, notes, the title and facts can neither add tags nor attributes."""
    hit = Hit(1, HOSTILE, 0.5, HOSTILE, image)
    lost = Hit(2, HOSTILE, 0.4, HOSTILE, HOSTILE)
    hostile = Answer(1, HOSTILE, (hit, lost), HOSTILE)
    tame = Answer(1, "x", (Hit(1, "x", 0.5, "x", image), Hit(2, "x", 0.4, "x", "x")), "x")
    page = Page(page_of(hostile, title=HOSTILE, about={HOSTILE: HOSTILE}))
    same = Page(page_of(tame, title="x", about={"x": "x"}))
    shape = [(tag, sorted(attrs)) for tag, attrs in page.tags]
    assert shape == [(tag, sorted(attrs)) for tag, attrs in same.tags]
    assert page.text.count(HOSTILE) == 10


def test_nothing_outside_is_referred_to(image):
    """No tag loads anything, and the policy forbids all but embedded images and styles."""
    content = page_of(Answer(1, "a caption", (Hit(1, "x", 0.5, image=image),)))
    page = Page(content)
    assert not {"href", "src", "srcset", "action"} & {name for _, a in page.tags for name in a}
    assert set(re.findall(r"url\((.{5})", content)) == {"data:"}
    assert "@import" not in content
    policy = next(attrs for tag, attrs in page.tags if "http-equiv" in attrs)["content"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_images_that_cannot_be_shown_say_why_and_are_counted(image, tmp_path):
    """A missing and a damaged image become placeholders with the reason; the rest is shown."""
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"\xff\xd8\xff nothing more")
    images = [image, str(damaged), str(tmp_path / "gone.jpg"), str(damaged), None]
    hits = tuple(Hit(n, f"id{n}", 0.5, image=image) for n, image in enumerate(images, 1))
    content = page_of(Answer(1, "a caption", hits))
    page = Page(content)
    assert page.classes().count("pic none") == 4
    assert page.text.count("damaged.jpg is not a JPEG, PNG or WebP image") == 2
    assert "gone.jpg does not exist" in page.text
    assert "1 caption, 5 results, 1 image; 2 could not be shown" in page.text


def test_right_and_wrong_differ_in_words(image):
    """The verdict is readable without colours, summed up a caption, and absent if not known."""
    hits = tuple(Hit(n, "x", 0.5, correct=n == 1) for n in (1, 2, 3))
    text = Page(page_of(Answer(7, "a caption", hits, "a note"), title="T")).text
    assert text.count("✓ right") == 1
    assert text.count("✗ wrong") == 2
    assert "line 7 · 1 of 3 right · a note" in text
    unknown = Page(page_of(Answer(7, "a caption", (Hit(1, "x", 0.5),)))).text
    assert "right" not in unknown.split("a caption")[1]


def test_page_is_accessible(image):
    """Language, one h1, an h2 a caption, and a label on every image."""
    hit = Hit(1, "id-1", 0.5, "cardinal", image)
    page = Page(page_of(Answer(1, "one", (hit,)), Answer(2, "two", (hit,)), title="T"))
    names = [tag for tag, _ in page.tags]
    assert (names.count("h1"), names.count("h2")) == (1, 2)
    assert dict(page.tags)["html"] == {"lang": "en"}
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert labels == ["image id-1, cardinal"] * 2
