"""Drawn birds: sketch, photo and what is visible agree with one geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zscr.data.aviary.geometry import Bird, build_bird
from zscr.data.aviary.paint import paint
from zscr.data.aviary.scene import Scene, sample_scene
from zscr.data.aviary.sketch import draw_sketch
from zscr.data.aviary.species import Traits, first_species
from zscr.data.aviary.visibility import visible_traits


def examples(count: int) -> list[tuple[Traits, Scene, Bird]]:
    """Return birds of different species in different scenes."""
    chosen = [species.traits for species in first_species(7)[:: 50 // count]]
    scenes = [sample_scene(np.random.default_rng(i), each.size) for i, each in enumerate(chosen)]
    return [(t, s, build_bird(t, s)) for t, s in zip(chosen, scenes, strict=True)]


def silhouette(bird: Bird, margin: int) -> np.ndarray:
    """Return (128, 128) booleans: what lies within `margin` pixels of the bird."""
    mask = Image.new("L", (128, 128))
    for part in bird.parts:
        points = list(map(tuple, (part.points * 128).tolist()))
        ImageDraw.Draw(mask).polygon(points, 255, outline=255)
    return np.asarray(mask.filter(ImageFilter.MaxFilter(2 * margin + 1))) > 0


def test_visibility_follows_frame_pose_and_cover() -> None:
    """A whole bird shows all; a tail outside the frame, a size in flight, nothing behind a wall."""
    species = next(s for s in first_species(7) if s.traits.tail == "long")
    traits = replace(species.traits, pattern="striped wing")
    scene = replace(
        sample_scene(np.random.default_rng(0), traits.size),
        **{"pose": "standing", "facing": 1, "wings": "folded", "looks_back": False},
        **{"zoom": 0.9, "shift": (0.0, 0.0), "pitch": 10.0, "cover": "none"},
    )

    def visible(**changes: object) -> frozenset[str]:
        changed = replace(scene, **changes)
        return visible_traits(build_bird(traits, changed), changed, traits.pattern)

    assert visible() == set(species.attributes)
    assert visible(shift=(-0.35, 0.0)) == set(species.attributes) - {"tail"}
    assert visible(pose="flying") == set(species.attributes) - {"size"}
    assert visible(shift=(2.0, 0.0)) == {"size"}


def test_sketch_follows_the_bird() -> None:
    """Strokes lie on the bird and reach all along it; on the mirrored bird they do not fit."""
    worse = 0
    for traits, scene, bird in examples(25):
        dark = np.asarray(draw_sketch(bird, scene)) < 160
        on_bird = silhouette(bird, 7)
        assert dark.mean() > 0.01
        assert (dark & on_bird).sum() >= 0.99 * dark.sum()
        strokes = Image.fromarray(dark).convert("L").filter(ImageFilter.MaxFilter(25))
        inside = silhouette(bird, 0)
        assert (inside & (np.asarray(strokes) > 0)).sum() >= 0.95 * inside.sum()
        mirrored = silhouette(build_bird(traits, replace(scene, facing=-scene.facing)), 7)
        worse += (dark & mirrored).sum() < 0.95 * dark.sum()
    assert worse >= 20


def test_a_colour_changes_the_image_only_inside_the_bird() -> None:
    """The image shows the same geometry: repainting the back moves no other pixel."""
    for traits, scene, bird in examples(10):
        scene = replace(scene, blur=0.0)
        other = "red" if traits.back in ("blue", "green") else "blue"
        one, two = (
            np.asarray(paint(t, scene, bird), dtype=int)
            for t in (traits, replace(traits, back=other))
        )
        changed = np.abs(one - two).max(2) > 24
        assert changed.sum() > 100
        assert not (changed & ~silhouette(bird, 3)).any()
