"""Scene: everything about one image that does not belong to the species."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POSES = ("perched", "standing", "flying")
BACKDROPS = ("sky", "foliage", "water", "sand", "rocks")
COVERS = ("none", "leaves", "twig", "reeds")

# Small birds are seen from nearer on average, so that the size shows beside a perch, not as pixels.
_ZOOM = {"small": (1.0, 1.4), "medium": (0.9, 1.25), "large": (0.78, 1.05)}


@dataclass(frozen=True)
class Scene:
    """Pose, place and light of one image.

    Attributes:
        pose: one of POSES.
        facing: 1 looks right, -1 left.
        wings: `folded`, `up` or `down`.
        pitch: degrees that the body points upwards.
        nod: degrees that the head points upwards, relative to level.
        looks_back: the head is turned over the back.
        zoom: scale of all things in the image, perch and leaves included.
        shift: (x, y) of the bird's centre from the image's, in image widths.
        backdrop: one of BACKDROPS.
        cover: one of COVERS, what stands in front of the bird.
        brightness: gain of all channels.
        warmth: -1 cold to 1 warm light.
        blur: radius of the Gaussian blur in pixels.
        noise: standard deviation of the sensor noise in grey levels.
        detail: seed of textures, shades of colour and strokes.
    """

    pose: str
    facing: int
    wings: str
    pitch: float
    nod: float
    looks_back: bool
    zoom: float
    shift: tuple[float, float]
    backdrop: str
    cover: str
    brightness: float
    warmth: float
    blur: float
    noise: float
    detail: int


def sample_scene(rng: np.random.Generator, size: str) -> Scene:
    """Draw the scene of a bird of the given size."""
    pose = str(rng.choice(POSES, p=(0.52, 0.3, 0.18)))
    low, high = {"perched": (12, 48), "standing": (4, 38), "flying": (-12, 24)}[pose]
    close = 1.35 if rng.random() < 0.08 else 1.0
    return Scene(
        pose=pose,
        facing=int(rng.choice((-1, 1))),
        wings=_wings(rng, pose),
        pitch=float(rng.uniform(low, high)),
        nod=float(rng.uniform(-16, 22)),
        looks_back=bool(pose != "flying" and rng.random() < 0.14),
        zoom=close * float(rng.uniform(*_ZOOM[size])),
        shift=(float(rng.uniform(-0.05, 0.05)), float(rng.uniform(-0.05, 0.05))),
        backdrop=str(rng.choice(BACKDROPS)),
        cover=str(rng.choice(COVERS, p=(0.52, 0.2, 0.12, 0.16))),
        brightness=float(rng.uniform(0.86, 1.12)),
        warmth=float(rng.uniform(-1, 1)),
        blur=float(rng.choice((0.0, 0.0, 0.4, 0.7))),
        noise=float(rng.uniform(1, 6)),
        detail=int(rng.integers(1 << 32)),
    )


def _wings(rng: np.random.Generator, pose: str) -> str:
    if pose == "flying":
        return str(rng.choice(("up", "down"), p=(0.65, 0.35)))
    return "up" if rng.random() < 0.12 else "folded"
