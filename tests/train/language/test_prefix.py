"""A sentence's beginning is computed once: the same embeddings and gradients as all of it."""

from __future__ import annotations

import pytest
import torch
import transformers

from zscr.train.language.prefix import AfterPrefix

END, LENGTH = 99, 20


@pytest.fixture(scope="module")
def clip() -> transformers.CLIPModel:
    """A small CLIP in double precision, with weights large enough for every part to show."""
    text = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    text |= {"intermediate_size": 48, "vocab_size": 100, "max_position_embeddings": LENGTH}
    text |= {"eos_token_id": END, "bos_token_id": 0, "pad_token_id": 1}
    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"intermediate_size": 16, "image_size": 8, "patch_size": 8}
    torch.manual_seed(7)
    model = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    )
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.3)
    return model.double().eval().requires_grad_(False)


def whole(
    clip: transformers.CLIPModel, ids: torch.Tensor, slot: int, words: torch.Tensor
) -> torch.Tensor:
    """Embed by transformers: padded to all places, the vectors put in behind the look-up."""
    padded = torch.cat([ids, ids.new_full((LENGTH - len(ids),), END)]).expand(len(words), -1)

    def put_in(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        count = words.shape[1]
        return torch.cat([output[:, :slot], words, output[:, slot + count :]], 1)

    hook = clip.text_model.embeddings.token_embedding.register_forward_hook(put_in)
    try:
        return clip.get_text_features(input_ids=padded).pooler_output
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("ids", "slot", "count"),
    [([0, 5, 6, 7, 3, END], 4, 1), ([0, 5, 3, 3, 8, 9, END], 2, 2), ([0, 3, END], 1, 1)],
    ids=["a photo of *", "two vectors, words behind them", "nothing before the slot"],
)
def test_embeddings_and_gradients_are_those_of_the_whole(
    clip: transformers.CLIPModel, ids: list[int], slot: int, count: int
) -> None:
    """In double precision to 1e-10: two tokens instead of all twenty lose nothing."""
    sentence = torch.tensor(ids)
    tower = AfterPrefix(clip.text_model, clip.text_projection, sentence, slot, count)
    words = torch.randn(3, count, 32, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 24, dtype=torch.float64)
    found, expected = tower(words), whole(clip, sentence, slot, words)
    assert (found - expected).abs().max() < 1e-10
    ours, theirs = (
        torch.autograd.grad((rows * weights).sum(), words)[0] for rows in (found, expected)
    )
    assert (ours - theirs).abs().max() < 1e-10
    assert float(theirs.abs().min()) > 0
    assert not any("keys" in name for name in tower.state_dict())
