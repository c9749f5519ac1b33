"""What every stored task says of all its queries, checked when it is written and read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from zscr.data.rules import refuse, repeated
from zscr.data.task_files import TaskInfo
from zscr.data.task_rules import Known
from zscr.errors import CollectionError

DERIVED = ("text", "sketch")  # the tasks that follow from classes; their queries are not stored
RETRIEVED = ("image", "sketch")
SERVERS = ("circo", "cirr")  # that keep answers: their files' formats


def check_infos(infos: Sequence[TaskInfo], known: Known) -> None:
    """Prove that what each task says of all its queries is possible.

    Raises:
        CollectionError: names the value and what it may be.
    """
    for info in infos:
        _check_info(info, known)
    refuse(repeated(info.name for info in infos), "task names occur twice; rename one")


def follows(name: str, known: Known) -> bool:
    """Say whether the queries of a task follow from the classes."""
    return name in DERIVED and any(known.splits.values())


def _check_info(info: TaskInfo, known: Known) -> None:
    if not (isinstance(info.name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]*", info.name)):
        raise CollectionError(
            f"a task is named {info.name!a:.80}; use small letters, digits, - and _ alone"
        )
    if follows(info.name, known):
        _check_derived(info)
    _one_of(info.name, "field", info.field, RETRIEVED)
    _one_of(info.name, "relevance by", info.by, ("item", "class"))
    if info.attribute is not None and (info.by == "item" or not isinstance(info.attribute, str)):
        raise CollectionError(
            f"task '{info.name}' names the attribute {info.attribute!r} beside relevance by "
            f"{info.by}; an attribute is a string and goes with relevance by class"
        )
    figures = (*info.figures, info.protocol)
    if info.within is not None:
        _one_of(info.name, "a gallery within", info.within, ("class",))
        _one_of(info.name, "relevance within a class by", info.by, ("class",))
    if not info.figures or not all(isinstance(figure, str) for figure in figures):
        raise CollectionError(
            f"task '{info.name}' has the figures {info.figures!r} and the protocol "
            f"{info.protocol!r}; give strings, and one figure at least"
        )
    if info.server is not None:
        _one_of(info.name, "the server", info.server, SERVERS)
        _one_of(info.name, "relevance that a server knows by", info.by, ("item",))
    for name, items in info.galleries.items():
        _check_gallery(f"the gallery '{name}' of task '{info.name}'", info, items, known)


def _check_derived(info: TaskInfo) -> None:
    """Refuse what is said of a task that follows from the classes, but its protocol and figures."""
    bare = TaskInfo(info.name, by="class")
    if replace(info, protocol="", figures=bare.figures, missing=0) != bare:
        raise CollectionError(
            f"the task '{info.name}' follows from the classes; say its protocol, its figures and "
            f"how much is missing alone, or rename yours"
        )


def _check_gallery(named: str, info: TaskInfo, items: Sequence[str], known: Known) -> None:
    if not items:
        raise CollectionError(f"{named} has no items; add some, or leave it out")
    refuse(repeated(items), f"items of {named} occur twice; name each once")
    lost = [one for one in items if one not in known.by_id]
    refuse(lost, f"items of {named} do not exist; correct or remove them")
    bare = [one for one in items if not known.holds(known.by_id[one], info.field)]
    refuse(bare, f"items of {named} are without {info.field}, which is retrieved; remove them")


def _one_of(task: str, what: str, value: object, choice: Sequence[str]) -> None:
    if value not in choice:
        raise CollectionError(f"task '{task}' has {what} {value!r}; use {' or '.join(choice)}")
