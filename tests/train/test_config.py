"""Settings: what a user may set, in which form, and what is refused before training starts."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib.resources import files
from types import ModuleType

import pytest

from zscr.errors import ConfigError
from zscr.train.fit import load_recipe
from zscr.train.methods.registry import METHODS, load_method
from zscr.train.methods.settings import as_dict, make_config, make_head_settings, selection_split

RECIPES = sorted(p for p in (files("zscr.train") / "recipes").iterdir() if p.name != "__init__.py")


@pytest.mark.parametrize("method", METHODS)
def test_defaults_make_a_config(method: str) -> None:
    """Nothing needs to be set, and every setting can be given as its own string."""
    config = make_config(method, {})
    assert config == load_method(method).Config()
    spelt = {name: str(value) for name, value in dataclasses.asdict(config).items()}
    assert make_config(method, spelt) == config
    assert as_dict(config) == dataclasses.asdict(config)


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
    found = getattr(make_config("zscrgan-reference", {name: text}), name)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bath_size": 3}, "no setting 'bath_size'; it has batch_size, gf_dim, .*seed"),
        ({"landmarks": 3}, r"no setting 'landmarks' \(method zscrgan has\); it has batch_size"),
        ({"mode": "reference"}, "zscrgan-reference has no setting 'mode'; it has batch_size"),
        ({"rounds": "many"}, "rounds='many' is not a int"),
        ({"rounds": "1.5"}, "rounds='1.5' is not a int"),
        ({"rounds": 1.5}, "rounds=1.5 is not a int"),
        ({"rounds": True}, "rounds=True is not a int"),
        ({"gf_dim": [64]}, r"gf_dim=\[64\] is not a int"),
        ({"csem_lr": "fast"}, "csem_lr='fast' is not a float"),
        ({"csem_lr": "nan"}, "csem_lr=nan must be a number from 0 up"),
        ({"generator_lr": "-1"}, "generator_lr=-1.0 must be a number from 0 up"),
        ({"zero_pad_tail": "yes"}, "zero_pad_tail='yes' is not a bool"),
        ({"rounds": -1}, "rounds=-1 must be at least 0"),
        ({"rounds": 0, "select_by": "loss/csem"}, "rounds=0 makes no loss, so select_by=loss/csem"),
        ({"validate_every": "0"}, "validate_every=0 must be at least 1"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"class_texts": "some"}, "class_texts='some' is unknown; use one of first, all"),
        ({"wrong_class": "same"}, "wrong_class='same' is unknown; use one of previous, random"),
        ({"precision": "fp64"}, "precision='fp64' is unknown; use one of fp32, tf32, bf16"),
        ({"joint": True, "triplet": False}, "joint=true trains CSEM by .* which triplet=false"),
        ({"select_by": "map"}, "select_by='map' is no figure; use one such as mAP, Prec@10 macro"),
        ({"select_by": "Prec@0 macro"}, "select_by='Prec@0 macro' is no figure"),
        ({"select_by": "Prec@50 ceiling"}, "select_by='Prec@50 ceiling' is no figure"),
    ],
)
def test_wrong_settings_are_one_sentence(values: dict[str, object], message: str) -> None:
    """An unknown key or a value that could not mean anything names what is allowed."""
    with pytest.raises(ConfigError, match=message):
        make_config("zscrgan-reference", values)


@pytest.mark.parametrize("figure", ["mAP", "mAP macro", "Prec@7 macro", "Prec@3 micro", "Recall@2"])
def test_every_figure_of_a_report_may_select(figure: str) -> None:
    """Of any k; what is the same for all weights, a ceiling, may not."""
    assert make_config("zscrgan", {"select_by": figure}).select_by == figure


def test_unknown_methods_are_one_sentence(plain: ModuleType) -> None:
    """The names that there are come with the refusal, those of plug-ins among them."""
    with pytest.raises(
        ConfigError, match="'clap' is unknown; .* zscrgan, zscrgan-reference, plain"
    ):
        load_method("clap")
    assert load_method("plain") is plain


def test_a_plug_ins_settings_are_typed_and_checked(plain: ModuleType) -> None:
    """As those of zscr's own methods are; zscr's are named where a setting is one of theirs."""
    config = make_config("plain", {"asks": "sketch", "composed": "true", "rate": "0.5"})
    assert config == plain.Config(asks="sketch", composed=True, rate=0.5)
    with pytest.raises(ConfigError, match="asks='speech' is unknown; use one of text, sketch"):
        make_config("plain", {"asks": "speech"})
    with pytest.raises(ConfigError, match=r"plain has no setting 'z_dim' \(method zscrgan has\)"):
        make_config("plain", {"z_dim": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"noise": 2}, "a trained plain has no setting 'noise'; it has doubled, weight"),
        ({"doubled": 2}, "doubled=2 is not a bool"),
        ({"weight": "-1"}, "weight=-1.0 must be at least 0"),
        ({"weight": "nan"}, "weight=nan must be at least 0"),
    ],
)
def test_wrong_settings_of_heads_are_one_sentence(
    plain: ModuleType, values: dict[str, object], message: str
) -> None:
    """They are the keyword arguments of `heads`, typed by their defaults."""
    method = plain.Method(plain.Config(), {"text": (3,), "image": (4,)}, "cpu")
    assert make_head_settings("plain", method, {"doubled": "true"}) == {"doubled": True}
    with pytest.raises(ConfigError, match=message):
        make_head_settings("plain", method, values)


def test_there_are_recipes() -> None:
    """The folder is found in the installed package."""
    names = {"zscrgan-aviary.toml", "zscrgan-reference-aviary.toml"}
    assert names <= {path.name for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipes_suit_their_methods(path) -> None:
    """Every recipe is named after its method, sets what there is, and names encoders only."""
    recipe = tomllib.loads(path.read_text("utf-8"))
    name = path.name.removesuffix(".toml")
    method = max((m for m in METHODS if name.startswith(f"{m}-")), key=len)
    assert set(recipe) <= {"encoders", "settings", "refit"}
    assert isinstance(recipe.get("refit", True), bool)
    assert set(recipe.get("encoders", {})) <= {"image", "text"}
    settings = recipe.get("settings", {})
    config = make_config(method, settings)
    assert {name: getattr(config, name) for name in settings} == settings
    assert selection_split(config) == "val"  # what a collection is compared by is honest
    assert load_recipe(method, name.removeprefix(f"{method}-")) == recipe


def test_a_collection_without_a_recipe_has_the_defaults() -> None:
    """No recipe is no error: the method's own defaults hold."""
    assert load_recipe("zscrgan", "no-such-collection") == {}
