"""Words: sentences about what one image shows, a description of a species, edits of a trait.

Colour words are said of the bird only and a name never occurs in a sentence, so that a caption
can be understood by whoever has learnt the traits from other species.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from zscr.data.aviary.scene import Scene
from zscr.data.aviary.species import COLOURS, Species, Traits

SENTENCES = 5  # per image
_SYNONYM_SHARE = 0.25
_COMPOUND_SHARE = 0.3
_SYNONYMS = {
    "red": ("scarlet", "crimson"),
    "yellow": ("golden", "lemon"),
    "green": ("emerald", "leaf-green"),
    "blue": ("azure", "cobalt"),
    "black": ("jet-black", "sooty"),
    "white": ("snowy", "snow-white"),
}
_SIZES = {"small": ("small", "little"), "medium": ("medium-sized",), "large": ("large", "big")}

# What a bird has ("with ..."), by trait for colours and by value for the others.
_THINGS = {
    "crown": ("a {} crown", "a {} cap", "a {} crown", "{} feathers on top of its head"),
    "back": ("a {} back", "a {} back", "{} feathers along the back"),
    "belly": ("a {} belly", "{} underparts", "a {} breast and belly"),
    "wing": ("{} wings", "{} wings", "{} wing feathers"),
    "plain": ("plain plumage", "unmarked feathers", "neither stripes nor spots"),
    "striped breast": ("a striped breast", "stripes across its breast", "a barred breast"),
    "spotted breast": ("a spotted breast", "spots on its breast", "a speckled breast"),
    "striped wing": ("striped wings", "stripes across the wing", "a barred wing"),
    "spotted wing": ("spotted wings", "spots on the wing", "a speckled wing"),
    "short conical": ("a short conical bill", "a stubby cone-shaped beak", "a short thick beak"),
    "long straight": ("a long straight bill", "a long dagger-like beak", "a straight long beak"),
    "hooked": ("a hooked bill", "a strong hooked beak", "a bill with a hooked tip"),
    "curved": ("a curved bill", "a long down-curved beak", "a sickle-shaped bill"),
    "short": ("a short tail", "a stubby tail", "a very short tail"),
    "long": ("a long tail", "a long slender tail", "a lengthy tail"),
    "forked": ("a forked tail", "a deeply forked tail", "a tail split in two"),
    "fan-shaped": ("a fan-shaped tail", "a tail spread like a fan", "a broad fanned tail"),
}

# The same as statements.
_FACTS = {
    "crown": ("the crown is {}", "the top of the head is {}", "the cap is {}"),
    "back": ("the back is {}", "the back is coloured {}"),
    "belly": ("the belly is {}", "the underside is {}"),
    "wing": ("the wings are {}", "the wing feathers are {}"),
    "plain": ("the plumage is unmarked", "no stripes or spots are to be seen"),
    "striped breast": ("the breast is striped", "stripes run across the breast"),
    "spotted breast": ("the breast is spotted", "spots cover the breast"),
    "striped wing": ("the wings are striped", "stripes run across the wing"),
    "spotted wing": ("the wings are spotted", "spots cover the wing"),
    "short conical": ("the bill is short and conical", "the beak is a stubby cone"),
    "long straight": ("the bill is long and straight", "the beak is a long dagger"),
    "hooked": ("the bill is hooked", "the beak ends in a hook"),
    "curved": ("the bill is curved", "the beak bends down like a sickle"),
    "short": ("the tail is short", "the tail is a mere stub"),
    "long": ("the tail is long", "the tail trails far behind"),
    "forked": ("the tail is forked", "the tail splits in two"),
    "fan-shaped": ("the tail is fan-shaped", "the tail opens like a fan"),
}
_COMPOUNDS = {"crown": "{}-capped", "back": "{}-backed", "belly": "{}-bellied", "wing": "{}-winged"}

_POSES = {
    "perched": ("perched on a branch", "sitting on a branch", "resting on a bough"),
    "standing": ("standing on the ground", "on its feet on the ground", "upright on the ground"),
    "flying": ("in flight", "flying", "on the wing"),
}
_PLACES = {
    "sky": ("against the sky", "under an open sky"),
    "foliage": ("in front of foliage", "before a wall of leaves"),
    "water": ("in front of water", "before rippling water"),
    "sand": ("in front of sand", "before bare sand"),
    "rocks": ("in front of rocks", "before a stony slope"),
}
_COVERS = {"leaves": "leaves", "twig": "a twig", "reeds": "reeds"}

_FRAMES = (
    "{a_bird} with {things}",
    "this {bird} has {things}",
    "{a_bird} {pose}, showing {things}",
    "{pose} {place}, this {bird} has {things}",
    "{place}, {a_bird} with {things}",
    "on this {bird}, {facts}",
    "{a_bird} {place}; {facts}",
    "look for {things} on this {bird}",
    "{facts} in this picture of {a_bird}",
    "here {a_bird} is {pose}, and {facts}",
    "{things} can be seen on this {bird} {pose}",
)
_COVERED_FRAME = "{a_bird} with {things}, and {cover} in the foreground"
_EDITS = ("the same bird with {}", "this bird but with {}", "with {}")


def write_sentences(traits: Traits, scene: Scene, visible: Iterable[str]) -> tuple[str, ...]:
    """Return SENTENCES sentences of different syntax that mention 3 to 5 visible traits each."""
    rng = np.random.default_rng([scene.detail, 7])
    frames = _FRAMES if scene.cover == "none" else (*_FRAMES, _COVERED_FRAME)
    order: list[str] = []
    sentences = []
    for frame in rng.choice(frames, SENTENCES, replace=False):
        count = int(rng.integers(3, 6))
        if len(order) < count:
            # Sorted first: the order of a set of strings differs between processes.
            order += [name for name in rng.permutation(sorted(visible)) if name not in order]
        chosen, order = order[:count], order[count:]
        sentences.append(_sentence(str(frame), traits, scene, chosen, rng))
    return tuple(sentences)


def describe(species: Species, rng: np.random.Generator) -> str:
    """Return a paragraph that names the species and all its traits."""
    traits = species.traits
    first = _joined([_thing("crown", traits, rng), _thing("back", traits, rng)])
    colours = _joined([_fact("belly", traits, rng), _fact("wing", traits, rng)])
    shapes = _joined([_thing("bill", traits, rng), _thing("tail", traits, rng)])
    size = _pick(_SIZES[traits.size], rng)
    return " ".join(
        (
            _finished(f"the {species.name} is {_article(size)} bird with {first}"),
            _finished(colours),
            _finished(_fact("pattern", traits, rng)),
            _finished(f"it has {shapes}"),
        )
    )


def edit(trait: str, traits: Traits, rng: np.random.Generator) -> str:
    """Return the text that asks for a bird's twin with `trait` as in `traits`."""
    return _pick(_EDITS, rng).format(_thing(trait, traits, rng))


def _sentence(
    frame: str, traits: Traits, scene: Scene, chosen: Sequence[str], rng: np.random.Generator
) -> str:
    rest = [name for name in chosen if name != "size"]
    bird = "bird"
    if len(rest) > 1 and rest[0] in _COMPOUNDS and rng.random() < _COMPOUND_SHARE:
        bird = f"{_COMPOUNDS[rest[0]].format(_colour(rest[0], traits, rng))} bird"
        rest = rest[1:]
    if "size" in chosen:
        bird = f"{_pick(_SIZES[traits.size], rng)} {bird}"
    words = {
        "bird": bird,
        "a_bird": _article(bird),
        "things": _joined([_thing(name, traits, rng) for name in rest]),
        "facts": _joined([_fact(name, traits, rng) for name in rest]),
        "pose": _pick(_POSES[scene.pose], rng),
        "place": _pick(_PLACES[scene.backdrop], rng),
        "cover": _COVERS.get(scene.cover, ""),
    }
    return _finished(frame.format(**words))


def _thing(trait: str, traits: Traits, rng: np.random.Generator) -> str:
    value = getattr(traits, trait)
    if value not in COLOURS:
        return _pick(_THINGS[value], rng)
    phrase = _pick(_THINGS[trait], rng)
    colour = _colour(trait, traits, rng)
    if phrase.startswith("a "):
        return _article(phrase[2:].format(colour))
    return phrase.format(colour)


def _fact(trait: str, traits: Traits, rng: np.random.Generator) -> str:
    value = getattr(traits, trait)
    phrase = _pick(_FACTS[trait if value in COLOURS else value], rng)
    return phrase.format(_colour(trait, traits, rng)) if value in COLOURS else phrase


def _colour(trait: str, traits: Traits, rng: np.random.Generator) -> str:
    value = str(getattr(traits, trait))
    return _pick(_SYNONYMS[value], rng) if rng.random() < _SYNONYM_SHARE else value


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _joined(phrases: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(phrases[:-1]), phrases[-1])))


def _finished(sentence: str) -> str:
    return f"{sentence[0].upper()}{sentence[1:]}."
