"""What `zscrgan` chooses on the validation classes before round 1, and what it judges there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from zscr.infer.evaluation.controls.kernel import MARGIN, PENALTIES
from zscr.infer.evaluation.controls.preprocessing import SHRINKS
from zscr.train.heads import judge
from zscr.train.methods.zscrgan.improved.choice import Choice, choose
from zscr.train.methods.zscrgan.improved.method import Config, Method
from zscr.train.tables import TensorSplit, to_numpy

SHAPES = {"text": (7,), "image": (5,)}
SMALL = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "landmarks": 16, "batch_size": 4}

Views = Callable[..., TensorSplit]


def started(seen: TensorSplit, val: TensorSplit | None, **settings: object) -> Method:
    method = Method(Config(**SMALL | settings), SHAPES)
    method.bind(seen, val)
    method.start()
    return method


def judged(method: Method, val: TensorSplit) -> float:
    """Return the mAP as the loop has it."""
    return judge(method, to_numpy(val), "val", "mAP").figure("mAP")


@pytest.mark.parametrize(("lead", "taken"), [(MARGIN * 0.99, 0), (MARGIN * 1.01, 2)])
def test_a_little_better_is_not_enough(lead: float, taken: int) -> None:
    """The first pair stays unless the best one beats it by the margin, whatever lies between."""
    pairs = [(1.0, 0.1), (1.0, 0.2), (2.0, 0.1)]
    quality = dict(zip(pairs, (0.5, 0.5 - lead, 0.5 + lead), strict=True))
    found = choose(pairs, lambda *pair: quality[pair])
    assert found == Choice(*pairs[taken], quality[pairs[taken]])


@pytest.mark.parametrize("seed", [1, 3])
def test_a_penalty_is_an_images(views: Views, seed: int) -> None:
    """Eight times every seen image fits as once; a tenth of the penalty fits otherwise.

    There are 192 landmarks, so each of the 24 images is one as often in both.
    """
    seen, val, copies = views(), views(8, seed=seed), 8
    image, settings = seen["image"], {"landmarks": 192, "text_shrink": 0.3}
    more = replace(
        image,
        ids=image.ids * copies,
        rows=image.rows.view(6, 4, 5).repeat(1, copies, 1).flatten(0, 1),
        starts=copies * image.starts,
    )
    many = replace(seen, tables={**seen.tables, "image": more})
    once, often = (started(s, val, csem_penalty=0.1, **settings) for s in (seen, many))
    assert judged(often, val) == pytest.approx(judged(once, val), abs=1e-3)
    less = started(seen, val, csem_penalty=0.01, **settings)
    assert abs(judged(less, val) - judged(once, val)) > 0.02


@pytest.mark.parametrize("seed", [2, 6])
def test_queries_are_judged_as_they_are_asked(views: Views, seed: int) -> None:
    """With the imagined part, which changes the winner: it is the one that the loop judges best."""
    seen, val, winners = views(), views(8, seed=seed), set()
    for share in (0.0, 0.9):
        method = started(seen, val, query_imagined=share)
        assert method.chosen["query_imagined"] == share  # which folds keep, of these views
        alone = {}
        for pair in product(SHRINKS, PENALTIES):
            fixed = dict(zip(("text_shrink", "csem_penalty"), pair, strict=True))
            alone[pair] = judged(started(seen, None, query_imagined=share, **fixed), val)
        best = max(alone, key=alone.__getitem__)
        assert (method.chosen["text_shrink"], method.chosen["csem_penalty"]) == best
        assert judged(method, val) == alone[best] > alone[SHRINKS[0], PENALTIES[0]] + MARGIN
        winners.add(best)
    assert len(winners) == 2
