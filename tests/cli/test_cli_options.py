from dataclasses import dataclass, fields
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from impasto.cli.options import (
    ComputeOptions,
    Overwrite,
    Quality,
    StyleOptions,
    with_option_records,
)
from impasto.runtime.compute import Compute
from impasto.runtime.stylizer import StyleSettings


@dataclass(frozen=True)
class Writing:
    quality: Quality = 92
    overwrite: Overwrite = False


@dataclass(frozen=True)
class Pace:
    seconds: Annotated[float, typer.Option(help="Seconds to wait.")]


def run(command, *arguments):
    app = typer.Typer()
    app.command()(with_option_records(command))
    return CliRunner().invoke(app, arguments)


def test_fields_of_records_are_flags_and_come_back_as_records():
    received = []

    def command(photo: str, *, writing: Writing, pace: Pace, size: int = 3) -> None:
        received.append((photo, writing, pace, size))

    assert run(command, "a.png", "--quality", "80", "--overwrite", "--seconds", "2").exit_code == 0
    assert run(command, "b.png", "--seconds", "0.5", "--size", "4").exit_code == 0
    assert received == [
        ("a.png", Writing(80, overwrite=True), Pace(2.0), 3),
        ("b.png", Writing(), Pace(0.5), 4),
    ]


def test_flags_of_records_have_their_help_default_and_range_in_the_place_of_the_record():
    def command(photo: str, *, writing: Writing, size: int = 3) -> None:
        """Do something."""

    text = run(command, "--help").output
    assert "Do something." in text
    assert text.index("--quality") < text.index("--overwrite") < text.index("--size")
    assert "default: 92" in text
    assert "Replace files that exist." in text
    assert run(command, "a.png", "--quality", "101").exit_code == 2


def test_a_field_without_default_is_a_required_flag():
    def command(*, pace: Pace) -> None: ...

    assert run(command).exit_code == 2


def test_two_flags_of_one_name_are_refused():
    def command(*, writing: Writing, quality: int = 1) -> None: ...

    with pytest.raises(ValueError, match="quality"):
        with_option_records(command)


def test_without_flags_the_settings_are_the_defaults_of_python():
    assert StyleOptions().settings() == StyleSettings()
    assert ComputeOptions().settings() == Compute()


def test_every_setting_of_stylizing_has_a_flag():
    flags = ["size", *(field.name for field in fields(StyleOptions))]
    assert flags == [field.name for field in fields(StyleSettings)]


def test_a_tile_is_a_word_or_a_number_of_pixels():
    assert ComputeOptions(tile="off").settings().tile == "off"
    assert ComputeOptions(tile="256").settings().tile == 256
