"""The contact sheet: self-contained, safe with hostile texts, small, and honest about images."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from zscr.data.records import Query
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.answers.thumbnails import SIDE
from zscr.infer.answers.writers import write_answers

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


def asked(text, number=1):
    return Query(str(number), text=text)


def page_of(*answers, **kwargs):
    out = io.StringIO()
    write_answers(iter(answers), "html", out, **kwargs)
    return out.getvalue()


def test_images_are_embedded_once_and_decode(image, tmp_path):
    """Fifty captions over one image embed one thumbnail, and it shows the image."""
    answers = [Answer(asked("a", n), (Hit(1, "wide", 0.5, image=image),)) for n in range(50)]
    content = page_of(*answers)
    (data,) = re.findall(r"url\(data:image/jpeg;base64,([^)]*)\)", content)
    with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
        assert thumbnail.size == (SIDE, SIDE // 2)
        red, green, blue = thumbnail.getpixel((20, 20))
    assert red > 180
    assert max(green, blue) < 60
    assert Page(content).classes().count("pic t0") == 50
    assert "50 queries, 50 results, 1 image</footer>" in content


def test_hostile_texts_stay_text(image):
    """Queries, ids, classes, notes, title and facts can neither add tags nor attributes."""
    hit = Hit(1, HOSTILE, 0.5, HOSTILE, image)
    lost = Hit(2, HOSTILE, 0.4, HOSTILE, HOSTILE)
    query = Query(HOSTILE, text=HOSTILE, image=image, sketch=HOSTILE, instead_of=HOSTILE)
    hostile = Answer(query, (hit, lost), (HOSTILE,), HOSTILE, composition=HOSTILE)
    same = Query("x", text="x", image=image, sketch="x", instead_of="x")
    hits = (Hit(1, "x", 0.5, "x", image), Hit(2, "x", 0.4, "x", "x"))
    tame = Answer(same, hits, ("x",), "x", composition="x")
    page = Page(page_of(hostile, title=HOSTILE, about={HOSTILE: HOSTILE}))
    same = Page(page_of(tame, title="x", about={"x": "x"}))
    shape = [(tag, sorted(attrs)) for tag, attrs in page.tags]
    assert shape == [(tag, sorted(attrs)) for tag, attrs in same.tags]
    assert page.text.count(HOSTILE) == 17


def test_nothing_outside_is_referred_to(image):
    """No tag loads anything, and the policy forbids all but embedded images and styles."""
    content = page_of(Answer(Query("1", image=image), (Hit(1, "x", 0.5, image=image),)))
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
    content = page_of(Answer(asked("a caption"), hits))
    page = Page(content)
    assert page.classes().count("pic none") == 4
    assert page.text.count("damaged.jpg cannot be decoded (no marker found)") == 2
    assert "gone.jpg does not exist" in page.text
    assert "1 query, 5 results, 1 image; 2 could not be shown" in page.text


def test_right_and_wrong_differ_in_words(image):
    """The verdict is readable without colours, summed up a query, and absent if not known."""
    hits = tuple(Hit(n, "x", 0.5, correct=n == 1) for n in (1, 2, 3))
    text = Page(page_of(Answer(asked("a caption", 7), hits, ("a note", "another")), title="T")).text
    assert text.count("✓ right") == 1
    assert text.count("✗ wrong") == 2
    assert "query 7 · 1 of 3 right · a note · another" in text
    unknown = Page(page_of(Answer(asked("a caption"), (Hit(1, "x", 0.5),)))).text
    assert "right" not in unknown.split("a caption")[1]


def test_page_is_accessible(image):
    """Language, one h1, an h2 a query, and a label on every image."""
    hit = Hit(1, "id-1", 0.5, "cardinal", image)
    page = Page(page_of(Answer(asked("one"), (hit,)), Answer(asked("two"), (hit,)), title="T"))
    names = [tag for tag, _ in page.tags]
    assert (names.count("h1"), names.count("h2")) == (1, 2)
    assert dict(page.tags)["html"] == {"lang": "en"}
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert labels == ["image id-1, cardinal"] * 2


def test_a_querys_own_images_are_shown(image, tmp_path):
    """Beside its text, told apart from what it found, embedded once like any other image."""
    with Image.open(image) as opened:
        pixels = opened.copy()
    queries = [Query("7", text="in red", image=image), Query("8", sketch=image)]
    queries += [Query("9", image=pixels), Query("10", image=pixels, sketch=tmp_path / "gone.jpg")]
    content = page_of(*(Answer(query, (Hit(1, "x", 0.5, image=image),)) for query in queries))
    page = Page(content)
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert [label for label in labels if label != "image x"] == [
        "image of query 7",
        "sketch of query 8",
        "image of query 9",
        "image of query 10",
    ]
    assert page.text.count("asked with this image") == 3
    assert page.text.count("asked with this sketch") == 2
    assert "gone.jpg does not exist" in page.text
    assert content.count("url(data:image/jpeg") == 2, "the file, and the open image"
    assert re.findall("<h2[^>]*>([^<]*)", content)[:3] == [
        f"in red + image {image}",
        f"sketch {image}",
        "image 400x200 pixels",
    ]
    assert pixels.size == (400, 200), "the caller's image is as it was"


def test_the_reference_and_its_text_stand_beside_the_results(image):
    """In one block: the image, what is to be different and what that replaces, then the hits."""
    query = Query("7", text="in red", image=image, instead_of="in blue")
    content = page_of(Answer(query, (Hit(1, "x", 0.5, image=image),), composition="arithmetic"))
    beside = content.split('<div class="beside">')[1].split("</section>")[0]
    said = '<blockquote dir="auto">in red<p>instead of in blue</p></blockquote></div>\n<ol'
    assert "asked with this image</figcaption></figure>" + said in beside
    assert "query 7 · composed by arithmetic" in content
    plain = page_of(Answer(asked("red"), (Hit(1, "x", 0.5),)))
    assert "beside" not in plain.split("<body>")[1], "a text alone is said by its heading"


def test_the_foot_says_what_ran():
    """Each way once, in the order of their first use; nothing if it is not known."""
    ran = ["onnxruntime on cpu", "onnxruntime on cpu", "tensorrt", ""]
    foot = page_of(*(Answer(asked("x"), (), ran=how) for how in ran)).split("<footer>")[1]
    assert foot.startswith("4 queries, 0 results, 0 images; onnxruntime on cpu; tensorrt</footer>")
    assert "0 images</footer>" in page_of(Answer(asked("x"), ()))


def test_open_images_are_shown_upright_or_told_apart(tmp_path):
    """Two turns of the same pixels are two images; one that cannot be decoded says why."""
    for turn in (1, 6):
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.linear_gradient("L").resize((40, 20)).save(tmp_path / f"{turn}.png", exif=exif)
    (tmp_path / "cut.png").write_bytes((tmp_path / "1.png").read_bytes()[:90])
    opened = [Image.open(tmp_path / f"{name}.png") for name in ("1", "6", "cut")]
    content = page_of(*(Answer(Query("1", image=image), ()) for image in opened))
    jpegs = re.findall(r"url\(data:image/jpeg;base64,([^)]*)\)", content)
    sizes = [Image.open(io.BytesIO(base64.b64decode(jpeg))).size for jpeg in jpegs]
    assert sizes == [(40, 20), (20, 40)]
    assert "cut.png cannot be decoded" in content
    for image in opened:
        image.close()
