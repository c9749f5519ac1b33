"""The files of a published checkpoint: all there before any is loaded, and named by hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zscr.artefact import hash_file
from zscr.errors import InputError
from zscr.regular import open_regular
from zscr.train.encoders.published import read_object

_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_POINTER = b"version https://git-lfs"  # what a clone holds in place of a large file
_READ = (".json", ".txt", ".model")  # what is read beside the weights


@dataclass(frozen=True)
class Weights:
    """Files of weights, in the form that is preferred.

    Attributes:
        files: of them, all there.
        safe: whether they are safetensors; pickled ones are read with `weights_only`.
    """

    files: tuple[Path, ...]
    safe: bool


def weights_of(source: Path, stem: str = "model", pickled: str = "pytorch_model") -> Weights:
    """Return the weights of a folder.

    Args:
        source: of the checkpoint.
        stem: of a file of safetensors; pickled: of one of torch.

    Raises:
        InputError: there are none, or a part of them is missing.
    """
    for name, safe in ((f"{stem}.safetensors", True), (f"{pickled}.bin", False)):
        index = source / f"{name}.index.json"
        if (source / name).is_file():
            files = [source / name]
        elif index.is_file():
            files = _parts(index)
        else:
            continue
        for file in files:
            _require_content(file)
        return Weights(tuple(files), safe)
    raise InputError(
        f"{source} has no weights: neither {stem}.safetensors nor {pickled}.bin; fetch it again"
    )


def _parts(index: Path) -> list[Path]:
    """Return the files that an index names, each in its folder."""
    named = read_object(index).get("weight_map")
    names = sorted({*map(str, named.values())}) if isinstance(named, dict) else []
    if not names or any(Path(name).name != name for name in names):
        raise InputError(f"{index} names no files of weights beside it; fetch it again")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise InputError(
            f"{index.parent} lacks {missing[0]}, {len(missing)} of the {len(names)} files of "
            f"weights that {index.name} names; fetch it again"
        )
    return [index.parent / name for name in names]


def _require_content(file: Path) -> None:
    with open_regular(file) as opened:
        if opened.read(len(_POINTER)) == _POINTER:
            raise InputError(
                f"{file} is a pointer of Git LFS and no weights; run 'git lfs pull' in its folder"
            )


def require_tokenizer(source: Path) -> None:
    """Refuse a folder without a tokenizer: transformers would make one of no words."""
    if not any((source / name).is_file() for name in _TOKENIZERS):
        raise InputError(
            f"{source} has no tokenizer ({', '.join(_TOKENIZERS[:3])}, …), without which texts "
            f"cannot be read; fetch it with the tokenizer's files"
        )


def require_processor(source: Path) -> None:
    """Refuse a folder that does not say how images become pixels: it would be guessed."""
    described = [read_object(source / name) for name in _PROCESSORS]
    if not described[0] and "image_processor" not in described[1]:
        raise InputError(
            f"{source} has no image processor (preprocessor_config.json), without which it is "
            f"unknown how images become pixels; fetch it with that file"
        )


def hashes_of(source: Path, *weights: Weights) -> dict[str, str]:
    """Return the sha256 of every file that a checkpoint is made of, by name."""
    stages = "[0-9]_*/*"  # of a sentence encoder
    found = [*source.glob("*"), *source.glob(stages)]
    described = [path for path in found if path.suffix in _READ and path.is_file()]
    files = sorted({*described, *(file for one in weights for file in one.files)})
    return {path.relative_to(source).as_posix(): hash_file(path) for path in files}
