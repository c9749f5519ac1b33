"""Names of tables, and what follows from a name alone."""

from __future__ import annotations

# table -> the frozen encoder that makes its rows, unless one of the table's own name does
_ENCODER = {
    "image": "image",
    "sketch": "image",
    "text": "text",
    "prompt": "prompt",
    "description": "text",
}
_FIELD = {
    "image": "image",
    "sketch": "sketch",
    "text": "text",
    "prompt": "text",
    "description": "text",
}  # of a query
_PLURAL = {
    "image": "images",
    "sketch": "sketches",
    "text": "texts",
    "prompt": "texts",
    "description": "descriptions",
}  # in messages
VIEW = "/"  # between a table and the name of another view of the same things: `sketch/flipped`
SECOND = "second"  # the first view of all tables of a second encoder: `sketch/second/flipped`


def base_of(table: str) -> str:
    """Return the table that a view is of; of a table itself, that one."""
    return table.split(VIEW)[0]


def second_of(table: str) -> str:
    """Return the name of a table's counterpart by a second encoder."""
    base, *views = table.split(VIEW)
    return VIEW.join([base, SECOND, *views])


def known_tables() -> tuple[str, ...]:
    """Return the tables that there are, without their views."""
    return tuple(_FIELD)


def is_table(table: str) -> bool:
    """Say whether a method may need a table of that name."""
    return base_of(table) in _FIELD


def field_of(table: str) -> str:
    """Return the field of a query that a table's rows are made of."""
    return _FIELD[base_of(table)]


def plural_of(table: str) -> str:
    """Return what the rows of a table are called in messages."""
    return _PLURAL[base_of(table)]


def encoder_name(table: str, *, own: bool) -> str:
    """Return the name of the encoder of a table: its own name, or that of a shared encoder."""
    return table if own else _ENCODER[base_of(table)]
