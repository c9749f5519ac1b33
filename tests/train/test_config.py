"""Settings: what a user may set, in which form, and what is refused before training starts."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib.resources import files

import pytest

from zscr.errors import ConfigError
from zscr.train.fit import load_recipe
from zscr.train.methods import (
    METHODS,
    default_mode,
    figure_names,
    load_method,
    make_config,
    selection_split,
)

RECIPES = sorted(p for p in (files("zscr.train") / "recipes").iterdir() if p.name != "__init__.py")


MODES = [(method, mode) for method, modes in METHODS.items() for mode in modes]


@pytest.mark.parametrize(("method", "mode"), MODES)
def test_defaults_make_a_config(method: str, mode: str) -> None:
    """Nothing needs to be set, and every setting can be given as its own string."""
    config = make_config(method, mode, {})
    assert config == load_method(method, mode).Config()
    spelt = {name: str(value) for name, value in dataclasses.asdict(config).items()}
    assert make_config(method, mode, spelt) == config
    assert default_mode(method) == METHODS[method][0]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rounds", "12", 12),
        ("csem_lr", "1e-4", 1e-4),
        ("csem_lr", 1, 1.0),
        ("gf_dim", 64.0, 64),
        ("zero_pad_tail", "True", True),
        ("zero_pad_tail", False, False),
        ("class_texts", "all", "all"),
    ],
)
def test_values_become_the_fields_types(name: str, text: object, value: object) -> None:
    """Strings of the command line and numbers of a recipe become the type of the default."""
    found = getattr(make_config("zscrgan", "reference", {name: text}), name)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bath_size": 3}, "no setting 'bath_size'; it has batch_size, gf_dim, .*seed"),
        ({"rounds": "many"}, "rounds='many' is not a int"),
        ({"rounds": "1.5"}, "rounds='1.5' is not a int"),
        ({"rounds": 1.5}, "rounds=1.5 is not a int"),
        ({"rounds": True}, "rounds=True is not a int"),
        ({"gf_dim": [64]}, r"gf_dim=\[64\] is not a int"),
        ({"csem_lr": "fast"}, "csem_lr='fast' is not a float"),
        ({"csem_lr": "nan"}, "csem_lr=nan must be a number from 0 up"),
        ({"generator_lr": "-1"}, "generator_lr=-1.0 must be a number from 0 up"),
        ({"zero_pad_tail": "yes"}, "zero_pad_tail='yes' is not a bool"),
        ({"rounds": 0}, "rounds=0 must be at least 1"),
        ({"validate_every": "0"}, "validate_every=0 must be at least 1"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"class_texts": "some"}, "class_texts='some' is unknown; use one of first, all"),
        ({"wrong_class": "same"}, "wrong_class='same' is unknown; use one of previous, random"),
        ({"precision": "fp64"}, "precision='fp64' is unknown; use one of fp32, tf32, bf16"),
        ({"joint": True, "triplet": False}, "joint=true trains CSEM by .* which triplet=false"),
        ({"select_by": "map"}, "select_by='map' is unknown; use one of .*mAP"),
    ],
)
def test_wrong_settings_are_one_sentence(values: dict[str, object], message: str) -> None:
    """An unknown key or a value that could not mean anything names what is allowed."""
    with pytest.raises(ConfigError, match=message):
        make_config("zscrgan", "reference", values)


def test_unknown_methods_are_one_sentence() -> None:
    """The names that there are come with the refusal."""
    with pytest.raises(ConfigError, match="'clap' is unknown; use one of zscrgan"):
        default_mode("clap")
    with pytest.raises(ConfigError, match="zscrgan has no mode 'best'; use one of .*reference"):
        load_method("zscrgan", "best")


def test_ceilings_select_nothing() -> None:
    """What is the same for all weights cannot choose among them."""
    assert {"mAP", "Prec@50 macro"} <= set(figure_names())
    assert not [name for name in figure_names() if "ceiling" in name]


def test_there_are_recipes() -> None:
    """The folder is found in the installed package."""
    assert {"zscrgan-aviary.toml"} <= {path.name for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipes_suit_their_methods(path) -> None:
    """Every recipe is named after its method, sets what there is, and names encoders only."""
    recipe = tomllib.loads(path.read_text("utf-8"))
    method, collection = path.name.removesuffix(".toml").split("-", 1)
    assert set(recipe) <= {"encoders", *METHODS[method]}
    assert set(recipe.get("encoders", {})) <= {"image", "text"}
    for mode in METHODS[method]:
        config, settings = make_config(method, mode, recipe.get(mode, {})), recipe.get(mode, {})
        assert {name: getattr(config, name) for name in settings} == settings
        assert selection_split(config) == "val"  # what a collection is compared by is honest
    assert load_recipe(method, collection) == recipe


def test_a_collection_without_a_recipe_has_the_defaults() -> None:
    """No recipe is no error: the method's own defaults hold."""
    assert load_recipe("zscrgan", "no-such-collection") == {}
