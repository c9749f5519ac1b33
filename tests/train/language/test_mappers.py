"""Released mappers: by their own names of weights, of any size, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from zscr.errors import InputError
from zscr.train.language.mappers import Im2Text, Phi
from zscr.train.language.released import load_mapper


def test_parameters_are_counted_as_published() -> None:
    """ViT-L/14's: 1,050,368 of Pic2Word, 14,162,688 of SEARLE and LinCIR; ViT-B/32's 6,296,064."""
    counts = [
        sum(weights.numel() for weights in module.parameters())
        for module in (Im2Text(768, 768), Phi(768, 768), Phi(512, 512))
    ]
    assert counts == [1_050_368, 14_162_688, 6_296_064]


def test_im2text_by_hand() -> None:
    """Dropout stands before ReLU, the output has neither, and nothing is normalised."""
    module = Im2Text(2, 1, middle=2, layers=1, dropout=0.5).eval()
    weights = {"layers.0.0.weight": [[1.0, 0], [0, -1]], "layers.0.0.bias": [0.5, 0]}
    weights |= {"fc_out.weight": [[2.0, 1]], "fc_out.bias": [-9]}
    module.load_state_dict({name: torch.tensor(value).float() for name, value in weights.items()})
    assert module(torch.tensor([[3.0, 4]])).item() == 2 * 3.5 + 0 - 9
    assert [type(one) for one in module.layers[0]] == [nn.Linear, nn.Dropout, nn.ReLU]


def test_phi_by_hand() -> None:
    """GELU, not an approximation of it: 1 becomes .841345, the normal distribution's share."""
    module = Phi(1, 1, middle=1).eval()
    state = {name: torch.ones_like(one) for name, one in module.state_dict().items()}
    state |= {name: torch.zeros_like(one) for name, one in state.items() if "bias" in name}
    module.load_state_dict(state)
    normal = torch.distributions.Normal(0.0, 1.0)
    once = float(normal.cdf(torch.tensor(1.0)))
    twice = once * float(normal.cdf(torch.tensor(once)))
    assert module(torch.ones(1, 1)).item() == pytest.approx(twice, abs=1e-6)


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def test_checkpoints_of_each_kind_are_read(tmp_path: Path) -> None:
    """Sizes by the shapes; names of several GPUs; what stands beside them is passed over."""
    deep, phi = Im2Text(6, 5, middle=4, layers=3), Phi(6, 5, middle=7)
    several = {f"module.{name}": one for name, one in deep.state_dict().items()}
    optimizer = torch.optim.AdamW(deep.parameters()).state_dict()
    beside = {"epoch": 3, "name": "run", "optimizer": optimizer, "state_dict": {}}
    files = {
        "pic2word": saved(tmp_path / "a.pt", {"state_dict_img2text": several, **beside}),
        "searle": saved(tmp_path / "SEARLE_ViTB32.pt", {"Phi": phi.state_dict(), "epoch": 1}),
        "lincir": saved(tmp_path / "lincir_large.pt", {"Phi": phi.half().state_dict()}),
    }
    save_file(deep.state_dict(), tmp_path / "plain.safetensors")
    rows = torch.randn(3, 6)
    for method, path in files.items():
        mapper = load_mapper(path)
        own = deep.eval() if method == "pic2word" else phi.float().eval()
        assert (mapper.method, mapper.dim, mapper.width) == (method, 6, 5)
        np.testing.assert_allclose(mapper.module(rows), own(rows).detach(), atol=1e-3)
        assert not mapper.module.training
        assert mapper.template == (
            "a photo of * , {}" if method == "pic2word" else "a photo of * that {}"
        )
    plain = load_mapper(tmp_path / "plain.safetensors")
    assert (plain.module(rows) - deep(rows)).abs().max() < 1e-6


def im2text() -> dict[str, torch.Tensor]:
    return Im2Text(6, 5, middle=4).state_dict()


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: one for key, one in im2text().items() if key != name}


BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "no names": (lambda: [torch.ones(1)], "holds a list and no weights with names"),
    "empty": (dict, "holds no weights with names"),
    "a model": (lambda: {"logit_scale": torch.ones(1)}, "is no mapper of a known kind"),
    "no tensors": (lambda: {"Phi": {"layers.0.weight": 3}}, "a int, where a mapper has weights"),
    "lacking": (lambda: {"state_dict_img2text": without("fc_out.bias")}, "lacks fc_out.bias"),
    "more": (lambda: im2text() | {"ln.weight": torch.ones(1)}, r"no mapper has: ln\.weight"),
    "a gap": (lambda: without("layers.0.0.weight"), "has what no mapper has|ask for|lacks"),
    "misfit": (lambda: im2text() | {"fc_out.bias": torch.ones(9)}, r"shape \(9,\), .* \(5,\)"),
    "NaN": (lambda: im2text() | {"fc_out.bias": torch.full((5,), torch.nan)}, "holds no numbers"),
    "inflated": (
        lambda: im2text() | {"layers.0.0.weight": torch.ones(1, 1).expand(1 << 20, 1 << 30)},
        "says to be larger than the file is",
    ),
    "meta": (lambda: im2text() | {"fc_out.bias": torch.ones(5, device="meta")}, "has no numbers"),
    "sparse": (lambda: im2text() | {"fc_out.bias": torch.ones(5).to_sparse()}, "is sparse or"),
    "code": (lambda: {"Phi": Phi(2, 2)}, "hold more than tensors"),
}


@pytest.mark.parametrize(("content", "why"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_mapper_is_refused(tmp_path: Path, content: Callable[[], Any], why: str) -> None:
    """Each in one sentence; pickles of anything but tensors are not even loaded."""
    with pytest.raises(InputError, match=why):
        load_mapper(saved(tmp_path / "mapper.pt", content()))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Missing, a folder, and bytes of something else."""
    (tmp_path / "text.pt").write_text("words")
    (tmp_path / "text.safetensors").write_text("words")
    for name in ("absent.pt", ".", "text.pt", "text.safetensors"):
        with pytest.raises(InputError, match=r"absent|folder|no mapper|pickled"):
            load_mapper(tmp_path / name)
