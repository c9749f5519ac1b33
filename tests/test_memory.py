"""The memory that images are decoded in: bounded for all threads, refused where waiting is vain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

import click
import pytest
from click.testing import CliRunner

from zscr.cli import main
from zscr.errors import InputError
from zscr.memory import DECODING, Budget, available_memory
from zscr.options import memory_option


def test_reservations_wait_for_each_other():
    """Of eight threads that want 40 of 100, never more than two hold theirs, and all get it."""
    budget, lock, held, most = Budget(100), Lock(), [], []

    def take(number):
        with budget.reserve(40, str(number)):
            with lock:
                held.append(number)
                most.append(len(held))
            Event().wait(0.01)
            with lock:
                held.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(16)))
    assert (len(most), max(most)) == (16, 2)


def test_what_is_held_at_once_is_held_by_several():
    """Two that fit together do not wait for each other."""
    budget, both = Budget(100), Barrier(2, timeout=10)

    def take(_):
        with budget.reserve(50, "x"):
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, range(2)))


def test_more_than_all_is_refused_at_once_and_given_back_after_a_fault():
    """With both sizes and the option; a fault inside keeps nothing reserved."""
    budget = Budget(100_000_000)
    with pytest.raises(InputError, match=r"^x takes 200 MB to decode, .* 100 MB .* --memory"):
        with budget.reserve(200_000_000, "x"):
            raise AssertionError
    for _ in range(3):
        with pytest.raises(KeyError), budget.reserve(100_000_000, "x"):
            raise KeyError


GROUPS = {
    "2": ("0::/a/b\n", {"a/memory.max": "5000\n", "a/b/memory.max": "max\n"}, 5000),
    "2 in a container": ("0::/\n", {"memory.max": "7000\n"}, 7000),
    "1": ("9:cpu:/\n4:memory,x:/a\n", {"memory/a/memory.limit_in_bytes": "6000"}, 6000),
    "1 in a container": (
        "4:memory:/docker/1f\n",
        {"memory/memory.limit_in_bytes": "8000", "memory.max": "1"},
        8000,
    ),
    "1, no limit": ("4:memory:/\n", {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, None),
    "none": ("0::/\n", {}, None),
}


@pytest.mark.parametrize("version", GROUPS)
def test_a_control_groups_limit_counts(tmp_path, version):
    """Of the group and of those around it; in a container it is the root of what is mounted."""
    groups, files, expected = GROUPS[version]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    machine = available_memory(tmp_path / "nowhere")
    assert machine > 2**27
    assert available_memory(tmp_path) == (expected or machine)


@pytest.mark.parametrize(
    ("written", "size"),
    [("500MB", 500_000_000), ("1.5 GiB", 3 * 2**29), ("2g", 2 * 10**9), ("4096", 4096)],
)
def test_sizes_are_written_as_people_write_them(written, size):
    """Decimal and binary units; without one, bytes. It holds for this command alone."""

    @click.command()
    @memory_option
    def command():
        click.echo(DECODING.limit)

    assert CliRunner().invoke(command, ["--memory", written]).output == f"{size}\n"
    assert CliRunner().invoke(command).output == f"{Budget().limit}\n"


@pytest.mark.parametrize("written", ["", "0", "-1", "2 apples", "1e9", "nan"])
def test_other_sizes_are_refused(written):
    """With what was written."""

    @click.command()
    @memory_option
    def command():
        raise AssertionError

    ran = CliRunner().invoke(command, ["--memory", written])
    assert ran.exit_code == 2
    assert "is no size; write such as 500MB" in ran.output


@pytest.mark.parametrize(
    "command",
    ["query", "index add", "train", "evaluate", "adapt", "export", "data check"]
    + ["data convert folder", "data convert awa"],
)
def test_every_command_that_decodes_images_takes_it(command):
    """And refuses what is no size before it does anything."""
    ran = CliRunner().invoke(main, [*command.split(), "--memory", "plenty"])
    assert ran.exit_code == 2
    assert "'plenty' is no size" in ran.output
