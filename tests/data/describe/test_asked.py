"""`zscr data describe` against a real server that misbehaves: what is kept, told and refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from click.testing import CliRunner, Result

from tests.data.describe.calls import arguments
from tests.data.describe.server import (
    Answer,
    Fault,
    Model,
    body,
    completion,
    endless,
    hung_up,
    saying,
    silence,
    status,
    truncated,
)
from zscr.cli import main
from zscr.data.collection import Collection
from zscr.data.describe.endpoint import Endpoint
from zscr.data.describe.stored import read_descriptions
from zscr.data.describe.texts import class_texts

pytest.importorskip("openai", reason="needs the extra 'describe'")
KEY = "sk-secret-0123456789"


def test_every_training_class_is_asked_each_prompt(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    before = cars.manifest.sha256
    done = describe("--api-key", KEY, "--seed", "3", "--temperature", "0")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{cars.folder}/descriptions\n"
    assert len(model.asked) == 12
    assert model.questions[0].startswith("What does a sedan car look like")
    assert not any("door" in question for question in model.questions)
    assert {(body["model"], body["seed"], body["temperature"]) for body in model.asked} == {
        ("m", 3, 0.0)
    }
    assert model.heads[0]["authorization"] == f"Bearer {KEY}"
    stored = read_descriptions(cars.folder)
    assert {*stored.answers} == {"apple", "car_(sedan)", "ape"}
    assert stored.manifest.body["base_url"] == model.url
    assert class_texts(cars, "descriptions", "val", 2) == {"ape": (model.says, model.says)}
    assert cars.manifest.sha256 == before


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (status(429, Retry_After="0"), "answers 429 (too many requests); trying again in 0 s"),
        (status(500), "the endpoint had 1 faults, after which it was asked again"),
        (hung_up, "broke"),
        (truncated, "1 answers could not be kept and were asked for again"),
        (saying(""), "1 answers could not be kept and were asked for again"),
        (saying(None), "1 answers could not be kept and were asked for again"),
        (
            saying("It is wide and", "length"),
            "1 answers could not be kept and were asked for again",
        ),
        (
            saying("It has", "content_filter"),
            "1 answers could not be kept and were asked for again",
        ),
        (saying("... 🐱"), "1 answers could not be kept and were asked for again"),
        (status(529), "answers 529 (it has a fault of its own); trying again in"),
        (saying("<think>what is it"), "1 answers could not be kept and were asked for again"),
        (
            saying("It is as flat as a Door."),
            "1 answers could not be kept and were asked for again",
        ),
        (
            saying("It is as big as two apples."),
            "1 answers could not be kept and were asked for again",
        ),
    ],
    ids="429 500 hung_up truncated empty null length filter nothing overloaded thoughts unseen "
    "plural".split(),
)
def test_a_fault_that_passes(
    describe: Callable[..., Result], cars: Collection, model: Model, fault: Fault, told: str
) -> None:
    """The same question is asked once more, and its good answer is what is stored."""
    model.faults.append(fault)
    done = describe()
    assert done.exit_code == 0, done.output
    assert told in done.stderr
    assert len(model.asked) == 13
    assert model.questions[1].startswith(model.questions[0])
    texts = class_texts(cars, "descriptions", "seen")
    assert set(texts.values()) == {(model.says,) * 4}


def test_a_question_that_is_never_answered_is_asked_again(
    describe: Callable[..., Result], model: Model
) -> None:
    model.faults.append(silence)
    done = describe("--timeout", "0.6", "--tries", "9")
    assert done.exit_code == 0, done.output
    assert "gave no whole answer in 0.6 s (--timeout); trying again" in done.stderr
    assert len(model.answered) >= 12


def test_retry_after_goes_before_the_own_wait(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    """One that asks for an hour is left alone at once, and what was answered is kept."""
    model.faults += [saying(model.says), status(503, Retry_After="3600")]
    done = describe()
    assert done.exit_code == 1
    assert "asks to wait 3600 s; 1 of 12 answers are kept" in done.stderr


def test_an_answer_that_never_does_is_left_out_and_told(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    model.faults += [saying("A door has a handle."), saying(""), saying("It has a door.")]
    done = describe("--seed", "3")
    assert done.exit_code == 0, done.output
    assert "1 questions got no answer that can be kept in 3 tries" in done.stderr
    assert "looks (the answer says 'door', which names the unseen class door)" in done.stderr
    assert model.questions[1].endswith("Do not use these words: door.")
    assert model.questions[2].endswith("Do not use these words: door.")
    assert [body["seed"] for body in model.asked[:4]] == [3, 4, 5, 3]
    assert read_descriptions(cars.folder).manifest.body["refused"] == 1
    assert {*map(len, class_texts(cars, "descriptions", "seen").values())} == {3, 4}


def test_a_class_without_an_answer_is_refused(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    """Nothing is stored, the others are kept, and a second call asks for what lacks alone."""
    model.faults += [saying("")] * 9 + [saying("As two doors.")] * 3
    done = describe()
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "Error: 1 of 3 classes got no answer that can be kept: car_(sedan) (the answer is empty "
        "and the answer says 'doors', which names the unseen class door); more --tries may get "
        f"one; 8 of 12 answers are kept in {cars.folder}/answers, and the same command goes on "
        "from there"
    )
    assert not (cars.folder / "descriptions").exists()
    assert describe().exit_code == 0
    assert len(model.asked) == 12 + 8 + 4


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (
            [status(401, f"Incorrect API key provided: {KEY}")],
            "401 (Incorrect API key provided: …); check",
        ),
        ([status(404, "no model m")], "check the base URL and the name of the model"),
        (
            [silence] * 3,
            "gave no whole answer in 0.3 s (--timeout), 3 times; 0 of 12",
        ),
        ([truncated] * 3, "has no chat model: the answer is damaged"),
        ([body({"choices": KEY})] * 3, "the answer is damaged (choices is '…', not a list of"),
        ([status(429)] * 3, "answers 429 (too many requests), 3 times"),
        ([endless] * 3, "has no chat model: the answer is over 1048576 bytes, 3 times"),
        ([status(500, Content_Encoding="gzip")] * 3, "the answer is packed"),
        ([status(301, Location=f"//here/v1?{KEY}")], "elsewhere, at '//here/v1?…'; name that"),
    ],
)
def test_an_endpoint_that_gives_up(
    describe: Callable[..., Result], model: Model, faults: list[Fault], told: str
) -> None:
    """It is one sentence, without the key, and not a question more is asked."""
    model.faults += faults
    done = describe("--api-key", KEY, *(("--timeout", "0.3") if silence in faults else ()))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert told in done.stderr
    assert KEY not in done.output
    assert len(model.asked) == len(faults)


def test_nobody_at_the_address(describe: Callable[..., Result], model: Model) -> None:
    done = describe("--base-url", "http://user:hidden@127.0.0.1:9/v1")
    assert done.exit_code == 1
    assert "nobody answers at http://127.0.0.1:9/v1; 0 of 12" in done.stderr
    assert "hidden" not in done.output


def test_no_secret_is_stored(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    """Neither in the descriptions nor beside the answers, though the model says the key."""
    url = model.url.replace("http://", "http://user:hidden@")
    model.says = f"It is known by its {KEY}."
    done = describe("--api-key", KEY, "--base-url", url)
    assert done.exit_code == 1
    assert "the answer repeats the key" in done.stderr
    model.says = "It has a broad body."
    done = describe("--api-key", KEY, "--base-url", url)
    assert done.exit_code == 0, done.output
    for path in cars.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
            assert b"hidden" not in path.read_bytes()
    assert KEY not in repr(Endpoint(model.url, "m", KEY))


def test_a_file_in_the_place_of_the_answers(
    describe: Callable[..., Result], cars: Collection
) -> None:
    (cars.folder / "answers").touch()
    assert "answers is a file, and no folder of zscr's own" in describe().stderr


@pytest.mark.parametrize("name", ["answers", "answers/answers.jsonl", "descriptions"])
def test_links_are_not_followed(
    describe: Callable[..., Result], cars: Collection, tmp_path: Path, name: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (cars.folder / name).parent.mkdir(exist_ok=True)
    (cars.folder / name).symlink_to(tmp_path / "elsewhere")
    done = describe("--replace")
    assert done.exit_code == 1
    assert "is a link" in done.stderr
    assert [*(tmp_path / "elsewhere").iterdir()] == []


def test_questions_are_asked_at_the_same_time(
    describe: Callable[..., Result], model: Model
) -> None:
    """No answer is given before three questions are there."""
    together = Barrier(3)

    def wait(answer: Answer) -> None:
        together.wait(10)
        answer.send(completion(model.says))

    model.faults += [wait] * 12
    assert describe("--parallel", "3", "--timeout", "20").exit_code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--base-url", "localhost:8080"), "the base URL of the endpoint is none"),
        (("--base-url", "http://127.0.0.1:99999/v1"), "the base URL of the endpoint is none"),
        (
            ("--base-url", f"http://127.0.0.1/{'v' * 70_000}"),
            "the base URL of the endpoint is none",
        ),
        (("--base-url", "https://api.openai.com/v1"), "needs a key"),
        (("--model", "m\x1b[2J"), "is none; name one"),
        (("--api-key", "sk one\ntwo"), "the API key holds characters"),
        (("--timeout", "nan"), "it is no number"),
        (("--prompts", "nowhere.json"), "holds no prompts (No such file or directory)"),
        (("--from", "nowhere.json"), "cannot be read (No such file or directory)"),
    ],
)
def test_wrong_options_ask_nobody(
    describe: Callable[..., Result], model: Model, options: tuple[str, ...], told: str
) -> None:
    done = describe(*options)
    assert done.exit_code in (1, 2)
    assert told in done.stderr
    assert "one\ntwo" not in done.output
    assert model.asked == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "no connection can be set up (Using SOCKS"),
        ("HTTP_PROXY", "ftp://127.0.0.1", "no connection can be set up (Unknown scheme"),
        ("HTTP_PROXY", "http://[::1", "no connection can be set up (Invalid port"),
        ("SSL_CERT_FILE", "/nowhere", "No such file or directory); correct HTTP_PROXY"),
        ("OPENAI_ORG_ID", "größe", "is not in ASCII; correct OPENAI_ORG_ID"),
    ],
)
def test_an_environment_that_allows_no_connection(
    describe: Callable[..., Result],
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv(name, value)
    done = describe()
    assert isinstance(done.exception, SystemExit)
    assert told in done.stderr
    assert model.asked == []


def test_a_query_of_the_base_url_stays_at_the_end(
    describe: Callable[..., Result], model: Model
) -> None:
    assert describe("--base-url", f"{model.url}?api-version=3#top").exit_code == 0
    assert {*model.paths} == {"/v1/chat/completions?api-version=3"}


def test_without_the_extra(
    describe: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    assert "pip install 'zscr[describe]'" in describe().stderr


def test_a_file_is_imported(
    cars: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked, and no library is needed for it."""
    monkeypatch.setitem(sys.modules, "openai", None)
    said = {"car_(sedan)": ["Four wheels.", "A door."], "apple": "Round."}
    file = tmp_path / "said.json"
    call = ["data", "describe", str(cars.folder), "--from", str(file)]
    file.write_text(json.dumps(said))
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 1
    assert "says nothing of these classes of split 'val'" in done.stderr
    file.write_text(json.dumps({**said, "ape": ["As a door.", "By doors."]}))
    done = CliRunner().invoke(main, call)
    assert "left out: car_(sedan) (door), ape (door), ape (door)\nError" in done.stderr
    file.write_text(json.dumps({**said, "ape": ["..."]}))
    assert "'ape', '1' is no text" in CliRunner().invoke(main, call).stderr
    file.write_text(json.dumps({**said, "ape": ["Long " * 70]}), "utf-8-sig")  # as of Windows
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    assert "1 sentences are cut to 60 words, of ape" in done.stderr
    assert "name an unseen class are left out: car_(sedan) (door)" in done.stderr
    stored = read_descriptions(cars.folder)
    assert stored.answers["car_(sedan)"] == {"1": "Four wheels."}
    assert stored.answers["apple"] == {"1": "Round."}
    body = stored.manifest.body
    assert (body["source"], body["cut"], body["refused"]) == ("file", 1, 1)


def test_long_and_dirty_answers_are_cut_and_counted(
    describe: Callable[..., Result], cars: Collection, model: Model
) -> None:
    """At the end of a sentence where there is one; control characters go."""
    model.faults += [
        saying("<think>hm</think>\n It is\x1b[31m round\u202e.\t " + "It is red. " * 30),
        saying("long " * 70),
    ]
    done = describe()
    assert "2 answers were longer and are cut to 60 words" in done.stderr
    first, second = class_texts(cars, "descriptions", "seen", 2)["car_(sedan)"]
    assert first.startswith("It is[31m round. It is red.")
    assert first.endswith("red.")
    assert second == " ".join(["long"] * 60)


def test_own_prompts_and_another_model_are_other_questions(
    describe: Callable[..., Result], cars: Collection, model: Model, tmp_path: Path
) -> None:
    assert describe().exit_code == 0
    assert "--replace" in describe().stderr
    prompts = tmp_path / "prompts.json"
    prompts.write_text(
        json.dumps({"a": "How does a {} move?", "b": "What is a {} made of?"}), "utf-8-sig"
    )
    assert describe("--replace", "--prompts", str(prompts)).exit_code == 0
    assert len(model.asked) == 12 + 6
    assert "How does an ape move?" in model.questions
    assert describe("--replace").exit_code == 0
    assert len(model.asked) == 12 + 6
    assert describe("--replace", "--model", "other").exit_code == 0
    assert len(model.asked) == 12 + 6 + 12
    prompts.write_text('{"a": "What is it?"}')
    assert "has no place for the class" in describe("--replace", "--prompts", str(prompts)).stderr


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_call_goes_on(cars: Collection, model: Model, ending: signal.Signals) -> None:
    """Nothing that was answered is asked again, also after a line that was half written."""
    model.most = 5
    call = [sys.executable, "-m", "zscr.cli", *arguments(cars.folder, model, "--timeout", "600")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(call, text=True, **pipes) as child:
        try:
            assert model.silent.wait(240)
            child.send_signal(ending)
            said = child.communicate(timeout=240)[1]
        finally:
            child.kill()
    if ending == signal.SIGINT:
        assert child.returncode == 130
        assert "5 of 12 answers are kept" in said
        assert "Traceback" not in said
    with open(cars.folder / "answers/answers.jsonl", "ab") as file:
        file.write(b'what is no JSON\n{"key": "')
    model.most = 1000
    done = CliRunner().invoke(main, arguments(cars.folder, model))
    assert done.exit_code == 0, done.output
    assert "1 damaged lines are left out" in done.stderr
    assert sorted(model.answered) == sorted({*model.answered})
    assert len(model.answered) == 12
    assert len(class_texts(cars, "descriptions", "val")["ape"]) == 4
