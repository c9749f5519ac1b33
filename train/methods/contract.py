"""What a retrieval method is: a module with `Config`, `needs` and `Method`, as described here.

docs/methods.md adds one in forty lines. `infer` never sees a method: a bundle's manifest says what
its graphs are fed with. A module may also have `ABLATIONS`, a mapping from what is left out of the
method, in words, to the settings that leave it out: they are trained as controls of its own. It may
have a `settled`, from a Config and the collection to the Config with what follows from these: a run
keeps that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.infer.encoder import Rows
from zscr.train.tables import ArraySplit, TensorSplit

Role = Literal["query", "gallery", "pair"]
LOSS = "loss/"  # how the names of losses begin


class Config(Protocol):
    """What the loop needs of a method's configuration: a frozen dataclass, every field a default.

    A method that selects on test classes as a released bug has a field `select_on_test`, too. One
    that is judged by stored queries, and not by the classes of a split, has a field `task`: the
    name of a task of the collection, or several that are joined by `+`.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def rounds(self) -> int:
        """Rounds of training, 0 for what `start` makes; validation stands between rounds."""

    @property
    def validate_every(self) -> int:
        """Rounds between two looks at the validation classes."""

    @property
    def select_by(self) -> str:
        """A figure that the best weights maximise, such as `mAP`, or a loss that they minimise."""

    @property
    def precision(self) -> str:
        """How matrices are multiplied in training: one of `zscr.train.precision.PRECISIONS`."""

    @property
    def seed(self) -> int:
        """Seed of weights, batches and noise."""


@dataclass(frozen=True)
class Need:
    """A table that a method trains on.

    Attributes:
        table: `image`, `text`, `sketch`, `prompt` (texts with the place of an image), or
            `description`: texts of classes that are for training alone. `sketch/flipped` is
            another view of the same sketches, by an encoder of its own.
        per: what its groups are: a `class`, an `item` (its own image, sketch and texts), a `domain`
            (the items of one value of that attribute), or all `image`s as one group. A method's
            needs agree on it.
        least: rows that each group must have.
        encoder: finds or makes the folder of the encoder that makes the rows, for a collection.
            None leaves it to the user: a frozen encoder, or the collection's published vectors. A
            method whose own towers take pixels or token ids names a raw encoder, which only
            prepares them (see `zscr.train.encoders.raw`). The table of sketches has then an
            encoder of its own; without, that of the images makes its rows.
        fitted: whether anything is fitted to its rows; otherwise only queries have such, and the
            collection needs none.
        texts: returns class -> texts of a split, where a table of texts per class is not of the
            collection's own.
    """

    table: str
    per: Literal["class", "item", "domain", "image"] = "class"
    least: int = 1
    encoder: Callable[[Collection], Path] | None = None
    fitted: bool = True
    texts: Callable[[Collection, str], Mapping[str, Sequence[str]]] | None = None


@dataclass(frozen=True)
class Port:
    """An input of a head: rows of a table, which an encoder makes of images or texts.

    In a bundle the encoder, frozen or raw, is merged in front of the head; where the collection's
    vectors are published, the port is an input of the graph itself. The ports of a `pair` are other
    heads: it takes their tokens.
    """

    name: str  # of the table, or of the head whose tokens it is


@dataclass(frozen=True)
class Head:
    """A trained part of the model that is deployed.

    Attributes:
        module: takes the ports in their order, (B, D) each; returns unit rows (B, E). That of a
            `pair` takes a query's tokens (1, L, W), or (B, L, W), and tokens of images (B, M, W);
            it returns how well each image matches, as logits (B,): a sigmoid of them would make
            ties where it saturates.
        ports: its inputs; of a `pair` two heads, a query's and the gallery.
        role: `query`, `gallery`, or `pair`: what re-ranks the best images of a query.
        feature: of a gallery, takes the same ports and returns unit rows (B, F), by which images
            are compared with each other when queries are expanded or embeddings diffused. None
            where a method has no such feature.
        tokens: takes the same ports and returns unit tokens (B, L, W), for a `pair` to compare.
    """

    module: nn.Module
    ports: tuple[Port, ...]
    role: Role
    feature: nn.Module | None = None
    tokens: nn.Module | None = None


class Method(Protocol):
    """A trainable method: an `nn.Module` made by `Method(config, shapes, device)`.

    `shapes` are the row shapes of its tables: `{"text": (384,), "image": (1280,)}`.
    `state_dict()` with `optimizers`, `noise` and `sampling` is all that decides the next round.

    Attributes:
        device: of the weights.
        noise: the generator of every random number, on that device.
        optimizers: name -> optimizer; what state they have is kept in checkpoints.
        sampling: name -> tensor that batches remember between rounds.
        chosen: settings of its Config that `start` chose on the validation classes, by name. A
            refit begins with them, so that nothing is chosen on what it is fitted to.
    """

    device: torch.device
    noise: torch.Generator
    optimizers: dict[str, torch.optim.Optimizer]
    sampling: dict[str, torch.Tensor]
    chosen: dict[str, Any]

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables that are trained on; draws no noise and changes no state.

        It comes before `start` when a run begins, and after the state is restored on resume.

        Args:
            seen: the needed tables of the classes to be fitted: the seen ones, in a refit the
                validation classes too.
            val: of the split that selects, to choose settings by; None in a refit, which begins
                with the settings that were chosen.

        Raises:
            ConfigError: these tables cannot be trained on with these settings.
        """

    def start(self) -> None:
        """Prepare for the first round; never called on resume: it writes buffers or `sampling`.

        Afterwards the heads can be judged: where a figure selects, round 0 is a candidate.
        """

    def train_round(self) -> dict[str, torch.Tensor]:
        """Make one round without waiting for the device.

        Returns:
            `loss/<name>` -> mean over the round's updates, a detached scalar on the device.
        """

    def heads(self) -> Mapping[str, Head]:
        """Return the deployed parts by the names of their graphs, such as `text` and `gallery`.

        One is called `gallery`; at most one is a `pair`. They may be asked for before `bind`. Where
        `select_by` is a figure, the ports of the gallery, and those of one query head, are views of
        one table.

        Keyword arguments with defaults, if it has any, are settings of the heads, which
        `zscr evaluate` and `zscr export` can set.
        """

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the weights; `nn.Module`'s."""

    def load_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> Any:
        """Restore the weights in place; `nn.Module`'s."""

    def eval(self) -> Any:
        """Leave training mode; `nn.Module`'s."""


@dataclass(frozen=True)
class Unlabelled:
    """A gallery without labels, and names of what may be on its images.

    Attributes:
        images: (N, I) features of the images, on the CPU: there may be 100,000.
        names: the names as groups, with their table `text`; None without names.
        complete: whether every image shows something that is named (or, with `with_seen`, a class
            that was fitted).
        with_seen: whether images of the fitted classes may be among these.
    """

    images: Rows
    names: ArraySplit | None = None
    complete: bool = False
    with_seen: bool = False


@runtime_checkable
class Adaptable(Protocol):
    """What a method has besides where `zscr adapt` can adapt it; of others it is refused."""

    def adapt(self, fitted: TensorSplit, unlabelled: Unlabelled) -> dict[str, Any]:
        """Refit what is deployed to unlabelled images, in place and without `bind` or `start`.

        Random numbers come from `noise`, which is as the constructor left it. Keyword arguments
        with defaults, if it has any, are settings that `zscr adapt --set` can change.

        Args:
            fitted: the needed tables of the classes that the weights were fitted to.
            unlabelled: what they are to be adapted to.

        Returns:
            What the run's manifest is to say of the result, such as the number of images that were
            given a name: JSON values by name.

        Raises:
            ConfigError: a setting does not suit these images.
        """
