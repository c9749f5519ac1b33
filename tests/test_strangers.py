"""What strangers bring is read or refused in one sentence: every field in turn, and by chance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from zscr.artefact import MANIFEST
from zscr.cli import main
from zscr.errors import ZscrError

SCRIPTS = Path(__file__).parents[1] / "scripts"
ALWAYS = (None, 10**30, "../x", [], {})  # what each field is in turn, and two more by chance
KINDS = ("collection", "encoder", "bundle", "index", "run")


@pytest.fixture(scope="module")
def fuzzing() -> Any:
    """Import the modules of scripts/fuzz."""
    pytest.importorskip("torch", reason="needs the extra 'train'")
    sys.path.insert(0, str(SCRIPTS))
    import fuzz_cases
    import fuzz_loaders

    yield fuzz_cases, fuzz_loaders
    sys.path.remove(str(SCRIPTS))


@pytest.fixture
def sample(fuzzing, tmp_path) -> Any:
    """Return a function that makes a sound sample of a loader."""

    def make(kind: str) -> Path:
        (tmp_path / kind).mkdir()
        fuzzing[1].LOADERS[kind].make(tmp_path / kind)
        return tmp_path / kind

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_of_a_manifest_escapes(kind, sample, fuzzing):
    """Each value of a manifest replaced by others, the checksum made right: no other error."""
    cases, loaders = fuzzing
    folder, rng, load = sample(kind), Random(7), loaders.LOADERS[kind].load
    path = folder / "x" / MANIFEST
    content, said = json.loads(path.read_bytes()), []
    load(folder)
    for place in cases.places(content):
        for value in (*ALWAYS, *rng.sample(cases.VALUES, 2)):
            path.write_bytes(cases.sign(cases.replaced(content, place, value)))
            try:
                load(folder)
            except ZscrError as error:
                said.append(str(error))
    assert len(said) > 50
    assert [sentence for sentence in said if "\n" in sentence] == []


COMMANDS = {
    "collection": (["data", "info", "{}"], ["data", "check", "{}"]),
    "index": (["index", "info", "{}"], ["index", "verify", "{}"]),
    "bundle": (["query", "--text", "a red bird", "--threads", "1", "--bundle", "{}"],),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_no_command_shows_a_traceback(kind, sample, fuzzing):
    """Sixty damaged artefacts, manifests and files: exit 0, or 1 with one sentence."""
    cases, loaders = fuzzing
    folder = sample(kind) / "x"
    if kind == "bundle":
        space = json.loads((folder / MANIFEST).read_bytes())["space"]
        loaders.write_index(folder.with_name("x.index"), space=space)
    sound = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    damage = loaders.LOADERS[kind].damage
    codes = set()
    for number in range(24):
        what = damage(folder.parent, Random(number))
        for command in COMMANDS[kind]:
            done = CliRunner().invoke(main, [word.format(folder) for word in command])
            assert done.exception is None or isinstance(done.exception, SystemExit), what
            codes.add(done.exit_code)
        for path, raw in sound.items():
            path.write_bytes(raw)
    assert codes == {0, 1}


def test_a_short_fuzz_finds_nothing(fuzzing):
    """A few seeded cases of every loader; `scripts/fuzz --minutes 5` is the long form."""
    command = [sys.executable, SCRIPTS / "fuzz", "--cases", "12", "--seed", "3"]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(done.stdout.splitlines()) == 1 + len(fuzzing[1].LOADERS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "beyond any float"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": 1' + "0" * 50 + "}", "over 40 digits"),
        ('{"a": "\\ud800"}', "surrogates not allowed"),
        ("[" * 65 + "]" * 65, "more than 64 deep"),
        ("[" * 100_000 + "]" * 100_000, "more than 64 deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "more than 64 deep"),
        ("[" + "0," * 4_000_000 + "0]", "over 4000000 values"),
    ],
)
def test_json_that_readers_take_differently_is_refused(text, why):
    """Each by name, and none as a RecursionError."""
    from zscr.strict_json import parse_json

    with pytest.raises(ValueError, match=why):
        parse_json(text)
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json('"\\ud83d\\udc15"') == "🐕"


@pytest.mark.parametrize(
    "name",
    [
        "/a",
        "a/../b",
        "..",
        "",
        "a//b",
        "a\\b",
        "a\0b",
        "C:x",
        "NUL.txt",
        "x" * 256,
        "a/" * 40 + "b",
    ],
)
def test_unsafe_names_are_told(name):
    """Whatever leads out of a folder on some system, or is no file there."""
    from zscr.names import name_fault

    assert name_fault(name)
    assert name_fault("images/con air/ü b.tar.gz") is None
