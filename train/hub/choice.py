"""Which of a repository's files are wanted: descriptions, and one copy of the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from zscr.errors import ArtefactError, ConfigError
from zscr.strict_json import parse_json
from zscr.train.hub.listing import HubFile, Listing

_MODULE = re.compile(r"(\d+_\w+/)?[^/]+")  # at the top, or in a stage of sentence-transformers
_WHOLE = {".safetensors": "model.safetensors", ".bin": "pytorch_model.bin", ".onnx": "model.onnx"}
_OTHER = (".safetensors", ".bin", ".onnx", ".h5", ".msgpack", ".gguf", ".pt", ".ckpt", ".pth")


def choose(
    listing: Listing,
    patterns: Sequence[str],
    weights: Sequence[str],
    read: Callable[[HubFile], bytes],
) -> list[HubFile]:
    """Return the wanted files of a listing, the smallest first.

    Args:
        listing: of the repository.
        patterns, weights: see `snapshot`.
        read: returns the bytes of a file, for the indexes of weights in several files.

    Raises:
        ConfigError: it has no such weights, or nothing at all that is wanted.
        ArtefactError: an index names a file that is not there, or is no index.
    """
    files = listing.files
    wanted = {n for n in files if any(fnmatchcase(n.rpartition("/")[2], p) for p in patterns)}
    if weights:
        wanted |= _weights(listing, weights, read)
    if not wanted:
        raise ConfigError(f"'{listing.name}' has none of {', '.join(patterns)}; is it a model?")
    return sorted((files[name] for name in wanted), key=lambda file: (file.size, file.name))


def _weights(
    listing: Listing, weights: Sequence[str], read: Callable[[HubFile], bytes]
) -> set[str]:
    files = listing.files
    for pattern in weights:
        if found := [name for name in files if _matches(name, pattern)]:
            folders: dict[str, list[str]] = {}
            for name in found:
                folders.setdefault(name.rpartition("/")[0], []).append(name)
            copies = (_one_copy(folder, names, files, read) for folder, names in folders.items())
            return {name for copy in copies for name in copy}
    has = [name for name in sorted(files) if name.endswith(_OTHER)]
    told = f"only {', '.join(has[:3])}{' and more' * (len(has) > 3)}" if has else "none at all"
    raise ConfigError(
        f"'{listing.name}' has no weights like {' or '.join(weights)}, but {told}; take another "
        f"model, or save it in that form"
    )


def _matches(name: str, pattern: str) -> bool:
    """Match a whole name by a pattern with `/`; else a name at the top or in a stage."""
    if "/" in pattern:
        return fnmatchcase(name, pattern)
    return bool(_MODULE.fullmatch(name)) and fnmatchcase(name.rpartition("/")[2], pattern)


def _one_copy(
    folder: str,
    names: Sequence[str],
    files: Mapping[str, HubFile],
    read: Callable[[HubFile], bytes],
) -> Sequence[str]:
    """Leave out what a folder holds in other precisions or forms beside its one whole model.

    That is `model.safetensors`, or what `model.safetensors.index.json` names; where there is
    neither, nobody knows which is a copy, and all are taken.
    """
    prefix = f"{folder}/" if folder else ""
    whole = prefix + _WHOLE.get(PurePosixPath(names[0]).suffix, "")
    if whole in names:
        return [whole]
    if index := files.get(f"{whole}.index.json"):
        return _shards(index, prefix, files, read)
    return names


def _shards(
    index: HubFile, prefix: str, files: Mapping[str, HubFile], read: Callable[[HubFile], bytes]
) -> Sequence[str]:
    try:
        named = {prefix + str(one) for one in parse_json(read(index))["weight_map"].values()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{index.name} is no index of weights ({error!r:.100})") from error
    if absent := sorted(named - files.keys()):
        raise ArtefactError(
            f"{index.name} names {absent[0]!a:.100}, which is not in the repository; it is "
            f"incomplete: take another"
        )
    return sorted(named)
