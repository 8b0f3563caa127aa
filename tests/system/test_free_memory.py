"""What is to spare, by files as Linux has them."""

import os

import pytest

from impasto.system.free_memory import free_memory

GIB = 2**30


@pytest.fixture
def system(tmp_path):
    """Writes files of a system's root, which has 8 GiB to spare."""

    def write(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    write(proc__meminfo="MemTotal: 16777216 kB\nMemFree: 100 kB\nMemAvailable: 8388608 kB\n")
    return write


def write_group(root, folder, **files):
    path = root / "sys/fs/cgroup" / folder
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name.replace("__", ".")).write_text(content)


def test_what_linux_calls_available(system):
    assert free_memory(system()) == 8 * GIB


def test_a_group_of_version_2_with_a_limit(system):
    root = system(proc__self__cgroup="0::/user/app\n")
    write_group(root, "user/app", memory__max="max\n", memory__current="5\n")
    assert free_memory(root) == 8 * GIB
    # the limit of the group above counts too, and files can be dropped: 4 - 3 + 1 GiB
    stat = f"anon 7\ninactive_file {GIB}\n"
    limit, used = f"{4 * GIB}\n", f"{3 * GIB}\n"
    write_group(root, "user", memory__max=limit, memory__current=used, memory__stat=stat)
    assert free_memory(root) == 2 * GIB


def test_a_group_of_version_1_in_a_container(system):
    root = system(proc__self__cgroup="5:cpu:/host/x\n4:memory:/host/x\n0::/\n")
    write_group(
        root, "memory", memory__limit_in_bytes=f"{GIB}\n", memory__usage_in_bytes=f"{GIB // 2}\n"
    )
    assert free_memory(root) == GIB // 2


def test_a_group_over_its_limit_has_nothing_to_spare(system):
    root = system(proc__self__cgroup="0::/\n")
    write_group(root, "", memory__max="100\n", memory__current="200\n")
    assert free_memory(root) == 0


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not say")
def test_elsewhere_it_is_a_quarter_of_the_memory(tmp_path):
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    assert free_memory(tmp_path) == pages * size // 4
