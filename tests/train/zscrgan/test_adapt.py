"""`zscrgan` adapted to unlabelled images: what it infers, what it solves, what it leaves alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from zscr.errors import ConfigError
from zscr.infer.features.table import Split, Table
from zscr.train.methods.contract import Unlabelled
from zscr.train.methods.losses import unit
from zscr.train.methods.zscrgan.improved.adapt import Trained, gallery_sums, infer_latents
from zscr.train.methods.zscrgan.improved.gallery_e_step import BLOCK
from zscr.train.methods.zscrgan.improved.kernel import JITTER
from zscr.train.methods.zscrgan.improved.method import Config, Method
from zscr.train.tables import TensorSplit, to_numpy

SHAPES = {"text": (16,), "image": (36,)}
SMALL = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "landmarks": 64, "batch_size": 4, "e_steps": 1}
SMALL |= {"text_shrink": 0.3, "csem_penalty": 5e-3}
CLASSES, IMAGES = 8, 20  # of the unseen ones
FITTED, EACH = 40, 6

Likenesses = Callable[..., TensorSplit]


@pytest.fixture(scope="module")
def likenesses(split_of: Callable[..., TensorSplit]) -> Likenesses:
    """Return a function that makes classes whose images text tells little of, one by one.

    Four features of an image are what the text says, drowned in noise; 32 are the class's own,
    which no text speaks of: by these the images of a class find each other.
    """

    def make(classes: int, seed: int, images: int) -> TensorSplit:
        noise = torch.Generator().manual_seed(seed)
        centres = torch.randn(classes, 4, generator=noise)
        said = centres + 0.1 * torch.randn(classes, 4, generator=noise)
        told = centres.repeat_interleave(images, 0)
        told = told + torch.randn(told.shape, generator=noise)
        own = (0.3 * torch.randn(classes, 32, generator=noise)).repeat_interleave(images, 0)
        own = own + 0.2 * torch.randn(own.shape, generator=noise)
        texts = said @ torch.randn(4, 16, generator=torch.Generator().manual_seed(9))
        both = torch.cat([told, own], 1)
        return split_of(both, texts, [images] * classes, [1] * classes)

    return make


@pytest.fixture
def fitted(likenesses: Likenesses) -> TensorSplit:
    return likenesses(FITTED, 0, EACH)


@pytest.fixture
def trained(fitted: TensorSplit) -> Callable[..., Method]:
    """Return a function that starts a method with settings."""

    def make(seen: TensorSplit = fitted, **settings: object) -> Method:
        method = Method(Config(**SMALL | settings), SHAPES)
        method.bind(seen, None)
        method.start()
        return method

    return make


@pytest.fixture
def unseen(likenesses: Likenesses) -> TensorSplit:
    return likenesses(CLASSES, 2, IMAGES)


def halves(unseen: TensorSplit) -> tuple[np.ndarray, np.ndarray]:
    """Return each class's first ten images, which are adapted to, and ten new ones."""
    rows = unseen["image"].rows.view(CLASSES, 2, IMAGES // 2, -1)
    first, second = (rows[:, half].reshape(CLASSES * IMAGES // 2, -1).numpy() for half in (0, 1))
    return first, second


def names(split: TensorSplit, count: int = CLASSES) -> Any:
    """Return the first classes' texts as a list of names."""
    table = to_numpy(split)["text"]
    listed = Table(table.ids[:count], table.rows[:count], table.starts[: count + 1])
    return Split(split.groups[:count], {"text": listed})


def adapted(method: Method, fitted: TensorSplit, *arguments: Any, **options: Any) -> Method:
    """Adapt a copy, whose noise is as a run's that is loaded."""
    other = copy.deepcopy(method)
    other.noise.manual_seed(7)
    other.adapt(fitted, Unlabelled(*arguments), **options)
    return other


def precision(method: Method, unseen: TensorSplit, images: np.ndarray) -> np.ndarray:
    """Return the share of each text's ten best images that are of its class."""
    with torch.no_grad():
        heads = method.heads()
        asked = heads["text"].module(unseen["text"].rows)
        gallery = heads["gallery"].module(torch.from_numpy(images))
        best = (asked @ gallery.T).topk(10).indices // (IMAGES // 2)
    return (best == torch.arange(CLASSES)[:, None]).float().mean(1).numpy()


def test_new_images_are_found_after_an_adaptation(trained, fitted, unseen) -> None:
    """By a plain cosine, on images that were not there; names help more than none."""
    method, (gallery, new) = trained(), halves(unseen)
    before = precision(method, unseen, new).mean()
    found = [
        precision(adapted(method, fitted, gallery, *rest, k=8), unseen, new).mean()
        for rest in ([], [names(unseen)], [names(unseen), True])
    ]
    assert before < 0.4
    assert found[0] > before + 0.25
    assert min(found[1:]) > found[0] + 0.05


def test_a_partial_list_harms_no_others(trained, fitted, unseen) -> None:
    """Half of the names are listed; the other classes gain as without names, from neighbours."""
    method, (gallery, new) = trained(), halves(unseen)
    before = precision(method, unseen, new).reshape(2, -1).mean(1)
    some = adapted(method, fitted, gallery, names(unseen, CLASSES // 2), k=8)
    assert (precision(some, unseen, new).reshape(2, -1).mean(1) > before + 0.2).all()


def test_the_m_step_by_hand(trained, fitted, unseen) -> None:
    """One landmark that is alike to every image: w = (Σ real + 2 · Σ found) / (N + 2 M + penalty).

    All images are then mapped to one direction, which diffusion keeps, so each target is that.
    """
    method, images = trained(landmarks=1, csem_width=0.0), unseen["image"].rows.numpy()
    with torch.no_grad():
        latents = method.text_scaling(fitted["text"].rows)
        direction, length = unit(method.csem.weights)[0], latents.norm(dim=1).mean()
    after = adapted(method, fitted, images, weight=2.0)
    found = EACH * latents.sum(0) + 2 * len(images) * length * direction
    total = EACH * FITTED + 2 * len(images) + method.penalty.item() + JITTER
    torch.testing.assert_close(after.csem.weights[0], found / total, rtol=1e-4, atol=1e-6)


def test_names_are_the_targets_of_their_images(trained, fitted, likenesses) -> None:
    """With as many images a name as there are, all have its latent, at the seen ones' length.

    Of a name with two texts it is the direction of their mean.
    """
    method, other = trained(landmarks=1, csem_width=0.0), likenesses(2, 5, 3)
    images, texts = other["image"].rows.numpy(), to_numpy(other)["text"]
    one = Split(("both",), {"text": Table(texts.ids, texts.rows, np.array([0, 2]))})
    after = adapted(method, fitted, images, one, k=len(images), weight=1.0)
    with torch.no_grad():
        latents = method.text_scaling(fitted["text"].rows)
        name = unit(method.text_scaling(other["text"].rows).mean(0, keepdim=True))[0]
    found = EACH * latents.sum(0) + len(images) * latents.norm(dim=1).mean() * name
    total = EACH * FITTED + len(images) + method.penalty.item() + JITTER
    torch.testing.assert_close(after.csem.weights[0], found / total, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("images", "placed"), [(50, 32), (9, 9)])
def test_up_to_half_of_the_landmarks_are_the_gallerys(
    trained, fitted, likenesses, images: int, placed: int
) -> None:
    """Different images, drawn by the seed; the others stay where they were."""
    method, gallery = trained(), likenesses(images, 6, 1)["image"].rows
    after = adapted(method, fitted, gallery.numpy(), k=2)
    before, now = method.csem.landmarks, after.csem.landmarks
    assert torch.equal(now[: 64 - placed], before[: 64 - placed])
    with torch.no_grad():
        scaled = method.image_scaling(gallery)
    where = torch.cdist(now[64 - placed :], scaled).argmin(1)
    torch.testing.assert_close(scaled[where], now[64 - placed :])
    assert len(set(where.tolist())) == placed
    assert where.tolist() != [*range(placed)]


def test_nothing_but_csem_changes_and_the_same_twice(trained, fitted, unseen) -> None:
    """Texts, scalings and generator stay; the same images and names give the same bits."""
    method, (gallery, _) = trained(), halves(unseen)
    one, two = (adapted(method, fitted, gallery, names(unseen)).state_dict() for _ in range(2))
    moved = {n for n, value in method.state_dict().items() if not torch.equal(value, one[n])}
    assert moved == {"csem.weights", "csem.landmarks"}
    assert all(torch.equal(one[name], two[name]) for name in one)


def parts(method: Method) -> Trained:
    scalings = method.image_scaling, method.text_scaling
    return Trained(*scalings, method.averaged, method.csem, method.penalty, method.noise)


def test_the_sums_of_many_images_are_those_of_their_blocks(trained) -> None:
    """More images than a block holds, against one product in double."""
    method, rng = trained(), np.random.default_rng(0)
    images = rng.random((BLOCK + 7, *SHAPES["image"]), np.float32)
    targets = rng.standard_normal((BLOCK + 7, method.dim), np.float32)
    with torch.no_grad():
        found = gallery_sums(parts(method), images, targets)
        kernels = method.csem.kernel(method.image_scaling(torch.from_numpy(images))).double()
    torch.testing.assert_close(found.gram, kernels.T @ kernels, rtol=1e-5, atol=0)
    wanted = kernels.T @ torch.from_numpy(targets).double()
    torch.testing.assert_close(found.cross, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("complete", [False, True])
def test_seen_images_in_the_gallery_are_kept_from_the_names(
    trained, likenesses, unseen, complete: bool
) -> None:
    """Told that images of five seen classes are there, too, names keep off them."""
    few, (gallery, _) = likenesses(5, 0, EACH), halves(unseen)
    method, taken = trained(few), []
    mixed = np.concatenate([gallery, few["image"].rows.numpy()])
    with torch.no_grad():
        latents = method.text_scaling(few["text"].rows)
        asked = unit(method.text_scaling(unseen["text"].rows)).numpy()
        for told in (False, True):
            given = Unlabelled(mixed, names(unseen), complete, told)
            targets, _ = infer_latents(parts(method), latents, given, 4)
            taken.append(int(((targets[len(gallery) :] @ asked.T).max(1) > 0.9).sum()))
    assert taken[0] >= 10
    assert taken[1] <= 1


@pytest.mark.parametrize("k", [0, 81])
def test_more_images_a_name_than_there_are_is_refused(trained, fitted, unseen, k: int) -> None:
    """With both numbers."""
    gallery, _ = halves(unseen)
    with pytest.raises(ConfigError, match=f"k={k} must be from 1 to 80, the number of images"):
        adapted(trained(), fitted, gallery, names(unseen), k=k)
