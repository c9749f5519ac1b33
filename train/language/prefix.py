"""CLIP's causal tower on one sentence in which only the words at the slot differ.

Under a causal mask the state of a token behind any layer is a function of the tokens up to it. Two
things follow for a sentence of P tokens, K vectors at the slot and R tokens, the last of which is
the end token, whose state is the embedding:

1. What stands behind the end token (padding to 77) has no part in the embedding nor in any
   gradient, so the sentence has its own P + K + R tokens and no more.
2. The states of the first P tokens are the same in every row and every step, since weights and
   tokens are, and so are their keys and values in each layer. They are computed once; a step
   computes K + R tokens that attend to them. No gradient is lost: the vectors have no part in them.

For "a photo of *" a step computes 2 tokens instead of 77, and nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from zscr.train.encoders.raw import SLOT
from zscr.train.language.families import CausalText
from zscr.train.language.tower import LanguageTower


class AfterPrefix(nn.Module):
    """A frozen causal tower of one sentence: vectors (B, K, W) -> embeddings (B, D).

    It computes by the tower's own layers and has no weights beside them.
    """

    mask: torch.Tensor
    places: torch.Tensor
    behind: torch.Tensor

    def __init__(self, body: CausalText, ids: torch.Tensor, slot: int, words: int = 1) -> None:
        """Compute what does not depend on the vectors.

        Args:
            body: of CLIP's tower (see `has_prefix`).
            ids: int64 (L,) the sentence, the end token last; at the slot, any.
            slot: P, the place of the first vector.
            words: K.
        """
        super().__init__()
        self.layers, self.norm, self.project = body.encoder.layers, body.norm, body.project
        length, embeddings = len(ids), body.embed
        causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()
        with torch.no_grad():
            looked_up = embeddings.token_embedding(ids)
            places = embeddings.position_embedding.weight[:length]
            self._keep("mask", causal[slot:])  # (K + R, L)
            self._keep("places", places[slot:].clone())
            self._keep("behind", looked_up[None, slot + words :])
            states = (looked_up + places)[None, :slot]
            for number, layer in enumerate(self.layers):
                states, *kept = _through(layer, states, causal[:slot, :slot])
                for name, rows in zip(("keys", "values"), kept, strict=True):
                    self._keep(f"{name}_{number}", rows)

    def _keep(self, name: str, rows: torch.Tensor) -> None:
        self.register_buffer(name, rows, persistent=False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Embed the sentence with vectors (B, K, W) at its slot -> (B, D), not normalised."""
        count = len(words)
        states = torch.cat([words, self.behind.expand(count, -1, -1)], 1) + self.places
        for number, layer in enumerate(self.layers):
            before = [self.get_buffer(f"{name}_{number}") for name in ("keys", "values")]
            states, *_ = _through(layer, states, self.mask, before)
        rows: torch.Tensor = self.project(self.norm(states[:, -1]))
        return rows


def one_sentence(tower: LanguageTower, row: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what embeds one sentence with vectors (B, K, W) in it -> (B, D).

    Args:
        tower: any; CLIP's computes the beginning of the sentence once.
        row: integer (L,), without padding; -2 where vectors stand (see `LanguageTower.compose`).
    """
    places = (row == SLOT).nonzero().flatten().tolist()
    in_a_row = places == [*range(places[0], places[-1] + 1)]
    if in_a_row and has_prefix(tower):
        return AfterPrefix(tower.body, row.clamp_min(0).long(), places[0], len(places))
    return lambda words: tower.compose(row.expand(len(words), -1), words)


def has_prefix(tower: LanguageTower) -> bool:
    """Say whether a tower is CLIP's, whose layers `AfterPrefix` computes by."""
    if not isinstance(tower.body, CausalText):
        return False
    layer = tower.body.encoder.layers[0]
    return hasattr(layer, "layer_norm1") and hasattr(layer.self_attn, "out_proj")


def _through(
    layer: Any, states: torch.Tensor, mask: torch.Tensor, before: Sequence[torch.Tensor] = ()
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take states of T tokens through a layer, and tell the keys and values of all S tokens.

    Args:
        layer: of transformers' CLIP.
        states: (B, T, W).
        mask: bool (T, S), true where a token attends to another.
        before: keys and values of the S - T tokens before them, (1, heads, S - T, W / heads) each.
    """
    inner, attention = layer.layer_norm1(states), layer.self_attn
    queries, *found = (
        project(inner).unflatten(2, (attention.num_heads, -1)).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    for place, rows in enumerate(before):
        kept = rows.expand(len(states), -1, -1, -1)
        found[place] = torch.cat([kept, found[place]], 2)
    keys, values = found
    mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    states = states + attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return states + layer.mlp(layer.layer_norm2(states)), keys, values
