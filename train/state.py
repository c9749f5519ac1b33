"""What decides a run's next round besides the weights: optimizers, sampling, random numbers."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from zscr.errors import MismatchError
from zscr.train.methods.contract import Method

Tensors = Mapping[str, torch.Tensor]


def state_tensors(method: Method) -> dict[str, torch.Tensor]:
    """Return the state of optimizers, sampling and the noise generator under flat names."""
    tensors = {"noise": method.noise.get_state()}
    tensors |= {f"sampling/{name}": tensor for name, tensor in method.sampling.items()}
    for name, optimizer in method.optimizers.items():
        for number, entries in optimizer.state_dict()["state"].items():
            for key, value in entries.items():
                tensors[f"{name}/{number}/{key}"] = torch.as_tensor(value).clone()
    return tensors


def restore_state(method: Method, tensors: Tensors) -> None:
    """Restore what `state_tensors` returned, in place.

    Raises:
        MismatchError: it is another kind of device's, whose random numbers are others, or of
            optimizers that keep other states.
    """
    _restore_noise(method.noise, tensors["noise"].cpu())
    method.sampling = _below("sampling", tensors)
    for name, optimizer in method.optimizers.items():
        _restore_optimizer(name, optimizer, _below(name, tensors))


def _below(name: str, tensors: Tensors) -> dict[str, torch.Tensor]:
    start = f"{name}/"
    return {path.removeprefix(start): t for path, t in tensors.items() if path.startswith(start)}


def _restore_noise(noise: torch.Generator, found: torch.Tensor) -> None:
    own = noise.get_state()
    if len(found) != len(own):
        other = "cuda" if noise.device.type == "cpu" else "cpu"
        raise MismatchError(
            f"the run's random state has {len(found)} bytes, on {noise.device.type} it has "
            f"{len(own)}: it was begun on another kind of device; resume it with --device {other}"
        )
    noise.set_state(found)


def _restore_optimizer(name: str, optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for path, tensor in tensors.items():
        number, key = path.split("/")
        state.setdefault(int(number), {})[key] = tensor
    own = optimizer.state_dict()
    for number, entries in own["state"].items():  # torch's own have none before a step
        found = state.get(number, {})
        if entries.keys() != found.keys():
            raise MismatchError(
                f"the run's {name} optimizer keeps {', '.join(found) or 'nothing'}, this "
                f"version's keeps {', '.join(entries)}; begin a new run"
            )
    optimizer.load_state_dict({**own, "state": state})
