"""The driver is asked for memory as its manual says: a stand-in of it here, itself on a GPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zscr.infer.runners import cuda_device
from zscr.infer.runners.bound import BoundGraph
from zscr.infer.runners.cuda_device import IN_USE, DeviceMemory, free_memory

GB = 10**9


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    source = Path(__file__).with_name("libcuda.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, source], check=True
    )
    return path


@pytest.fixture
def driver(built, monkeypatch):
    """The stand-in, in place of the driver."""
    monkeypatch.setattr(cuda_device, "DRIVER", str(built))
    cuda_device._primary.cache_clear()
    cuda = ctypes.CDLL(str(built))
    cuda.stand_in_held.restype = ctypes.c_size_t
    yield cuda
    assert (cuda.stand_in_depth(), cuda.stand_in_held()) == (0, 0), "all is as it was"
    cuda_device._primary.cache_clear()


def test_bytes_are_written_where_they_belong_and_given_back(driver):
    """In a context that is current; sizes and addresses have 64 bits."""
    assert free_memory() == 80 * GB
    memory = DeviceMemory(4096)
    assert free_memory() == 80 * GB - 4096
    numbers = np.arange(100, dtype=np.float32)
    memory.write(40, numbers)
    assert ctypes.string_at(memory.pointer + 40, 400) == numbers.tobytes()
    with pytest.raises(OSError, match=r"cannot copy 0\.00 GB \(error 1\)"):
        memory.write(4000, numbers)
    del memory
    assert driver.stand_in_held() == 0


def test_a_thread_that_asks_the_gpu_keeps_the_others_from_it(driver):
    """Another one's recording would be spoiled; graphs that run on CUDA wait for the same lock."""
    with ThreadPoolExecutor(1) as pool, cuda_device._current():
        assert not pool.submit(IN_USE.acquire, blocking=False).result()
    session = SimpleNamespace(get_inputs=list)
    assert BoundGraph(None, session, "cuda", recorded=True)._lock is IN_USE
    assert BoundGraph(None, session, "cpu", recorded=True)._lock is not IN_USE


def test_more_than_there_is_is_an_error_with_the_size(driver):
    """And takes nothing."""
    with pytest.raises(OSError, match=r"the GPU's driver cannot give 90\.00 GB \(error 2\)"):
        DeviceMemory(90 * GB)


@pytest.mark.gpu
def test_on_a_gpu_memory_is_taken_and_given_back():
    """As torch's own count of it says."""
    import torch

    torch.zeros(1, device="cuda")
    before = free_memory()
    assert abs(before - torch.cuda.mem_get_info()[0]) < GB / 2
    memory = DeviceMemory(GB)
    memory.write(GB - 400, np.arange(100, dtype=np.float32))
    assert 0.5 * GB < before - free_memory() < 1.5 * GB
    del memory
    assert abs(before - free_memory()) < GB / 2
