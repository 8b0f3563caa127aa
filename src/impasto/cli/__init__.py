"""The commands: thin, the only room that prints or exits."""
