"""Every option of every command has a help text that can be read by itself."""

from collections.abc import Iterator

import pytest
import typer

from impasto.cli.main import app

FRAGMENTS = ("of ", "also ", "so many ")


def options_of(command, path=()) -> Iterator[tuple[str, object]]:
    """The options of a command and of those below it, each with the words that call it."""
    for parameter in command.params:
        if parameter.param_type_name == "option":
            yield " ".join((*path, parameter.opts[0])), parameter
    for name, below in getattr(command, "commands", {}).items():
        yield from options_of(below, (*path, name))


OPTIONS = dict(options_of(typer.main.get_command(app)))


def test_the_walk_reaches_the_commands_below_commands():
    assert {"--version", "stylize --style", "train sr --scale", "models add --name"} <= set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_s_help_is_a_phrase_of_its_own(option):
    text = OPTIONS[option].help
    assert text
    assert not text.lower().startswith(FRAGMENTS)
