"""A sentence's beginning is computed once: the same embeddings and gradients as all of it."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers

from zscr.train.cuda_graph import WARM_UP, Replay
from zscr.train.language.families import CausalText
from zscr.train.language.prefix import AfterPrefix, one_sentence
from zscr.train.language.tower import LanguageTower
from zscr.train.methods.losses import info_nce
from zscr.train.precision import computing_in

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


def body_of(clip: transformers.CLIPModel) -> CausalText:
    text = clip.text_model
    return CausalText(text, text.final_layer_norm, clip.text_projection, highest=False)


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
        return clip.text_projection(clip.text_model(input_ids=padded).pooler_output)
    finally:
        hook.remove()


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize(
    ("ids", "slot", "count"),
    [([0, 5, 6, 7, 3, END], 4, 1), ([0, 5, 3, 3, 8, 9, END], 2, 2), ([0, 3, END], 1, 1)],
    ids=["a photo of *", "two vectors, words behind them", "nothing before the slot"],
)
def test_embeddings_and_gradients_are_those_of_the_whole(
    clip: transformers.CLIPModel, ids: list[int], slot: int, count: int, device: str
) -> None:
    """In double precision to 1e-10: two tokens instead of all twenty lose nothing."""
    clip, sentence = copy.deepcopy(clip).to(device), torch.tensor(ids, device=device)
    tower = AfterPrefix(body_of(clip), sentence, slot, count)
    numbers = {"dtype": torch.float64, "device": device}
    words = torch.randn(3, count, 32, **numbers, requires_grad=True)
    weights = torch.randn(3, 24, **numbers)
    found, expected = tower(words), whole(clip, sentence, slot, words)
    assert (found - expected).abs().max() < 1e-10
    ours, theirs = (
        torch.autograd.grad((rows * weights).sum(), words)[0] for rows in (found, expected)
    )
    assert (ours - theirs).abs().max() < 1e-10
    assert float(theirs.abs().min()) > 0
    assert not any("keys" in name for name in tower.state_dict())


def test_one_sentence_is_composed_as_any(clip: transformers.CLIPModel) -> None:
    """Two vectors next to each other, and in two places, where no beginning can be kept."""
    tower = LanguageTower(body_of(clip), 24)
    words = torch.randn(3, 2, 32, dtype=torch.float64)
    for ids, kept in (([0, 5, -2, -2, 7, END], True), ([0, -2, 7, -2, END], False)):
        row = torch.tensor(ids)
        embed = one_sentence(tower, row)
        assert isinstance(embed, AfterPrefix) == kept
        expected = tower.compose(row.expand(3, -1), words)
        assert (embed(words) - expected).abs().max() < 1e-10


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "close"), [("fp32", 1e-4), ("tf32", 1e-3), ("bf16", 1e-2)])
def test_a_recorded_update_is_the_update(
    clip: transformers.CLIPModel, precision: str, close: float
) -> None:
    """A mapper's weights after five updates on CUDA, launched one by one and as a graph.

    Each update moves most weights by .01, so that one that is left out would show.
    """
    device = torch.device("cuda")
    clip, sentence = copy.deepcopy(clip).float().to(device), torch.tensor([0, 5, 3, END]).to(device)
    tower = AfterPrefix(body_of(clip), sentence, 2)
    images = torch.randn(8, 24, generator=torch.Generator().manual_seed(7)).to(device)
    with computing_in(precision, device):
        one_by_one, recorded = (updated(tower, images, capture) for capture in (False, True))
    assert (one_by_one - recorded).abs().mean() < close / 10
    assert (one_by_one - recorded).abs().max() < close


def updated(tower: AfterPrefix, images: torch.Tensor, capture: bool) -> torch.Tensor:
    """Return a linear mapper's weights after five updates."""
    torch.manual_seed(7)
    mapper = torch.nn.Linear(24, 32, device=images.device)
    optimizer = torch.optim.AdamW(mapper.parameters(), 1e-2, capturable=True)

    def update(rows: torch.Tensor) -> torch.Tensor:
        loss = info_nce(rows, tower(mapper(rows)[:, None]).float(), 10.0)
        weights = [*mapper.parameters()]
        for one, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            one.grad = gradient
        optimizer.step()
        return loss.detach()

    step = Replay(update, images.device) if capture else update
    for _ in range(WARM_UP + 3):
        step(images)
    return mapper.weight.detach()
