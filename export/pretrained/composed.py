"""A mapper beside a pretrained dual encoder: one graph from an image and a text to a unit row.

The image tower's row, as it is projected, becomes a word vector, which stands in the sentence
(Saito et al., CVPR 2023). The graph has both towers in it, so that a query is one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.errors import InputError
from zscr.infer.inputs.make import make_input
from zscr.infer.inputs.sentence import Template
from zscr.train.language.language import Language, language_of
from zscr.train.language.released import Mapper, load_mapper
from zscr.train.language.tower import LanguageTower
from zscr.train.pretrained.dual import DualEncoder, Rows, rows_of
from zscr.train.pretrained.model import require_fitting
from zscr.train.pretrained.samples import TEXTS, images

COMPOSED = "composed"
# What the graph is proven on: captions for the template, and sentences with the place elsewhere.
PROMPTS = (*TEXTS, "a sketch of *", "* by the sea")
_NORM = "ln_final.weight"  # of CLIP's text tower, in the names of Pic2Word's checkpoints


class ImageInText(nn.Module):
    """Pixels, ids, mask where it is taken, and slot -> rows (B, D), not normalised."""

    def __init__(self, image: nn.Module, mapper: nn.Module, tower: LanguageTower) -> None:
        super().__init__()
        self.image, self.mapper, self.tower = image, mapper, tower

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Embed sentences in which each row's image stands for a word."""
        pixels, ids, *mask, slot = inputs
        words = self.mapper(self.image(pixels))[:, None]
        rows: torch.Tensor = self.tower(ids, mask[0] if mask else torch.ones_like(ids), slot, words)
        return rows


@dataclass(frozen=True)
class Composer:
    """A dual encoder with a mapper of its images to words of its texts.

    Attributes:
        file: name of the mapper's file; template: the sentence that captions are put into.
    """

    dual: DualEncoder
    language: Language
    mapper: Mapper
    file: str
    template: str

    @property
    def module(self) -> ImageInText:
        """What is exported."""
        return ImageInText(self.dual.image.module, self.mapper.module, self.language.tower)

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The manifest's entries of the graph's inputs."""
        return [dict(self.dual.image.spec), self.language.prompts(self.template)]

    @property
    def about(self) -> dict[str, str]:
        """What the provenance says of the mapper."""
        made = {"file": self.file, "sha256": self.mapper.sha256, "method": self.mapper.method}
        return made | {"template": self.template}

    @property
    def compositions(self) -> dict[str, Any]:
        """The manifest's entry of the composition, by its name."""
        told = "the image as a word of the sentence, by a mapper that was trained for it"
        return {self.mapper.method: {"about": told, "graph": COMPOSED}}

    def expected(self, prompts: Sequence[str], folder: Path) -> Rows:
        """Embed sentences, each with one of the sample images, by the authors' own code -> (N, D).

        Its whole text model runs on the ids; a hook puts the vector into what its embedding layer
        gives. Each sentence is embedded alone.

        Args:
            folder: of the tokenizer.
        """
        prepare = make_input(self.language.prompts(self.template), folder).prepare
        rows = self.dual.reference.images(images())
        vectors = self.mapper.module(torch.from_numpy(rows))
        each = enumerate(prompts)
        return rows_of(
            self._hooked(prepare([one]).feeds, vectors[place % len(vectors)]) for place, one in each
        )

    def _hooked(self, feeds: Mapping[str, Any], vector: torch.Tensor) -> torch.Tensor:
        *inputs, slot = (torch.from_numpy(array) for array in feeds.values())

        def put(layer: nn.Module, given: Any, found: torch.Tensor) -> torch.Tensor:
            found = found.clone()
            found[0, slot[0]] = vector
            return found

        with self.language.tower.body.table.register_forward_hook(put):
            rows: torch.Tensor = self.dual.text.module(*inputs)
        return rows


def composer_of(
    dual: DualEncoder, source: str, mapper: Path, template: str | None = None
) -> Composer:
    """Put a mapper's file and a dual encoder together.

    Args:
        source: what the dual encoder was named by.
        mapper: a checkpoint of Pic2Word, SEARLE or LinCIR, or safetensors of the same.
        template: the sentence that captions are put into; None is the mapper's own.

    Raises:
        InputError: the file is no mapper, or of another dual encoder; the text tower takes no word
            vectors; or the template has not one place for the image and one for the text.
    """
    loaded, language = load_mapper(mapper), language_of(dual, source)
    _require_own(loaded, language.tower, mapper, source)
    chosen = Template(template or loaded.template).text
    composer = Composer(dual, language, loaded, mapper.name, chosen)
    require_fitting(composer.module, "image and the text", Path(source))
    return composer


def _require_own(mapper: Mapper, tower: LanguageTower, path: Path, source: str) -> None:
    """Refuse a mapper that was trained on another dual encoder, as far as can be known."""
    sizes, own = (mapper.dim, mapper.width), (tower.dim, tower.width)
    if sizes != own:
        raise InputError(
            f"the mapper {path} makes word vectors of {sizes[1]} numbers of embeddings of "
            f"{sizes[0]}, and {source} has {own[1]} and {own[0]}; take the mapper of this model"
        )
    held, norm = mapper.tower.get(_NORM), getattr(tower.body, "norm", None)
    if held is not None and not _same(held, norm):
        raise InputError(
            f"the mapper {path} was trained on another model than {source}: its file holds other "
            f"weights of the text tower ({_NORM}); take the mapper of this model"
        )


def _same(held: torch.Tensor, norm: nn.LayerNorm | None) -> bool:
    """Say whether weights are those of a layer, as far as 16 bits, in which many are kept, tell."""
    if norm is None or held.shape != norm.weight.shape:
        return False
    return torch.allclose(held.float(), norm.weight, rtol=1e-2, atol=1e-3)
