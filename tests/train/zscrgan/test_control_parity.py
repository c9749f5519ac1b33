"""Controls have what `zscrgan` has: the same preprocessing and kernel, in numpy and in torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from zscr.infer.evaluation.controls.kernel import kernel_ridge
from zscr.infer.evaluation.controls.preprocessing import Preprocessing
from zscr.infer.features.table import joined
from zscr.train.methods.scaling import Scaling
from zscr.train.methods.zscrgan.improved.method import Config, Method
from zscr.train.methods.zscrgan.improved.scaling import TextScaling
from zscr.train.tables import TensorSplit, to_device, to_numpy

Views = Callable[..., TensorSplit]


def cosines(rows: torch.Tensor) -> np.ndarray:
    """Return what a ranking sees: axes may be turned or left out."""
    return (rows @ rows.T).double().numpy()


@pytest.mark.parametrize("shrink", [0.1, 0.3, 10.0])
def test_preprocessing_is_that_of_the_method(views: Views, shrink: float) -> None:
    """Of other classes' rows, by maps of the seen ones; texts up to the signs of their axes."""
    seen, other = views(), views(8, seed=3)
    images, texts = Scaling(5, rooted=True), TextScaling(7, 7)
    images.fit(seen["image"].rows)
    texts.fit(seen["text"], shrink)
    found = Preprocessing.of(to_numpy(seen), shrink)
    rows = found.image(other["image"].rows.numpy())
    np.testing.assert_allclose(rows, images(other["image"].rows), atol=1e-5)
    rows = found.text(other["text"].rows.numpy())
    np.testing.assert_allclose(rows @ rows.T, cosines(texts(other["text"].rows)), atol=1e-4)


@pytest.mark.parametrize("seed", [2, 24])
@pytest.mark.parametrize("refit", [False, True])
def test_kernel_ridge_is_the_method_before_round_1(views: Views, seed: int, refit: bool) -> None:
    """With every seen image a landmark and queries that are latents: choice, mAP and scores."""
    seen, val, unseen = views(), views(8, seed=seed), views(5, seed=90)
    config = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "batch_size": 4, "query_imagined": 0.0}
    shapes = {"text": (7,), "image": (5,)}
    method = Method(Config(**config, landmarks=24), shapes)
    method.bind(seen, val)
    method.start()
    control = kernel_ridge(to_numpy(seen), to_numpy(val), refit=refit)
    chosen = {"text_shrink": control.chosen["shrink"], "csem_penalty": control.chosen["penalty"]}
    assert method.chosen == chosen | {"query_imagined": 0.0}
    if refit:
        both = to_device(joined(to_numpy(seen), to_numpy(val)), "cpu")
        method = Method(Config(**config, **chosen, landmarks=56), shapes)
        method.bind(both, None)
        method.start()
    with torch.no_grad():
        heads = method.heads()
        queries = heads["text"].module(unseen["text"].rows)
        gallery = heads["gallery"].module(unseen["image"].rows)
    wanted = (queries @ gallery.T / gallery.norm(dim=1)).numpy()
    asked, found = control.embed(to_numpy(unseen))
    np.testing.assert_allclose(asked @ found.T, wanted, atol=0.02)  # JITTER
