"""transformers checkpoints of text encoders, traced to ONNX and compared with torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from zscr.errors import InputError
from zscr.infer.inputs.text import TextInput
from zscr.train.encoders.folder import OUTPUT
from zscr.train.encoders.library import STRANGERS, library, loading_faults
from zscr.train.encoders.onnx import require_parity, trace

STATES = "last_hidden_state"
_PURPOSE = "converting a text encoder"
TOLERANCE = 1e-4  # token states of a six-layer BERT agree to about 1e-6
_SENTENCES = ("a small bird with a red belly", "two dogs", "a red house by the sea at night")


class _TokenStates(nn.Module):
    """A transformers model reduced to ids and mask -> token states (B, L, D)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.model(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        return states


def load_clip_text(source: Path) -> Any:
    """Load CLIP's text tower with its projection, as `CLIPTextModelWithProjection`.

    Raises:
        InputError: the checkpoint lacks weights.
    """
    return _clip_part("CLIPTextModelWithProjection", source)


def _clip_part(kind: str, source: Path) -> Any:
    """Load a part of CLIP's checkpoint as the class of transformers that is called `kind`."""
    model, report = getattr(library(_PURPOSE), kind).from_pretrained(
        source, attn_implementation="eager", output_loading_info=True, **STRANGERS
    )
    if missing := sorted(report["missing_keys"]):  # they would be drawn at random
        raise InputError(
            f"{source} lacks {missing[0]}, so its rows would mean nothing; take a checkpoint "
            f"of CLIPModel or CLIPTextModelWithProjection"
        )
    return model


def _load_states(source: Path, *, clip: bool, layers: int | None) -> Any:
    """Load a model that ends in token states; CLIP's are those behind its last norm."""
    if clip:
        return _clip_part("CLIPTextModel", source)
    # "eager" attention is plain matrix products, which every ONNX runtime has.
    fewer = {"num_hidden_layers": layers} if layers else {}
    return library(_PURPOSE).AutoModel.from_pretrained(
        source, attn_implementation="eager", **fewer, **STRANGERS
    )


class _ClipText(nn.Module):
    """CLIP's text tower (Radford et al. 2021): ids and mask -> unit rows (B, D).

    The row is the projected state of the end-of-text token, wherever it stands among the ids.
    """

    def __init__(self, source: Path) -> None:
        super().__init__()
        self.model = load_clip_text(source)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        rows = self.model(input_ids=input_ids, attention_mask=attention_mask).text_embeds
        return functional.normalize(rows, dim=1)


def _require_layers(source: Path, config: dict[str, Any], layers: int) -> None:
    """Refuse layers that there are not, and of CLIP any: what projects its rows knows the last."""
    there = config.get("num_hidden_layers")
    if config.get("model_type") in _CLIP or not isinstance(there, int):
        raise InputError(f"{source} is no model whose first {layers} layers could stand alone")
    if layers > there:
        raise InputError(f"{source} has {there} layers, not {layers}; take as many or fewer")


_CLIP = ("clip", "clip_text_model")  # the whole model, whose other tower is not loaded; this one


def trace_checkpoint(
    source: Path,
    config: dict[str, Any],
    spec: dict[str, Any],
    *,
    states: bool = False,
    layers: int | None = None,
) -> tuple[Any, float]:
    """Trace the checkpoint in `source`.

    Args:
        source: a transformers folder with `tokenizer.json`.
        config: its `config.json`.
        spec: the encoder's input entry.
        states: whether the states of CLIP's tokens are wanted, too, and not its pooled rows.
        layers: of the model that are taken, from the first on; None takes all.

    Returns:
        A graph whose output is `features` (CLIP) or the token states, and the largest difference
        between onnxruntime's and torch's.

    Raises:
        InputError: the checkpoint lacks weights, or layers cannot be left out.
        ParityError: onnxruntime's output differs from torch's.
        MissingExtraError: transformers is not installed.
    """
    of_clip = config.get("model_type") in _CLIP
    clip = of_clip and not states
    if layers:
        _require_layers(source, config, layers)
    with loading_faults(source):
        module = (
            _ClipText(source)
            if clip
            else _TokenStates(_load_states(source, clip=of_clip, layers=layers))
        )
        module.eval()
    texts, axes = TextInput(spec, source), {0: "batch", 1: "length"}
    names = ("input_ids", "attention_mask")
    example = [torch.from_numpy(array) for array in texts.prepare(_SENTENCES[:2]).feeds.values()]
    model = trace(
        module,
        dict(zip(names, example, strict=True)),
        OUTPUT if clip else STATES,
        dynamic=dict.fromkeys(names, axes),
    )
    feeds = texts.prepare(_SENTENCES).feeds
    with torch.no_grad():
        expected = module(*(torch.from_numpy(array) for array in feeds.values())).numpy()
    kept = ... if clip else feeds["attention_mask"] > 0
    return model, require_parity(str(source), model, feeds, expected, TOLERANCE, kept=kept)
