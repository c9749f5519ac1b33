"""The cores that may be used, by the quotas of control groups that are written into a folder."""

from __future__ import annotations

import pytest

from zscr.cores import affinity, cpu_quota, usable_cores

HALF = {"cpu.cfs_quota_us": "50000\n", "cpu.cfs_period_us": "100000\n"}
NONE = {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}
GROUPS = {
    "2": ("0::/a\n", {"a/cpu.max": "150000 100000\n"}, 1.5),
    "2, the one around is stricter": (
        "0::/a/b\n",
        {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "400000 100000\n"},
        0.5,
    ),
    "2, only the one around": (
        "0::/a/b\n",
        {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"},
        3.0,
    ),
    "2 in a container": ("0::/\n", {"cpu.max": "25000 50000\n"}, 0.5),
    "2, no limit": ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    "2, no such controller": ("0::/a\n", {"a/memory.max": "1\n"}, None),
    "1": (
        "9:cpuset:/\n4:cpu,cpuacct:/a\n",
        {f"cpu,cpuacct/a/{n}": v for n, v in HALF.items()},
        0.5,
    ),
    "1, mounted by its own name": ("4:cpu:/a\n", {f"cpu/a/{n}": v for n, v in HALF.items()}, 0.5),
    "1 in a container": (
        "4:cpuacct,cpu:/docker/1f\n0::/\n",
        {f"cpu/{n}": v for n, v in HALF.items()},
        0.5,
    ),
    "1, no limit": ("4:cpu:/\n", {f"cpu/{n}": v for n, v in NONE.items()}, None),
    "1, half of it is missing": ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "50000"}, None),
    "none": ("", {}, None),
}


def write_groups(root, groups, files):
    """Write /proc/self/cgroup, and files below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize("version", GROUPS)
def test_a_quota_is_found(tmp_path, version):
    """The strictest of the group's and of those around it, in either version; None without one."""
    groups, files, quota = GROUPS[version]
    write_groups(tmp_path, groups, files)
    assert cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(("micros", "most"), [(1_000, 1), (100_000, 1), (100_001, 2), (10**9, 64)])
def test_cores_are_those_of_the_affinity_limited_by_the_quota(tmp_path, monkeypatch, micros, most):
    """Rounded up, at least 1, and never more than the affinity has."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    write_groups(tmp_path, "0::/\n", {"cpu.max": f"{micros} 100000\n"})
    assert usable_cores(tmp_path) == most


def test_without_proc_and_affinity_the_system_is_asked(tmp_path, monkeypatch):
    """As on macOS: no control groups, no affinity, and the number of cores from elsewhere."""
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 10)
    assert (cpu_quota(tmp_path), affinity(), usable_cores(tmp_path)) == (None, 10, 10)
