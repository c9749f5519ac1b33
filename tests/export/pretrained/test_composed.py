"""`zscr export clip:NAME --mapper FILE`: an image and a text are one query, of the same space."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from tests.checkpoints import save_text_tower
from tests.export.pretrained.conftest import Exported
from zscr.cli import main
from zscr.data.records import Query
from zscr.errors import InputError, ParityError
from zscr.export.pretrained.composed import PROMPTS, composer_of
from zscr.export.pretrained.job import export_pretrained
from zscr.export.pretrained.proof import prove_composed
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.inputs.make import make_input
from zscr.train.language.mappers import Im2Text, Phi
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.samples import images

DIM, WIDTH, STAR = 24, 32, 265  # of the small checkpoint
ASKED = [("red", (40, 90)), ("a photo of the small *", (90, 40)), ("* by the sea", (33, 33))]


def mapper_file(path: Path, module: torch.nn.Module, entry: str, **beside: Any) -> Path:
    """Write a mapper with weights that make vectors of the size of words."""
    generator = torch.Generator().manual_seed(5)
    for weights in module.parameters():
        weights.data = torch.randn(weights.shape, generator=generator) * 0.2
    torch.save({entry: module.state_dict(), **beside}, path)
    return path


@pytest.fixture(scope="session")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a mapper in the form of Pic2Word."""
    path = tmp_path_factory.mktemp("mapper") / "small.pt"
    return mapper_file(path, Im2Text(DIM, WIDTH, middle=16), "state_dict_img2text")


@pytest.fixture(scope="session")
def composed(
    saved: Callable[[str], Path], mapper: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Bundle]:
    """Return a function: family -> its bundle with a mapper, exported once by all workers."""
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    @cache
    def export(family: str) -> Bundle:
        out = place / "composed" / family
        return export_pretrained(str(saved(family)), out, mapper=mapper)

    return export


def export(*args: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, args)])


def scenes() -> list[Image.Image]:
    """Draw an image of each size that is asked with."""
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)) for _, size in ASKED]


def by_transformers(source: Path, mapper: Path) -> np.ndarray:
    """Compose by the checkpoint's own classes: the sentence with its `*`, and a hook."""
    model = AutoModel.from_pretrained(source).eval()
    tokenizer, processor = (
        AutoTokenizer.from_pretrained(source),
        AutoImageProcessor.from_pretrained(source),
    )
    own = Im2Text(DIM, WIDTH, middle=16).eval()
    own.load_state_dict(torch.load(mapper, weights_only=True)["state_dict_img2text"])
    sentences = [text if "*" in text else f"a photo of * , {text}" for text, _ in ASKED]
    rows = []
    with torch.no_grad():
        for sentence, image in zip(sentences, scenes(), strict=True):
            pixels = processor(image, return_tensors="pt")
            word = own(model.get_image_features(**pixels).pooler_output)
            given = tokenizer(sentence, return_tensors="pt")

            def put(layer: Any, ids: Any, found: Any, word: torch.Tensor = word) -> torch.Tensor:
                return torch.where((ids[0] == STAR)[:, :, None], word[:, None], found)

            with model.text_model.embeddings.token_embedding.register_forward_hook(put):
                rows.append(model.get_text_features(**given).pooler_output[0].numpy())
    return np.stack(rows)


def test_an_image_and_a_text_are_embedded_as_the_authors_do(
    composed: Callable[[str], Bundle], saved: Callable[[str], Path], mapper: Path
) -> None:
    """Un-normalised to 1e-4, alone and in batches in which every row has its slot elsewhere."""
    bundle, wanted = composed("clip"), by_transformers(saved("clip"), mapper)
    encoder = bundle.route(frozenset({"image", "text"}))
    asked = [
        Query(str(n), text=text, image=image)
        for n, ((text, _), image) in enumerate(zip(ASKED, scenes(), strict=True))
    ]
    for size in (1, 3, 8):
        rows = [asked[n % 3] for n in range(size)]
        feeds = encoder.prepare(rows).feeds
        found = encoder.runner.run(feeds)["composed_projected"]
        np.testing.assert_allclose(found, wanted[np.arange(size) % 3], atol=1e-4)
    unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(asked), unit, atol=1e-5)


def test_it_shares_the_space_of_the_model_alone(
    composed: Callable[[str], Bundle], exported: Callable[[str], Exported]
) -> None:
    """The gallery's and the text's graph are the same bytes, so one index serves both."""
    with_mapper, alone = composed("clip"), exported("clip").bundle
    assert with_mapper.space == alone.space
    for name in ("gallery.onnx", "text.onnx", "tokenizer.json"):
        one, other = (bundle.manifest.files[name]["sha256"] for bundle in (with_mapper, alone))
        assert one == other
    assert alone.compositions.keys() == set(with_mapper.compositions) - {"pic2word"}


def test_a_slot_of_none_is_the_plain_text(composed: Callable[[str], Bundle]) -> None:
    """The graph of image and text is then that of the text alone."""
    bundle = composed("clip")
    encoder = bundle.graph("composed")
    feeds = encoder.prepare([Query(text="red bird", image=scenes()[0])]).feeds
    plain = bundle.graph("text").prepare([Query(text="a photo of * , red bird")]).feeds
    found = encoder.run({**feeds, "slot": np.array([-1])})
    np.testing.assert_allclose(found, bundle.graph("text").run(plain), atol=1e-6)


def test_the_manifest_says_what_was_made(
    composed: Callable[[str], Bundle], mapper: Path, saved: Callable[[str], Path]
) -> None:
    """The composition is the default; template, mapper and proof are named."""
    bundle = composed("clip")
    first = next(iter(bundle.compositions.values()))
    assert (first.name, first.graph) == ("pic2word", "composed")
    graph = bundle.graphs["composed"]
    assert [spec["field"] for spec in graph["inputs"]] == ["image", "text"]
    assert graph["inputs"][1]["template"] == "a photo of * , {}"
    assert graph["variants"]["fp32"]["projected_parity"]["max_abs"] < 1e-4
    about = bundle.manifest.body["provenance"]["mapper"]
    assert (about["file"], about["method"]) == ("small.pt", "pic2word")
    again = export(f"clip:{saved('clip')}", "--mapper", mapper, "--out", bundle.folder)
    assert "is of this checkpoint already" in again.stderr
    other = export(
        *(f"clip:{saved('clip')}", "--mapper", mapper, "--out", bundle.folder),
        *("--template", "{} like *"),
    )
    assert "made of another mapper or template, or of none (of" in other.output
    assert export(f"clip:{saved('clip')}", "--out", bundle.folder).exit_code == 1


@pytest.mark.parametrize("family", ["siglip", "chinese_clip", "altclip", "text-tower"])
def test_other_families_are_proven(
    saved: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    """The authors' model with a hook, and ours from word vectors on, agree before any tracing."""
    joined = [saved("clip"), save_text_tower(tmp_path / "tower")]
    dual = open_dual(*joined) if family == "text-tower" else open_dual(saved(family))
    dim = 32 if family == "siglip" else DIM
    file = mapper_file(tmp_path / "SEARLE.pt", Phi(dim, WIDTH), "Phi")
    made = composer_of(dual, family, file)
    assert (made.mapper.method, made.template) == ("searle", "a photo of * that {}")
    composer, asked = composer_of(dual, family, file, "a * , {}"), ["red", "a *"]
    for name, content in composer.language.files.items():
        (tmp_path / name).write_bytes(content)
    pixels, prompt = (make_input(spec, tmp_path) for spec in composer.specs)
    feeds = pixels.prepare(images()[:2]).feeds | prompt.prepare(asked).feeds
    with torch.no_grad():
        found = composer.module(*map(torch.from_numpy, feeds.values())).numpy()
    np.testing.assert_allclose(found, composer.expected(asked, tmp_path), atol=1e-4)


def test_the_proof_sees_another_mapper(
    composed: Callable[[str], Bundle], saved: Callable[[str], Path], tmp_path: Path
) -> None:
    """And another template: nothing of the kind would be exported."""
    bundle = composed("clip")
    dual = open_dual(saved("clip"))
    file = mapper_file(tmp_path / "other.pt", Im2Text(DIM, WIDTH, middle=8), "state_dict_img2text")
    encoder = Encoder(
        bundle.folder / "composed.onnx",
        bundle.graphs["composed"]["inputs"],
        output="composed_embedding",
        beside="composed_projected",
        name="composed",
        sha256="",
    )
    expected = composer_of(dual, "clip", file).expected(PROMPTS, bundle.folder)
    with pytest.raises(ParityError, match=r"composed\.onnx differs from the authors' code"):
        prove_composed(encoder, PROMPTS, expected)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (lambda: Im2Text(DIM + 1, WIDTH), "of 25, and .* has 32 and 24; take the mapper of this"),
        (lambda: Im2Text(DIM, WIDTH + 1), "of 33 numbers .*, and .* has 32 and 24"),
    ],
)
def test_a_mapper_of_another_width_is_refused(
    saved: Callable[[str], Path], tmp_path: Path, module: Callable[[], torch.nn.Module], why: str
) -> None:
    """By the command, with exit status 1 and one sentence, and nothing is written."""
    file = mapper_file(tmp_path / "other.pt", module(), "state_dict_img2text")
    done = export(f"clip:{saved('clip')}", "--mapper", file, "--out", tmp_path / "out")
    assert done.exit_code == 1
    with pytest.raises(InputError, match=why):
        composer_of(open_dual(saved("clip")), "it", file)
    assert not (tmp_path / "out").exists()


def test_a_mapper_of_another_model_is_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """Of the same widths, too: Pic2Word's files hold the model that they were trained on."""
    dual = open_dual(saved("clip"))
    own = dual.text.module.model.text_model.final_layer_norm.weight
    for held, right in ((own.half(), True), (own + 0.1, False)):
        beside = {"state_dict": {"module.ln_final.weight": held}}
        name = tmp_path / f"{right}.pt"
        mapper_file(name, Im2Text(DIM, WIDTH), "state_dict_img2text", **beside)
        if right:
            composer_of(dual, "it", name)
        else:
            with pytest.raises(InputError, match="was trained on another model than it"):
                composer_of(dual, "it", name)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--template", "a photo of {}"], "no places for the image"),
        (["--template", "a * and a * , {}"], "2 places for the image"),
        (["--template", "a photo of *"], "no places for the text"),
        (["--mapper", "absent.pt"], "cannot be read"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    saved: Callable[[str], Path], mapper: Path, tmp_path: Path, given: list[str], why: str
) -> None:
    """Before anything is exported."""
    out = tmp_path / "out"
    done = export(f"clip:{saved('clip')}", "--mapper", mapper, *given, "--out", out)
    assert (done.exit_code, why in done.output) == (1, True), done.output
    assert "Traceback" not in done.output
    assert not out.exists()


def test_options_that_do_not_go_together_are_refused(mapper: Path) -> None:
    """A template without a mapper; a mapper of a run, or of images alone."""
    for given, why in (
        (["clip:x", "--template", "* {}"], "--template goes with --mapper"),
        (["runs/x", "--mapper", mapper], "--mapper goes with clip:NAME"),
        (["image:x", "--mapper", mapper], "--mapper goes with clip:NAME"),
    ):
        done = export(*given)
        assert (done.exit_code, why in done.output) == (2, True), done.output
