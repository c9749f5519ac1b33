"""The control groups that limit this process: the folders of Linux's cgroups, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def group_folders(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """Yield the version and the folder of each group that this process is in, and of those around.

    Where there is no /proc (macOS, Windows), or no control group, there is none. A folder may lack
    the file that is looked for, or may not be there at all.

    Args:
        controller: such as `cpu` or `memory`, which version 1 mounts apart.
        root: of the file system, where /proc and /sys are.
    """
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield from ((2, folder) for folder in _around(mount, group))
        elif controller in controllers.split(","):  # `cpu,cpuacct` is mounted under either name
            for name in dict.fromkeys((controller, controllers)):
                yield from ((1, folder) for folder in _around(mount / name, group))


def group_text(path: Path) -> str:
    """Return what a file of a group says; nothing where there is no such file."""
    return path.read_text().strip() if path.is_file() else ""


def _around(mount: Path, group: str) -> Iterator[Path]:
    """Yield the folder of a group, then those around it.

    In a container its own group is mounted as the root, though its name is the host's.
    """
    folder = mount / group.lstrip("/")
    yield from (each for each in (folder, *folder.parents) if each.is_relative_to(mount))
