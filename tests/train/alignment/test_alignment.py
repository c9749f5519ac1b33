"""The alignment's terms: how they are weighted, and what they can be solved by."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from zscr.train.methods.alignment.alignment import Alignment, Side
from zscr.train.methods.alignment.fusion import Pairing, TextFusion, VisualFusion, Words
from zscr.train.methods.alignment.triplet import Distance
from zscr.train.methods.alignment.tuples import Tuples, draw_tuples
from zscr.train.vision.tower import States

WIDTH, SIDE, CLASSES, EACH = 16, 2, 12, 2
SEED = 7
UNDECIDED = 0.49**2  # of the relation loss: sigmoids of one half
STARTS = torch.arange(CLASSES + 1) * EACH


@dataclass(frozen=True)
class Settings:
    lambda_tri: float = 1.0
    lambda_rn: float = 1.0
    tri_pre: bool = True
    rn_pre: bool = False
    distance: Distance = "euclidean"
    margin: float = 1.0


def test_weights_are_shared_by_what_is_before_and_after_fusion() -> None:
    """Without fusion each term has its whole weight; with it the triplets share theirs."""
    plain = terms(Settings(lambda_tri=2, lambda_rn=4), None)
    assert set(plain) == {"tri_pre", "rn"}
    fused = terms(Settings(lambda_tri=2, lambda_rn=4))
    assert set(fused) == {"tri_pre", "tri", "rn"}
    assert plain["tri_pre"] == pytest.approx(2 * fused["tri_pre"])
    assert fused["rn"] == pytest.approx(4 * terms(Settings())["rn"])
    both = terms(Settings(lambda_rn=4, rn_pre=True))
    assert both["rn"] == pytest.approx(fused["rn"] / 2)
    assert both["rn_pre"] == pytest.approx(plain["rn"] / 2)
    assert set(terms(Settings(lambda_rn=0))) == {"tri_pre", "tri"}
    assert set(terms(Settings(lambda_tri=0))) == {"rn"}
    after = terms(Settings(lambda_tri=2, tri_pre=False))
    assert after["tri"] == pytest.approx(2 * fused["tri"])
    assert "tri_pre" not in after


def test_pairing_decides_what_the_other_image_reads() -> None:
    """With texts that are alike in all classes it decides nothing."""
    settings = Settings()
    assert terms(settings)["tri"] != pytest.approx(terms(settings, "own")["tri"], abs=1e-4)
    alike = terms(settings, "own", alike=True)
    assert terms(settings, alike=True) == pytest.approx(alike)


def test_places_are_what_relations_before_fusion_compare() -> None:
    """What re-ranks is what was trained with `rn_pre`."""
    torch.manual_seed(SEED)
    module = Alignment(Settings(rn_pre=True), (WIDTH, SIDE), 8, None).eval()
    sketches, images, tuples = batch()
    places = module.places(sketches.states), module.places(images.states)
    pairs = (tuples.sketch, tuples.image), (tuples.other_sketch, tuples.other_image)
    scores = [module.relation.relate(places[0][s], places[1][i]).sigmoid() for s, i in pairs]
    wanted = torch.cat([scores[0] - 0.99, scores[1] - 0.01]).square().mean()
    torch.testing.assert_close(module(sketches, images, tuples)["rn"], wanted)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_noise_is_aligned_by_own_texts_and_not_by_the_anchors(distance: Distance) -> None:
    """States without a class leave only texts to tell classes by.

    `own` texts do; `anchor` texts are the same in all of a tuple, so its losses stay at what
    undecided ones cost: the margin, and .49². They begin above it, and collapse leads there.
    """
    margin = 1.0 if distance == "euclidean" else 0.3
    settings = Settings(tri_pre=False, distance=distance, margin=margin)
    triplet, relation = on_noise(settings, "anchor")
    assert triplet > 0.97 * margin
    assert relation > 0.97 * UNDECIDED
    triplet, relation = on_noise(settings, "own")
    assert triplet < 0.5 * margin
    assert relation < 0.6 * UNDECIDED


def test_pairs_attend_to_each_other() -> None:
    """What a sketch is fused to depends on the image that it is paired with, and on no other."""
    torch.manual_seed(SEED)
    module = Alignment(Settings(), (WIDTH, SIDE), WIDTH, VisualFusion(WIDTH, 20)).eval()
    sketches, images, tuples = batch()
    before = module(sketches, images, tuples)["rn"]
    unpaired = set(range(CLASSES * EACH)) - {*tuples.image.tolist(), *tuples.other_image.tolist()}
    images.states.tokens[[*unpaired]] += 1
    torch.testing.assert_close(module(sketches, images, tuples)["rn"], before)
    images.states.tokens[tuples.image[0]] += torch.randn(WIDTH)
    assert abs(module(sketches, images, tuples)["rn"] - before) > 1e-6


def terms(
    settings: Settings, pairing: Pairing | None = "anchor", *, alike: bool = False
) -> dict[str, float]:
    """Return the terms of a fixed batch, with the same weights at each call; None has no fusion."""
    torch.manual_seed(SEED)
    fusion = TextFusion(WIDTH, WIDTH, 20, pairing or "anchor")
    module = Alignment(settings, (WIDTH, SIDE), WIDTH, fusion).eval().requires_grad_(False)
    if pairing is None:
        module.fusion = None
    read = words(alike=alike)
    return {name: float(one) for name, one in module(*batch(), read).items()}


def on_noise(settings: Settings, pairing: Pairing) -> tuple[float, float]:
    """Train on new noise at each step; return the last triplets and relations after fusion."""
    torch.manual_seed(SEED)
    fusion = TextFusion(WIDTH, WIDTH, 2 * WIDTH, pairing)
    module = Alignment(settings, (WIDTH, SIDE), WIDTH, fusion)
    optimizer = torch.optim.AdamW(module.parameters(), 1e-2)
    noise, read, losses = torch.Generator().manual_seed(SEED), words(), []
    for _ in range(120):
        found = module(*batch(noise), read)
        losses.append([float(found[name].detach()) for name in ("tri", "rn")])
        optimizer.zero_grad()
        (found["tri"] + found["rn"]).backward()
        optimizer.step()
    triplet, relation = torch.tensor(losses[-20:]).mean(0).tolist()
    return triplet, relation


def batch(noise: torch.Generator | None = None) -> tuple[Side, Side, Tuples]:
    drawn = noise or torch.Generator().manual_seed(SEED)
    every = torch.arange(CLASSES * EACH)
    return side(drawn), side(drawn), draw_tuples(every, STARTS, STARTS, drawn)


def side(noise: torch.Generator) -> Side:
    pooled = torch.randn(CLASSES * EACH, WIDTH, generator=noise)
    tokens = torch.randn(CLASSES * EACH, SIDE**2, WIDTH, generator=noise)
    return Side(States(pooled, tokens), pooled)


def words(*, alike: bool = False) -> Words:
    tokens = torch.randn(CLASSES, 5, WIDTH, generator=torch.Generator().manual_seed(SEED))
    if alike:
        tokens = tokens[:1].expand(CLASSES, -1, -1)
    return Words(tokens, torch.ones(CLASSES, 5, dtype=torch.bool))
