"""The parts of alignment: known answers, what they must not depend on, and whom they draw."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from zscr.errors import CollectionError
from zscr.infer.features.table import Table
from zscr.train.methods.alignment.cross_attention import CrossAttention
from zscr.train.methods.alignment.relation import RelationNetwork, relation_loss
from zscr.train.methods.alignment.sentences import Sentences
from zscr.train.methods.alignment.token_transformer import TokenTransformer
from zscr.train.methods.alignment.triplet import triplet_loss
from zscr.train.methods.alignment.tuples import draw_tuples
from zscr.train.vision.tower import States

SEED = 7


def test_sizes_of_vit_b_16_are_those_of_the_ancestor() -> None:
    """Counts of ZSE-SBIR's parts, by arithmetic on its published layers."""
    relation = RelationNetwork(768, 14)
    assert count(relation.mlp) == 840_792
    assert count(relation.reduce) == 1_573_376
    assert count(CrossAttention(768, 8, 1024, 0.1)) == 3_940_096


@pytest.mark.parametrize(("side", "width"), [(14, 6), (7, 6)])
def test_a_place_of_the_relation_network_sees_its_own_tokens_alone(side: int, width: int) -> None:
    """A token changes the one place that it lies in: maps are transposed, not just reshaped."""
    torch.manual_seed(SEED)
    network, tokens = RelationNetwork(width, side, 5), torch.randn(1, side**2, width)
    changed = tokens.clone()
    changed[0, 3 * side + 4] += 1
    moved = (network.places(changed) - network.places(tokens)).abs().sum(2)[0] > 1e-6
    step = side // 7
    assert moved.nonzero().tolist() == [[3 // step * 7 + 4 // step]]


def test_relations_compare_every_place_of_the_sketch_with_every_place_of_the_image() -> None:
    """One sketch against a batch of images scores as each pair does alone."""
    torch.manual_seed(SEED)
    network = RelationNetwork(6, 7, 5).eval()
    sketch, images = torch.randn(1, 49, 6), torch.randn(3, 49, 6)
    together = network.relate(network.places(sketch), network.places(images))
    alone = torch.cat([network(sketch, image[None]) for image in images])
    torch.testing.assert_close(together, alone)


def test_relation_losses_of_undecided_logits() -> None:
    """A sigmoid of one half is .49 from either target."""
    assert float(relation_loss(torch.zeros(3), torch.zeros(3))) == pytest.approx(0.49**2)
    assert float(relation_loss(torch.full((2,), 9.0), torch.full((2,), -9.0))) < 1e-3


def test_words_that_are_not_there_are_not_read() -> None:
    torch.manual_seed(SEED)
    layer = CrossAttention(16, 8, 20, 0.1).eval()
    own, other = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    there = torch.arange(7) < torch.tensor([[3], [7]])
    short = layer(own[:1], other[:1, :3])
    torch.testing.assert_close(layer(own, other, there)[:1], short)


def test_own_values_are_weighed_by_the_other_side_and_other_values_are_taken_from_it() -> None:
    """Others that are all alike weigh own values evenly, whatever they are."""
    torch.manual_seed(SEED)
    own, alike = torch.randn(2, 5, 16), torch.randn(2, 1, 16).expand(2, 5, 16)
    weighed = CrossAttention(16, 8, 20, 0.1, values="own").eval()
    torch.testing.assert_close(weighed(own, alike), weighed(own, 3 * alike))
    taken = CrossAttention(16, 8, 20, 0.1).eval()
    assert (taken(own, alike) - taken(own, 3 * alike)).abs().max() > 0.01


def test_triplets_by_angle_do_not_see_lengths() -> None:
    """Angles of 0 and 90 degrees: distances 0 and 1, or the other way round."""
    one, two = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert float(triplet_loss(one, 3 * one, two, 0.3, "cosine")) == 0
    assert float(triplet_loss(one, two, 3 * one, 0.3, "cosine")) == pytest.approx(1.3)
    assert float(triplet_loss(one, two, one, 1.0)) == pytest.approx(1 + 29**0.5)


counts = st.lists(st.integers(1, 4), min_size=2, max_size=5)


@given(sketches=counts, seed=st.integers(0, 2**31))
def test_tuples_are_of_two_classes(sketches: list[int], seed: int) -> None:
    images = [2 + number % 3 for number in sketches]
    starts, image_starts = running(sketches), running(images)
    every = torch.arange(int(starts[-1]))
    drawn = draw_tuples(every, starts, image_starts, torch.Generator().manual_seed(seed))
    of_sketches, of_images = owner(sketches), owner(images)
    assert torch.equal(drawn.own, of_sketches)
    assert torch.equal(of_images[drawn.image], drawn.own)
    assert torch.equal(of_sketches[drawn.other_sketch], drawn.own)
    assert torch.equal(of_images[drawn.other_image], drawn.other)
    assert (drawn.other != drawn.own).all()
    alone = torch.tensor(sketches)[of_sketches] == 1
    assert torch.equal(drawn.other_sketch == every, alone)


def test_tuples_reach_every_sketch_image_and_class() -> None:
    """The first of a class too, which ZSE-SBIR's index from 1 leaves out."""
    starts, noise = torch.tensor([0, 3, 6, 9]), torch.Generator().manual_seed(SEED)
    drawn = draw_tuples(torch.zeros(300, dtype=torch.int64), starts, starts, noise)
    assert set(drawn.image.tolist()) == {0, 1, 2}
    assert set(drawn.other_sketch.tolist()) == {1, 2}
    assert set(drawn.other_image.tolist()) == {3, 4, 5, 6, 7, 8}


def test_a_sentence_is_drawn_of_each_class() -> None:
    """Class 0 has three sentences and class 1 one; each row says its own number."""
    rows = torch.arange(1.0, 5)[:, None, None].repeat(1, 2, 1).half()
    rows[3, 1] = 0
    sentences = Sentences(Table(tuple("abcd"), rows, torch.tensor([0, 3, 4])))
    noise, asked = torch.Generator().manual_seed(SEED), torch.tensor([1, 0])
    drawn = [sentences.draw(asked, noise) for _ in range(40)]
    assert {int(one.tokens[1, 0]) for one in drawn} == {1, 2, 3}
    assert {int(one.tokens[0, 0]) for one in drawn} == {4}
    assert drawn[0].there.tolist() == [[True, False], [True, True]]


def test_a_sentence_without_a_token_is_refused() -> None:
    rows = torch.ones(2, 2, 3)
    rows[1] = 0
    with pytest.raises(CollectionError, match="sentence b has no token"):
        Sentences(Table(tuple("ab"), rows, torch.tensor([0, 1, 2])))


class Below(nn.Module):
    """A tower whose rows are its tokens."""

    width, side = 4, 2

    def forward(self, rows: torch.Tensor) -> States:
        return States(rows.mean(1), rows)


def test_a_token_transformer_begins_at_the_tower_below() -> None:
    """And what it adds then depends on all places."""
    torch.manual_seed(SEED)
    tower, rows = TokenTransformer(Below(), 8, 1, 0.0).eval(), torch.randn(3, 4, 4)
    for made, below in zip(tower(rows), Below()(rows), strict=True):
        assert torch.equal(made, below)
    nn.init.normal_(tower.leave.weight)
    before, changed = tower(rows), rows.clone()
    changed[0, 3] += torch.randn(4)
    moved = tower(changed).tokens[0, :3] - before.tokens[0, :3]
    assert (moved.abs().amax(1) > 1e-4).all()


def count(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def running(counts: list[int]) -> torch.Tensor:
    return torch.cumsum(torch.tensor([0, *counts]), 0)


def owner(counts: list[int]) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
