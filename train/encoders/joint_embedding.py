"""Deep structured joint embedding: a text encoder trained against frozen image features.

Reed et al. (CVPR 2016), in the symmetric form and with the schedule of the released
`train_sje_hybrid.lua`. The image side is fixed, so the embedding is as wide as the image features.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from zscr.data.collection import Collection
from zscr.errors import CollectionError, InputError
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Split, Table, starts_of
from zscr.infer.inputs.characters import CharacterInput
from zscr.progress import progress, say
from zscr.train.tables import TensorSplit, draw_pairs, to_device, to_numpy

Vectors = npt.NDArray[np.float32]
BLOCK = 256  # texts encoded at once


@dataclass(frozen=True)
class Training:
    """The schedule as released for CUB (`train_cub_hybrid.sh`)."""

    epochs: int = 200  # each of as many batches as there are seen classes
    batch_size: int = 40  # classes, with one image and one text each
    lr: float = 7e-4
    lr_decay: float = 0.98  # an epoch
    seed: int = 7


@dataclass(frozen=True)
class _Images:
    """The table that is asked of a collection."""

    table: str = "image"
    per: str = "class"
    texts: None = None


def load_pairs(
    collection: Collection, image: Encoder | None, characters: CharacterInput
) -> tuple[TensorSplit, TensorSplit]:
    """Load the seen and the validation classes; the unseen ones stay closed.

    Image features are centred on the seen classes' mean and brought to unit norm, so that a dot
    product with them ranks as the cosine does.

    Args:
        collection: with texts.
        image: the frozen image encoder; None where the collection has image vectors.
        characters: how texts become ids.

    Returns:
        Tables `image`, unit rows (N, D), and `text`, character ids (M, L), of both splits.

    Raises:
        CollectionError: a class has no image or no text.
        InputError: all image features are the same, or a text has no known character.
    """
    images = {
        split: load_split(collection, split, [_Images()], {"image": image})["image"]
        for split in ("seen", "val")
    }
    if not np.ptp(images["seen"].rows, axis=0).any():
        raise InputError(
            f"all {len(images['seen'].rows)} image features of the seen classes of "
            f"{collection.folder} are the same vector; give features that differ"
        )
    centre = images["seen"].rows.mean(0)
    seen, val = (
        _with_texts(collection, split, table, characters, centre) for split, table in images.items()
    )
    return seen, val


def _with_texts(
    collection: Collection,
    split: str,
    images: Table[Vectors],
    characters: CharacterInput,
    centre: Vectors,
) -> TensorSplit:
    groups = collection.texts(collection.splits[split])
    flat = [text for group in groups.values() for text in group]
    prepared = characters.prepare(flat)
    ids = prepared.feeds[characters.names[0]]
    texts = Table(tuple(flat), ids, starts_of([*map(len, groups.values())]))
    tables: dict[str, Table[Any]] = {"image": images, "text": texts}
    for what, table in tables.items():
        lacking = int((np.diff(table.starts) < 1).sum())
        if lacking:
            raise CollectionError(
                f"{lacking} of {len(groups)} {split} classes of {collection.folder} have no "
                f"{what}; add some or leave these classes out"
            )
    if prepared.truncated:
        cut, longest = len(prepared.truncated), characters.length
        say(f"{cut} of {len(ids)} texts of split '{split}' are cut to {longest} characters")
    unit = functional.normalize(torch.from_numpy(images.rows - centre)).numpy()
    return to_device(Split(tuple(groups), tables | {"image": replace(images, rows=unit)}), "cpu")


def joint_embedding_loss(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Return the symmetric structured loss of B pairs, each of another class.

    With S[i, j] = images[i] . texts[j] and the 0-1 loss of classes as margin:
    1/B^2 * sum_{i != j} max(0, 1 + S[i, j] - S[i, i]) + max(0, 1 + S[j, i] - S[i, i]).
    The scores that the paper averages over a class's texts (equations 3 to 6) are sampled with one
    text a batch; where the paper takes the worst wrong class, the released code, and so this, sums
    over all.

    Args:
        images: (B, D), row i an image of the batch's class i.
        texts: (B, D), row i a text of it.
    """
    scores = images @ texts.T
    right = scores.diagonal()
    wrong = ~torch.eye(len(scores), dtype=torch.bool)
    by_image = functional.relu(1 + scores - right[:, None])
    by_text = functional.relu(1 + scores - right[None, :])
    return ((by_image + by_text) * wrong).sum() / len(scores) ** 2


@dataclass(frozen=True)
class Best:
    """The epoch with the best text -> image mAP on the validation classes."""

    epoch: int
    mAP: float


def train_jointly(
    network: nn.Module, seen: TensorSplit, val: TensorSplit, training: Training
) -> Best:
    """Train `network`, character ids (B, L) -> (B, D), and leave it at its best epoch."""
    generator = torch.Generator().manual_seed(training.seed)
    optimizer = torch.optim.RMSprop(network.parameters(), training.lr, alpha=0.99, eps=1e-8)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, training.lr_decay)
    best, weights = Best(0, -1.0), network.state_dict()
    with progress("training the text encoder", training.epochs) as bar:
        for epoch in range(1, training.epochs + 1):
            loss = torch.zeros(())
            for _ in range(len(seen.groups)):
                images, texts = draw_pairs(seen, training.batch_size, generator)
                step = joint_embedding_loss(images, network(texts))
                optimizer.zero_grad()
                step.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                loss += step.detach() / len(seen.groups)
            schedule.step()
            figure = retrieval_map(network, val)
            if figure > best.mAP:
                best, weights = Best(epoch, figure), copy.deepcopy(network.state_dict())
            bar.advance(1, f"loss {loss.item():.3f} best val mAP {best.mAP:.3f}")
    network.load_state_dict(weights)
    return best


def retrieval_map(network: nn.Module, pairs: TensorSplit) -> float:
    """Return the mAP of text -> image retrieval, every text being a query."""
    with torch.no_grad():
        blocks = [network(block) for block in torch.split(pairs["text"].rows, BLOCK)]
    queries = functional.normalize(torch.cat(blocks)).numpy()
    task = split_task(to_numpy(pairs), "val")
    return Embedded(task, queries, pairs["image"].rows.numpy()).figure("mAP")
