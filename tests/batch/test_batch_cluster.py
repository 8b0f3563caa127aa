"""The Ray of one machine, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LISTENERS = """
from pathlib import Path
from impasto.batch.cluster import Workers, running_ray

def below(process):
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in children for each in below(int(child)))]

def sockets(processes):
    for process in processes:
        for place in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = str(place.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                yield target.removeprefix("socket:[").rstrip("]")

with running_ray(Workers(num_workers=1)):
    import os, ray
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    ours = set(sockets(below(os.getpid())))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, address, _, state, *rest = line.split()
            if state == "0A" and rest[5] in ours:
                print("listens", address.rpartition(":")[0])
"""

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds sockets in /proc")
def test_nothing_of_a_local_ray_listens_to_others():
    environment = {**os.environ}
    environment.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
    done = subprocess.run(
        [sys.executable, "-c", LISTENERS], capture_output=True, text=True, check=True,
        env=environment,
    )  # fmt: skip
    words = [line.split() for line in done.stdout.splitlines()]
    addresses = [line[1] for line in words if line[0] == "listens"]
    assert len(addresses) >= 3  # the driver, the raylet and the store of the cluster
    assert set(addresses) <= LOOPBACK
