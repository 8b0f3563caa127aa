"""What a measurement or a training ran on: processor, cores, versions of packages."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Exists on Linux alone."""


def processor_name() -> str:
    """The processor as it calls itself, else the name of its architecture."""
    return _first_in_cpuinfo("model name") or platform.processor() or platform.machine()


def processor_flags() -> frozenset[str]:
    """The instruction sets of the processor as Linux names them; none on other systems."""
    return frozenset(_first_in_cpuinfo("flags").split())


def _first_in_cpuinfo(key: str) -> str:
    """The value of the first line with this key, which is the first core's; empty without one."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
