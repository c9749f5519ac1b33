"""Deep structured joint embedding: a text encoder trained against frozen image features.

Reed et al. (CVPR 2016), in the symmetric form and with the schedule of the released
`train_sje_hybrid.lua`. The image side is fixed, so the embedding is as wide as the image features.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from zscr.data.collection import Collection
from zscr.errors import CollectionError, InputError
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.figures import query_values
from zscr.infer.features.split import load_images
from zscr.infer.inputs import CharacterInput
from zscr.progress import progress, say

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
class Pairs:
    """One split's images and texts, class after class.

    Attributes:
        images: (N, D) unit rows; texts: (M, L) int64 character ids.
        image_starts, text_starts: (C+1,) rows of class c are [starts[c], starts[c+1]).
    """

    images: torch.Tensor
    image_starts: torch.Tensor
    texts: torch.Tensor
    text_starts: torch.Tensor

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.text_starts) - 1

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw an image and a text of each of `count` different classes -> (B, D), (B, L)."""
        classes = torch.randperm(self.classes, generator=generator)[:count]
        image = _any_row(self.image_starts, classes, generator)
        return self.images[image], self.texts[_any_row(self.text_starts, classes, generator)]


def _any_row(
    starts: torch.Tensor, classes: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    share = torch.rand(len(classes), generator=generator, dtype=torch.float64)
    return starts[classes] + (share * (starts[classes + 1] - starts[classes])).long()


def load_pairs(
    collection: Collection, image: Encoder | None, characters: CharacterInput
) -> tuple[Pairs, Pairs]:
    """Load the seen and the validation classes; the unseen ones stay closed.

    Image features are centred on the seen classes' mean and brought to unit norm, so that a dot
    product with them ranks as the cosine does.

    Args:
        collection: with texts.
        image: the frozen image encoder; None where the collection has image vectors.
        characters: how texts become ids.

    Raises:
        CollectionError: a class has no image or no text.
        InputError: all image features are the same, or a text has no known character.
    """
    seen_images = load_images(collection, "seen", image)[0]
    if not np.ptp(seen_images, axis=0).any():
        raise InputError(
            f"all {len(seen_images)} image features of the seen classes of {collection.folder} are "
            f"the same vector; give features that differ"
        )
    centre = seen_images.mean(0)
    seen, val = (_load(collection, split, image, characters, centre) for split in ("seen", "val"))
    return seen, val


def _load(
    collection: Collection,
    split: str,
    image: Encoder | None,
    characters: CharacterInput,
    centre: Vectors,
) -> Pairs:
    rows, _, image_starts = load_images(collection, split, image)
    groups = collection.texts(collection.splits[split]).values()
    prepared = characters.prepare([text for group in groups for text in group])
    ids = prepared.feeds[characters.name]
    text_starts = np.cumsum([0, *map(len, groups)])
    for what, starts in (("image", image_starts), ("text", text_starts)):
        lacking = int((np.diff(starts) < 1).sum())
        if lacking:
            raise CollectionError(
                f"{lacking} of {len(starts) - 1} {split} classes of {collection.folder} have no "
                f"{what}; add some or leave these classes out"
            )
    if prepared.truncated:
        cut, longest = len(prepared.truncated), characters.length
        say(f"{cut} of {len(ids)} texts of split '{split}' are cut to {longest} characters")
    images = functional.normalize(torch.from_numpy(rows - centre))
    arrays = (torch.from_numpy(a) for a in (image_starts, ids, text_starts))
    return Pairs(images, *arrays)


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


def train_jointly(network: nn.Module, seen: Pairs, val: Pairs, training: Training) -> Best:
    """Train `network`, character ids (B, L) -> (B, D), and leave it at its best epoch."""
    generator = torch.Generator().manual_seed(training.seed)
    optimizer = torch.optim.RMSprop(network.parameters(), training.lr, alpha=0.99, eps=1e-8)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, training.lr_decay)
    best, weights = Best(0, -1.0), network.state_dict()
    with progress("training the text encoder", training.epochs) as bar:
        for epoch in range(1, training.epochs + 1):
            loss = torch.zeros(())
            for _ in range(seen.classes):
                images, texts = seen.draw(training.batch_size, generator)
                step = joint_embedding_loss(images, network(texts))
                optimizer.zero_grad()
                step.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                loss += step.detach() / seen.classes
            schedule.step()
            figure = retrieval_map(network, val)
            if figure > best.mAP:
                best, weights = Best(epoch, figure), copy.deepcopy(network.state_dict())
            bar.advance(1, f"loss {loss.item():.3f} best val mAP {best.mAP:.3f}")
    network.load_state_dict(weights)
    return best


def retrieval_map(network: nn.Module, pairs: Pairs) -> float:
    """Return the mAP of text -> image retrieval, every text being a query."""
    with torch.no_grad():
        blocks = [network(block) for block in torch.split(pairs.texts, BLOCK)]
    values = query_values(
        functional.normalize(torch.cat(blocks)).numpy(),
        pairs.images.numpy(),
        query_classes=_classes(pairs.text_starts),
        gallery_classes=_classes(pairs.image_starts),
        names=["mAP"],
    )
    return float(values["mAP"].mean())


def _classes(starts: torch.Tensor) -> list[str]:
    numbers = torch.arange(len(starts) - 1).repeat_interleave(starts.diff())
    return [str(number) for number in numbers.tolist()]
