"""The key of an engine: everything that its bytes depend on changes it."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.infer.engines.conftest import A10, RTX
from zscr.infer.engines.recipe import Recipe, recipe_from

NAMES = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=9)
SIZES = st.integers(1, 1 << 20)
CAPABILITIES = st.integers(10, 200).map("SM{}".format)
DEVICES = st.builds(type(A10), NAMES, CAPABILITIES, NAMES)
MAYBE = st.none() | NAMES
TOOLCHAINS = st.builds(
    type(RTX), NAMES, NAMES, MAYBE, st.lists(CAPABILITIES).map(tuple), st.none() | DEVICES
)
RECIPES = st.builds(
    Recipe,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    NAMES,
    TOOLCHAINS,
    st.lists(SIZES, min_size=1, max_size=5).map(tuple),
    st.tuples(SIZES, SIZES, SIZES),
    st.none() | SIZES,
)


def parts(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of each part of a recipe, those of its toolchain and GPU too."""
    if not is_dataclass(value):
        return [path]
    return [one for f in fields(value) for one in parts(getattr(value, f.name), (*path, f.name))]


def exchanged(value: Any, other: Any, path: tuple[str, ...]) -> Any:
    """Return a recipe with one part of another's."""
    if not path or not (is_dataclass(value) and is_dataclass(other)):
        return other
    part = exchanged(getattr(value, path[0]), getattr(other, path[0]), path[1:])
    return replace(value, **{path[0]: part})


@given(RECIPES, RECIPES, st.data())
def test_any_changed_part_changes_the_key(one: Recipe, other: Recipe, data: st.DataObject) -> None:
    """And nothing else: the same parts have the same key, and are read back from the manifest."""
    changed = exchanged(one, other, data.draw(st.sampled_from(parts(one))))
    assert (changed.key == one.key) == (changed == one)
    assert recipe_from(asdict(one)) == one


def test_every_part_of_the_environment_is_in_the_recipe() -> None:
    """Whatever a plan is bound to: two models of one structure must not share one, nor two GPUs."""
    recipe = Recipe("0" * 64, "fp16", replace(RTX, device=A10), (1,), (1, 1, 1), None)
    assert {path[-1] for path in parts(recipe)} == {
        *("onnx", "precision", "library", "version", "cuda", "targets", "name", "capability"),
        *("driver", "batches", "lengths", "workspace"),
    }
