"""Folders that are no whole dual encoder: one sentence each, and nothing left behind."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from zscr.cli import main
from zscr.train.pretrained.folder import open_dual

WEIGHTS = "model.safetensors"


def without(*names: str) -> Callable[[Path], None]:
    """Return what takes files out of a folder."""
    return lambda folder: [(folder / name).unlink() for name in names] and None


def saying(name: str, **settings: Any) -> Callable[[Path], None]:
    """Return what lets a JSON file say something else."""

    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | settings))

    return change


def with_tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    """Return what changes the weights."""

    def apply(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, {"format": "pt"})

    return apply


def sharded(folder: Path) -> None:
    """Save in several files, one of which did not arrive."""
    model = transformers.CLIPModel.from_pretrained(folder)
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder, max_shard_size="40kB")
    sorted(folder.glob("model-0000*.safetensors"))[1].unlink()


def elsewhere(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    index = {"weight_map": {"logit_scale": "../../other.safetensors"}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("touched"),))


def pickled(folder: Path) -> None:
    """Weights by a pickle that runs what it likes when it is loaded."""
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Hostile()))


def of_more_words(folder: Path) -> None:
    """A tokenizer whose ids are beyond the table of embeddings."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained(folder)


def of_another_end(folder: Path) -> None:
    """No text has that token, so every one is pooled at its first."""
    text = json.loads((folder / "config.json").read_text())["text_config"]
    saying("config.json", text_config=text | {"eos_token_id": 7})(folder)


def half(folder: Path) -> None:
    raw = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(raw[: len(raw) // 2])


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no tokenizer": (
        without("tokenizer.json", "tokenizer_config.json"),
        "has no tokenizer (tokenizer.json, ",
    ),
    "half a tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text('{"model": ') and None,
        "is no folder whose tokenizer can be loaded (",
    ),
    "no image processor": (without("preprocessor_config.json"), "has no image processor ("),
    "other images": (
        saying("preprocessor_config.json", crop_size={"height": 24, "width": 24}),
        "makes images of 24 pixels, and its tower takes 32",
    ),
    "no resize": (saying("preprocessor_config.json", do_resize=False), "do_resize false"),
    "no weights": (without(WEIGHTS), "has no weights: neither model.safetensors nor"),
    "half the weights": (half, "is no checkpoint that can be loaded ("),
    "a pointer": (
        lambda folder: (
            (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n") and None
        ),
        "is a pointer of Git LFS and no weights",
    ),
    "a shard missing": (sharded, "lacks model-00002-of-0000"),
    "shards elsewhere": (elsewhere, "names no files of weights beside it"),
    "hostile pickle": (pickled, "has pickled weights that are damaged or hold more than tensors"),
    "a weight missing": (
        with_tensors(lambda found: found.pop("visual_projection.weight")),
        "lacks visual_projection.weight, so its embeddings would mean nothing",
    ),
    "a weight too many": (
        with_tensors(lambda found: found.update({"adapter.weight": torch.ones(2)})),
        "has weights that its family has not: adapter.weight",
    ),
    "projection of another width": (
        with_tensors(lambda found: found.update({"text_projection.weight": torch.ones(16, 32)})),
        "text_projection.weight of {source} is of shape (16, 32), but its configuration says "
        "(24, 32)",
    ),
    "a tokenizer of more words": (
        of_more_words,
        "makes ids up to 547, and its text tower knows 547 tokens; they are of two models",
    ),
    "an end token that no text has": (
        of_another_end,
        "projects every text to the same numbers; its tokenizer or its configuration is another",
    ),
    "weights of no numbers": (
        with_tensors(lambda found: found["visual_projection.weight"].fill_(torch.nan)),
        "projects images to zero or to no numbers; its weights are damaged",
    ),
    "a projection of zeros": (
        with_tensors(lambda found: found["text_projection.weight"].zero_()),
        "projects texts to zero or to no numbers; its weights are damaged",
    ),
    "a scale of no number": (
        with_tensors(lambda found: found["logit_scale"].fill_(1e9)),
        "have the scale inf and the bias None, which are no numbers",
    ),
    "another family": (
        saying("config.json", model_type="groupvit"),
        "is of the family 'groupvit', which is not known as a dual encoder; known are clip, "
        "metaclip_2, siglip, chinese_clip, altclip, align, aimv2, vision-text-dual-encoder and "
        "OpenCLIP's own folders",
    ),
    "no family": (
        saying("config.json", model_type=["clip"]),
        "is of the family \"['clip']\", which",
    ),
    "any resolution": (saying("config.json", model_type="siglip2"), "(NaFlex)"),
    "MobileCLIP": (
        saying("config.json", vision_config={"model_type": "timm_wrapper", "architecture": "x"}),
        "is timm's 'x', as MobileCLIP's is",
    ),
    "code of its own": (
        saying("config.json", model_type="own", auto_map={"AutoModel": "own.Model"}),
        "is of the family 'own'",
    ),
    "no configuration": (without("config.json"), "has no config.json"),
    "a configuration of nonsense": (
        saying("config.json", text_config={"hidden_size": "many"}),
        "is no checkpoint that can be loaded (",
    ),
}


@pytest.mark.parametrize(("spoil", "told"), CASES.values(), ids=CASES)
def test_it_is_one_sentence(
    saved: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    told: str,
) -> None:
    """By the command: exit 1, the sentence alone, and no folder but the checkpoint's."""
    monkeypatch.chdir(tmp_path)
    source = Path(shutil.copytree(saved("clip"), tmp_path / "published"))
    spoil(source)
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(main, ["export", f"clip:{source}", "--out", "made/bundle"])
    assert done.exit_code == 1, done.output
    assert told.format(source=source) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_towers_of_two_widths_are_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """SigLIP's widths are two settings, each of which its own weights follow."""
    source = Path(shutil.copytree(saved("siglip"), tmp_path / "published"))
    config = json.loads((source / "config.json").read_text())
    config["text_config"]["projection_size"] = 24
    (source / "config.json").write_text(json.dumps(config))
    tensors = load_file(source / WEIGHTS)
    for name in ("text_model.head.weight", "text_model.head.bias"):
        tensors[name] = tensors[name][:24].clone()
    save_file(tensors, source / WEIGHTS, {"format": "pt"})
    done = CliRunner().invoke(main, ["export", f"clip:{source}", "--out", str(tmp_path / "b")])
    assert done.exit_code == 1
    assert "projects texts to 24 numbers and images to 32" in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_tower_that_gives_no_row_is_refused(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """SigLIP's image tower may be saved without the head that pools its states."""
    config = transformers.SiglipConfig.from_pretrained(saved("siglip"))
    config.vision_config.vision_use_head = False
    source = Path(shutil.copytree(saved("siglip"), tmp_path / "published"))
    transformers.SiglipModel(config).save_pretrained(source)
    done = CliRunner().invoke(main, ["export", f"clip:{source}", "--out", str(tmp_path / "b")])
    assert done.exit_code == 1
    assert "is no dual encoder with a row for each text and image (" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_pickled_tensors_alone_are_read(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """As many older checkpoints have them; they are the same model."""
    source = Path(shutil.copytree(saved("clip"), tmp_path / "published"))
    tensors = load_file(source / WEIGHTS)
    torch.save(tensors, source / "pytorch_model.bin")
    (source / WEIGHTS).unlink()
    found, wanted = (open_dual(one).reference.texts(["a dog"]) for one in (source, saved("clip")))
    assert abs(found - wanted).max() < 1e-5


def test_a_tower_of_over_two_gigabytes_is_refused_before_its_weights_are_read(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    """One ONNX file holds no more; the configuration tells it."""
    source = Path(shutil.copytree(saved("clip"), tmp_path / "published"))
    config = json.loads((source / "config.json").read_text())
    config["text_config"] |= {"hidden_size": 4096, "vocab_size": 150_000}
    (source / "config.json").write_text(json.dumps(config))
    done = CliRunner().invoke(main, ["export", f"clip:{source}", "--out", str(tmp_path / "b")])
    assert "the text tower of" in done.stderr
    assert "has 2.5 GiB of weights, and one ONNX file holds less than 2" in done.stderr
