import json

from impasto.cli.main import run
from training_fixtures import draw


def test_the_targets_are_listed_with_their_claims(capsys):
    assert run(["reproduce", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.partition(":")[0] for line in lines]
    assert names == [
        "speed",
        "objective",
        "inversions",
        "comparisons",
        "super-resolution",
        "shift",
        "architecture",
        "loss-network",
        "semantics",
    ]


def test_a_target_is_measured_on_a_folder_of_photographs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "holiday"
    photos.mkdir()
    draw(3, 80, 60).save(photos / "one.png")
    command = ["reproduce", "shift", "--tiny", "--photos", str(photos), "-o", "results"]
    assert run(command) == 0
    first = capsys.readouterr()
    assert first.out.split() == [f"results/shift.{suffix}" for suffix in ("md", "json", "jpg")]
    assert "one.png" in first.err
    content = json.loads((tmp_path / "results" / "shift.json").read_text())
    assert content["command"] == "impasto reproduce shift --tiny --photos holiday"
    assert run(command) == 0
    assert "one.png" not in capsys.readouterr().err


def test_without_photographs_one_line_says_what_to_give(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["reproduce", "shift", "--tiny"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "give --photos" in complaint


def test_an_unknown_target_is_refused_before_anything_is_measured(tmp_path, capsys):
    assert run(["reproduce", "shift", "colour", "-o", str(tmp_path / "results")]) == 2
    assert "no target 'colour'" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_no_target_and_two_efforts_are_refused(capsys):
    assert run(["reproduce", "--tiny"]) == 2
    assert run(["reproduce", "shift", "--tiny", "--full"]) == 2
    assert capsys.readouterr().err.count("impasto:") == 2


def test_one_of_several_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "holiday"
    photos.mkdir()
    draw(3, 80, 60).save(photos / "one.png")
    command = ["reproduce", "semantics", "shift", "--tiny", "--photos", str(photos)]
    assert run([*command, "-o", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "semantics: none of the photographs with boxes" in said.err
    assert "1 done, 1 failed" in said.err
    assert "shift.md" in said.out
