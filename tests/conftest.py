"""Settings and fixtures of the whole suite."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

# Before any library that reads them is imported: pytest runs several workers on few cores, and
# threads that spin while they wait for work take the cores from the other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell's background jobs ignore Ctrl-C, and so would the commands that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# A deadline would make a slow machine a failure; CI must fail for the same examples every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session", autouse=True)
def _home_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep models and indexes of tests out of the user's own, also those of child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSCR_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu"):
        torch = pytest.importorskip("torch", reason="needs the extra 'train'")
        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device")


@pytest.fixture(scope="session")
def lay_out(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Path]:
    """Return a function that lays a module out as an installed plug-in.

    It takes the method's name, the module's and its code, and returns a folder for `sys.path`.
    """

    def lay(method: str, module: str, code: str) -> Path:
        site = tmp_path_factory.mktemp("site")
        (site / f"{module}.py").write_text(code)
        info = site / f"{module}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {method}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[zscr.methods]\n{method} = {module}\n")
        return site

    return lay


@pytest.fixture(scope="session")
def realdata_folder() -> Callable[[str], Path]:
    """Return a function that unzips `ZSCR_DATA/<name>.zip` once and returns its folder."""
    source = os.environ.get("ZSCR_DATA")
    if source is None:
        pytest.skip("set ZSCR_DATA to the folder of the real collections")
    return lambda name: _unzipped(Path(source) / f"{name}.zip")


def _unzipped(archive: Path) -> Path:
    """Unzip into the cache; the folder is renamed into place, so every worker may try at once."""
    if not archive.is_file():
        pytest.skip(f"{archive} is not there")
    cache = os.environ.get("ZSCR_CACHE") or Path.home() / ".cache" / "zscr"
    folder = Path(cache) / f"{archive.stem}-{archive.stat().st_size}"
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    with zipfile.ZipFile(archive) as content:
        content.extractall(partial)
    try:
        partial.rename(folder)
    except OSError:  # another worker was faster
        if not folder.is_dir():
            raise
        shutil.rmtree(partial)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        result = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a small disk with")
    if result.returncode:
        pytest.skip(f"a small disk cannot be mounted: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def killer() -> Iterator[Callable[..., dict[str, Any]]]:
    """Return a function that runs a zscr command which gets a signal; see `killer.py`."""
    command = [sys.executable, str(Path(__file__).with_name("killer.py"))]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(
        args: list[str],
        cwd: Path,
        *,
        at: int = 0,
        call: str = "",
        number: int = signal.SIGKILL,
        times: int = 1,
        graphs: str = "",
    ) -> dict[str, Any]:
        job = {"args": args, "cwd": str(cwd), "at": at, "signal": number, "times": times}
        job |= {"call": call, "graphs": graphs, "home": os.environ.get("ZSCR_HOME", "")}
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())

    yield run
    server.stdin.close()
    server.stdout.close()
    assert server.wait() == 0


COLOURS = ("red", "green", "blue", "black", "white")
FORMS = ("circle", "square")
SPLITS = {"seen": range(6), "val": range(6, 8), "unseen": range(8, 10)}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a collection of ten classes of coloured shapes: four 32 px images and texts each."""
    from PIL import Image, ImageDraw

    from zscr.data.collection import ClassInfo, Item, new_collection

    path = tmp_path_factory.mktemp("shapes") / "shapes"
    names = [f"{colour}-{form}" for colour in COLOURS for form in FORMS]
    with new_collection(path, name="shapes", protocol="test", provenance={}) as draft:
        for split, numbers in SPLITS.items():
            for name in (names[number] for number in numbers):
                colour, form = name.split("-")
                described = f"a {colour} {form} on grey ground"
                draft.add_class(ClassInfo(name, name, (described,)), split)
                for number in range(4):
                    image = Image.new("RGB", (32, 32), "grey")
                    pen = ImageDraw.Draw(image)
                    draw = pen.ellipse if form == "circle" else pen.rectangle
                    draw((4 + number, 6, 20 + 2 * number, 26), fill=colour)
                    file = f"{name}-{number}.png"
                    image.save(draft.folder / file)
                    text = f"{'large' if number > 1 else 'small'} {colour} {form}"
                    draft.add_item(Item(f"{name}-{number}", split, name, file, texts=(text,)))
    return path


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a collection of published vectors: an image is a fixed map of its class's text."""
    import numpy as np

    from zscr.data.collection import ClassInfo, Item, new_collection

    rng, path = np.random.default_rng(7), tmp_path_factory.mktemp("vectors") / "vectors"
    names = {f"c{n}": split for split, numbers in SPLITS.items() for n in numbers}
    texts = rng.standard_normal((2 * len(names), 8), np.float32)
    texts[1::2] = texts[::2] + 0.1 * texts[1::2]  # a class's two texts say nearly the same
    images = np.maximum(texts[::2].repeat(4, 0) @ rng.standard_normal((8, 12), np.float32), 0)
    images += 0.1 * rng.random(images.shape, np.float32)
    with new_collection(path, name="vectors", protocol="test", provenance={}) as draft:
        draft.save_vectors("image", images)
        draft.save_vectors("text", texts)
        for row, (name, split) in enumerate(names.items()):
            draft.add_class(ClassInfo(name, name, text_rows=(2 * row, 2 * row + 2)), split)
            for number in range(4):
                draft.add_item(Item(f"{name}/{number}", split, name))
    return path


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a published sentence encoder's folder: a real BERT with random weights, 32 wide."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert") / "tiny-bert"
    words = "[PAD] [UNK] [CLS] [SEP] a on grey ground small large".split() + [*COLOURS, *FORMS]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    torch.manual_seed(7)
    BertModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    stages = [{"type": f"sentence_transformers.models.{n}"} for n in ("Transformer", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(stages))
    return folder


@pytest.fixture(scope="session")
def tiny_text(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the tiny BERT into a frozen encoder."""
    from zscr.train.encoders.text import convert_text_encoder

    out = tmp_path_factory.mktemp("encoders") / "tiny-text"
    convert_text_encoder(tiny_bert, out, "tiny-text")
    return out


@pytest.fixture(scope="session")
def tiny_image(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small CNN on the seen shapes for a moment."""
    from zscr.data.collection import read_collection
    from zscr.train.encoders.cnn import CnnConfig, train_cnn
    from zscr.train.encoders.objectives import ClassNumbers

    collection = read_collection(shapes)
    items, classes = collection.split("seen"), collection.splits["seen"]
    out = tmp_path_factory.mktemp("encoders") / "tiny-image"
    train_cnn(
        [shapes / str(item.image) for item in items],
        [classes.index(item.class_id) for item in items],
        partial(ClassNumbers, classes=len(classes)),
        out,
        "tiny-image",
        CnnConfig(size=32, widths=(8, 16), epochs=3, batch_size=8),
    )
    return out


TINY = {"gf_dim": 16, "df_dim": 16, "embed_dim": 16, "z_dim": 4, "batch_size": 4}
TINY |= {"e_steps": 4, "critic_steps": 2, "m_steps": 4, "rounds": 4, "validate_every": 2}
TINY |= {"select_on_test": False, "select_by": "mAP"}


@dataclass(frozen=True)
class Deployed:
    """A folder in which the three commands have run on the tiny collection."""

    folder: Path
    run: Path
    bundle: Path
    index: Path
    captions: Path


@pytest.fixture(scope="session")
def deployed(
    shapes: Path, tiny_text: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Deployed:
    """Train, export and index the tiny collection once; read it, never write to it."""
    from zscr.export.deploy import deploy
    from zscr.train.fit import Request, fit

    folder = tmp_path_factory.mktemp("deployed")
    before = Path.cwd()
    os.chdir(folder)
    try:
        request = Request(
            "zscrgan-reference",
            shapes,
            settings=TINY | {"class_texts": "all", "seed": 16},  # chooses round 2
            image_encoder=str(tiny_image),
            text_encoder=str(tiny_text),
            device="cpu",
        )
        run = fit(request).folder.resolve()
        made = deploy(run)
    finally:
        os.chdir(before)
    bundle = made.bundle
    return Deployed(folder, run, bundle.folder, bundle.index_folder, folder / "captions.txt")
