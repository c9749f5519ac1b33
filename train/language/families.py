"""The text models of dual encoders, from word vectors on: each a `Body`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zscr.train.pretrained.sentence import pooled


class CausalText(nn.Module):
    """CLIP's text model and its kin: no token sees those behind it; the end token is read.

    Args:
        model: text model of transformers; norm: its last one; project: what comes behind.
    """

    def __init__(self, model: Any, norm: nn.Module, project: nn.Module, *, highest: bool) -> None:
        super().__init__()
        self.table = model.embeddings.token_embedding
        self.embed, self.encoder = model.embeddings, model.encoder
        self.norm, self.project = norm, project
        self.end = None if highest else int(model.eos_token_id)

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts; see `Body`."""
        states = self.embed(inputs_embeds=vectors)
        hidden = self.encoder(inputs_embeds=states, attention_mask=_causal(states, mask))
        rows = self.norm(hidden.last_hidden_state)
        # The first end token: padding may have its id. Of old checkpoints it is the highest id.
        ends = ids.int() if self.end is None else (ids == self.end).int()
        batch = torch.arange(rows.shape[0], device=rows.device)  # `len` would fix it in a trace
        rows = rows[batch, ends.argmax(1)]
        embedded: torch.Tensor = self.project(rows)
        return embedded


def _causal(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return what is added to scores (B, 1, L, L): 0 of what is seen, else the least number."""
    length = states.shape[1]
    seen = torch.ones(length, length, dtype=torch.bool, device=states.device).tril()
    seen = seen[None] & (mask[:, None, :] > 0)
    least = torch.finfo(states.dtype).min
    hidden = torch.full((), least, dtype=states.dtype, device=states.device)
    return torch.where(seen, torch.zeros_like(hidden), hidden)[:, None]


class SiglipText(nn.Module):
    """SigLIP's text model: all tokens and all padding see each other; the last place is read."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.table = model.embeddings.token_embedding
        self.embed, self.encoder = model.embeddings, model.encoder
        self.norm, self.head = model.final_layer_norm, model.head

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts; see `Body`."""
        states = self.encoder(inputs_embeds=self.embed(inputs_embeds=vectors)).last_hidden_state
        rows: torch.Tensor = self.head(self.norm(states)[:, -1])
        return rows


class FirstState(nn.Module):
    """A text model of BERT's kind: the state of the first token, projected.

    Args:
        model: takes `inputs_embeds`; pooled: whether its own pooling is projected instead.
    """

    def __init__(self, model: Any, project: nn.Module, *, pooled: bool = False) -> None:
        super().__init__()
        self.table = model.get_input_embeddings()
        self.model, self.project, self.pooled = model, project, pooled

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts; see `Body`."""
        found = self.model(inputs_embeds=vectors, attention_mask=mask)
        first = found.pooler_output if self.pooled else found.last_hidden_state[:, 0]
        rows: torch.Tensor = self.project(first)
        return rows


class SentenceText(nn.Module):
    """A sentence encoder: token states, pooled over the mask, and its further stages."""

    def __init__(self, model: Any, pooling: str, after: nn.Module) -> None:
        super().__init__()
        self.table = model.get_input_embeddings()
        self.model, self.pooling, self.after = model, pooling, after

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts; see `Body`."""
        states = self.model(inputs_embeds=vectors, attention_mask=mask).last_hidden_state
        rows: torch.Tensor = self.after(pooled(states, mask, self.pooling))
        return rows
