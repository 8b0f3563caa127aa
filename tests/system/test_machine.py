from impasto.system import machine
from impasto.system.machine import processor_flags, processor_name

CPUINFO = """\
processor\t: 0
model name\t: Some Processor @ 2.00GHz
flags\t\t: fpu avx512_bf16 avx512_vnni

processor\t: 1
model name\t: Another
flags\t\t: none
"""


def test_the_first_core_names_the_processor_and_its_flags(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert processor_name() == "Some Processor @ 2.00GHz"
    assert processor_flags() == {"fpu", "avx512_bf16", "avx512_vnni"}


def test_without_linux_there_is_a_name_and_no_flags(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert processor_name()
    assert processor_flags() == set()
