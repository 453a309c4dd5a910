"""Placeholder of the picture protocols' commands."""


def add_parsers(kinds, above):
    pass
