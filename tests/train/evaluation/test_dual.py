"""The linear dual encoder: learns, stops, is chosen on the validation classes, repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zscr.infer.encoder import Rows
from zscr.infer.features.table import Split, Table, joined, starts_of
from zscr.train.evaluation.dual import DualConfig, linear_dual_encoder

# One temperature and few steps: the same code in a fraction of a second.
QUICK = DualConfig(temperatures=(0.1,), dim=16, lr=1e-2, steps=300)


def splits(noise: float = 0.5) -> dict[str, Split[Rows]]:
    """Images are a linear map of their class's text, with noise; classes differ by split."""
    rng = np.random.default_rng(2)
    linear, made = rng.standard_normal((6, 10)), {}
    for name in ("seen", "val", "unseen"):
        texts = rng.standard_normal((24, 6)).astype(np.float32)
        images = texts.repeat(3, 0) @ linear + noise * rng.standard_normal((72, 10))
        tables = {
            "image": (images.astype(np.float32), [3] * 24),
            "text": (texts, [1] * 24),
        }
        made[name] = Split(
            tuple(f"{name}{n}" for n in range(24)),
            {
                which: Table(tuple(map(str, range(len(rows)))), rows, starts_of(counts))
                for which, (rows, counts) in tables.items()
            },
        )
    return made


def backwards(split: Split[Rows]) -> Split[Rows]:
    """Give every class the images of another, so that nothing of it can be learnt."""
    images = replace(split["image"], rows=split["image"].rows[::-1].copy())
    return replace(split, tables={**split.tables, "image": images})


def test_it_learns_and_says_what_was_chosen() -> None:
    """Unseen classes are found far above chance; the best weights are those that `val` liked."""
    made = splits()
    control = linear_dual_encoder(made["seen"], made["val"], seed=7, config=QUICK)
    report = control.judge(made["unseen"], "unseen").report()
    assert report.metrics["mAP"] > 8 * report.chance
    quality = control.judge(made["val"], "val").average_precision().mean()
    assert control.chosen["val_mAP"] == pytest.approx(quality)
    assert control.chosen["temperature"] == 0.1
    assert 0 < control.chosen["step"] <= 300
    assert control.chosen["step"] % QUICK.look == 0


def test_the_seed_alone_decides() -> None:
    """The same seed gives the same embeddings, another one does not."""
    made = splits()
    rows = [
        linear_dual_encoder(made["seen"], made["val"], seed=s, config=QUICK)
        .judge(made["unseen"], "unseen")
        .queries
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.abs(rows[0] - rows[2]).max() > 0.01


def test_it_stops_where_nothing_is_gained() -> None:
    """With validation images of other texts there is nothing to gain for long.

    The weights are those of the best look; it is no better `patience` looks and more before.
    """
    made = splits()
    val, config = backwards(made["val"]), replace(QUICK, steps=5000, patience=4)
    stopped = linear_dual_encoder(made["seen"], val, seed=7, config=config)
    assert stopped.chosen["step"] < 1000
    assert not stopped.chosen["step_at_edge"]
    quality = stopped.judge(val, "val").average_precision().mean()
    assert stopped.chosen["val_mAP"] == pytest.approx(quality)


def test_patience_is_counted_in_looks_without_a_gain() -> None:
    """Had it been patient for longer, it would have found better weights further on."""
    made, found = splits(), {}
    for patience in (1, 30):
        config = replace(QUICK, look=1, patience=patience)
        control = linear_dual_encoder(made["seen"], made["val"], seed=7, config=config)
        found[patience] = control.chosen
    assert found[1]["step"] < found[30]["step"]
    assert found[1]["val_mAP"] < found[30]["val_mAP"]


def test_the_validation_classes_choose_the_temperature() -> None:
    """Of several the one with the best weights, which is said to be at an edge where it is."""
    made, alone = splits(), {}
    for temperature in (0.02, 0.1, 1.0):
        config = replace(QUICK, temperatures=(temperature,))
        chosen = linear_dual_encoder(made["seen"], made["val"], seed=7, config=config).chosen
        alone[temperature] = chosen["val_mAP"]
    assert len(set(alone.values())) == 3
    config = replace(QUICK, temperatures=(0.02, 0.1, 1.0))
    chosen = linear_dual_encoder(made["seen"], made["val"], seed=7, config=config).chosen
    assert chosen["val_mAP"] == max(alone.values())
    assert alone[chosen["temperature"]] == max(alone.values())
    assert chosen["temperature_at_edge"] == (chosen["temperature"] != 0.1)


def test_the_weights_before_the_first_step_are_a_candidate() -> None:
    """Where steps gain nothing they are kept, and so is a refit's."""
    config = replace(QUICK, lr=0.0, patience=2)
    seen, val, unseen = splits().values()
    refitted = linear_dual_encoder(seen, val, seed=7, config=config, refit=True)
    assert refitted.chosen["step"] == 0
    hand = linear_dual_encoder(joined(seen, val), val, seed=7, config=config)
    for found, wanted in zip(refitted.embed(unseen), hand.embed(unseen), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_refit_is_trained_on_both_splits_for_as_long() -> None:
    """At the temperature, preprocessing and step that the validation classes chose, to the bit."""
    made, config = splits(), replace(QUICK, temperatures=(0.02, 0.1), shrinks=(0.0, 0.3))
    seen, val, unseen = made.values()
    alone = linear_dual_encoder(seen, val, seed=7, config=config)
    refitted = linear_dual_encoder(seen, val, seed=7, config=config, refit=True)
    assert refitted.chosen == alone.chosen
    step, shrink = alone.chosen["step"], alone.chosen["shrink"]
    # one look after that many steps: far better on what is fitted than the one before the first
    fixed = replace(config, temperatures=(alone.chosen["temperature"],), shrinks=(shrink,))
    fixed = replace(fixed, look=step, steps=step)
    hand = linear_dual_encoder(joined(seen, val), val, seed=7, config=fixed)
    assert hand.chosen["step"] == step > 0
    sides = zip(*(control.embed(unseen) for control in (refitted, hand, alone)), strict=True)
    for found, wanted, other in sides:
        np.testing.assert_array_equal(found, wanted)
        assert np.abs(found - other).max() > 0.01


def test_the_validation_classes_choose_the_preprocessing() -> None:
    """Of none and a whitening the better one."""
    made, alone = splits(), {}
    for shrink in (0.0, 0.3):
        config = replace(QUICK, shrinks=(shrink,))
        chosen = linear_dual_encoder(made["seen"], made["val"], seed=7, config=config).chosen
        alone[shrink] = chosen["val_mAP"]
    both = linear_dual_encoder(made["seen"], made["val"], 7, replace(QUICK, shrinks=(0.0, 0.3)))
    assert alone[0.0] != alone[0.3]
    assert alone[both.chosen["shrink"]] == both.chosen["val_mAP"] == max(alone.values())
