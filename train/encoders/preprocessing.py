"""How images become pixels, from the ways in which it is published to the one of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.errors import InputError

_RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # Pillow's numbers


def preprocessing(config: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Return how images are resized, cropped and scaled.

    Args:
        config: in transformers' form, or with sizes named `resize_shorter_side` and `image_size`.
            What it does not say is never guessed.
        where: names the configuration in errors.

    Raises:
        InputError: it lacks something, or asks for what cannot be done.
    """
    if config.get("do_resize") is False:
        raise InputError(f"{where} has do_resize false, but zscr always does so; use another model")
    try:
        if "resize_shorter_side" in config:
            keys = ("image_size", "resize_shorter_side", "resample", "rescale", "mean", "std")
            return {key: config[key] for key in keys}
        resample = config["resample"]
        if type(resample) is not int or not 0 <= resample < len(_RESAMPLE):
            raise KeyError(resample)
        return {**_sizes(config, where), "resample": _RESAMPLE[resample], **_scaling(config)}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{where} lacks {error}, or zscr does not know its value; add it"
        ) from error


def _sizes(config: Mapping[str, Any], where: object) -> dict[str, int]:
    """Return the side of the square, and the shorter side before the crop where there is one."""
    size, crop = config["size"], config["crop_size"] if config.get("do_center_crop") else None
    if isinstance(size, Mapping) and "height" in size:  # both sides given: to a square
        sides = [size["height"], size["width"]]
        if sides[0] != sides[1]:
            raise InputError(f"{where}: images of {sides[1]}x{sides[0]} pixels are no squares")
        if crop is None or _side(crop) == sides[0]:
            return {"image_size": sides[0]}
        return {"image_size": _side(crop), "resize_square": sides[0]}
    shorter = _side(size)
    return {"image_size": shorter if crop is None else _side(crop), "resize_shorter_side": shorter}


def _side(size: int | Mapping[str, int]) -> int:
    """Return the one number of a size.

    Raises:
        KeyError: it has several, or none that is known.
    """
    if isinstance(size, int):
        return size
    named = {name: side for name, side in size.items() if side is not None}
    if len({*named.values()}) != 1 or not named.keys() <= {"height", "width", "shortest_edge"}:
        raise KeyError(f"size {dict(size)}")
    return next(iter(named.values()))


def _scaling(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `rescale`, `mean` and `std`: a pixel p of 0 to 255 becomes (p * rescale - mean) / std.

    A step that is switched off is the same with 1, 0 or 1. EfficientNet's two further steps are in
    it as well: it subtracts 1 before the mean (`rescale_offset`), which is one more in the mean,
    and divides by `std` once more at the end (`include_top`):
    ((p s - 1) - m) / d / d = (p s - (m + 1)) / d^2.
    """
    rescale = 1.0 if config.get("do_rescale") is False else config["rescale_factor"]
    normalised = config.get("do_normalize") is not False
    mean = config["image_mean"] if normalised else [0.0, 0.0, 0.0]
    std = config["image_std"] if normalised else [1.0, 1.0, 1.0]
    if config.get("rescale_offset"):
        mean = [one + 1 for one in mean]
    if config.get("include_top"):
        std = [one * top for one, top in zip(std, config["image_std"], strict=True)]
    return {"rescale": rescale, "mean": [*mean], "std": [*std]}
