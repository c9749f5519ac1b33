"""This machine's processor, as Linux tells of it: its name, and the instructions that matter."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

# flag of /proc/cpuinfo -> what it does for which precision
MEANINGS = {
    "avx2": "fp32 products, 8 numbers at once",
    "fma": "fp32 multiply and add in one instruction",
    "f16c": "fp16 weights are widened to fp32 by an instruction",
    "avx512f": "fp32 products, 16 numbers at once",
    "avx_vnni": "int8 products, 32 numbers at once",
    "avx512_vnni": "int8 products, 64 numbers at once",
    "avx512_bf16": "bf16 products, 32 numbers at once",
    "avx512_fp16": "fp16 products without widening",
    "amx_int8": "int8 products of whole tiles",
    "amx_bf16": "bf16 products of whole tiles",
    "asimd": "NEON: fp32 products, 4 numbers at once",
    "asimdhp": "fp16 products without widening",
    "asimddp": "int8 products, 16 numbers at once",
    "i8mm": "int8 products of small matrices",
    "bf16": "bf16 products",
    "sve": "vectors longer than NEON's",
}
X86: tuple[str, ...] = (
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
)
X86 += ("amx_int8", "amx_bf16")


def processor_name(root: Path = Path("/")) -> str:
    """Return what the processor is called, such as `AMD EPYC 9R14`."""
    named = (value for key, value in _facts(root) if key == "model name")
    return next(named, platform.processor() or platform.machine())


def processor_flags(root: Path = Path("/")) -> frozenset[str] | None:
    """Return the processor's instruction sets as Linux calls them; None where it does not tell."""
    told = (value for key, value in _facts(root) if key in ("flags", "Features"))
    found = next(told, None)
    return None if found is None else frozenset(found.split())


def largest_cache(root: Path = Path("/")) -> int | None:
    """Return the bytes of the processor's largest cache; None where Linux does not tell."""
    sizes = list[int]()
    for path in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        told = path.read_text().strip()
        if told.endswith("K") and told[:-1].isdigit():
            sizes.append(int(told[:-1]) << 10)
    return max(sizes, default=None)


def _facts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what is told of each core, key and value; nothing where there is no /proc (macOS)."""
    try:
        lines = (root / "proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()
