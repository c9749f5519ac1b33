"""`zscr train` and `zscr evaluate` as a user calls them."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zscr.cli import main
from zscr.train.commands import REFERENCE_FLAGS
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.methods.zscrgan.reference.config import Config
from zscr.train.run import open_run

TINY = [
    "--gf-dim",
    "8",
    "--df-dim",
    "8",
    "--embed-dim",
    "8",
    "--z-dim",
    "2",
    "--batch-size",
    "4",
]
TINY += ["--set", "e_steps=1", "--set", "m_steps=1", "--set", "validate_every=1"]
TINY += ["--set", "select_on_test=false", "--set", "select_by=mAP"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def train(collection: Path, *args: object) -> Result:
    where = ("--collection", collection, "--device", "cpu")
    return zscr("train", "zscrgan-reference", *where, *TINY, *args)


def test_train_with_encoders_then_evaluate(shapes: Path, tiny_image: Path, tiny_text: Path) -> None:
    """Images and texts in, a run out; stdout stays empty, stderr says what comes next."""
    encoders = ("--image-encoder", tiny_image, "--text-encoder", tiny_text)
    done = train(shapes, *encoders, "--rounds", 2, "--retrieved-res", "results")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert done.stderr.endswith("trained runs/zscrgan-reference-shapes-001; next: zscr export\n")
    [pkl] = Path("results").iterdir()
    figures = open_run(Path("runs/zscrgan-reference-shapes-001")).best["figures"]
    assert pkl.name == f"acc{figures['Prec@50 macro']:.3f}.pkl"
    assert len(pickle.loads(pkl.read_bytes())) == 10  # the texts of two validation classes
    shown = zscr("evaluate", "runs/latest")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("shapes, unseen classes: 10 queries, 8 images, 2 classes\n")
    dumped = zscr("evaluate", "runs/latest", "--json", "--split", "val")
    expected = evaluate_model(Path("runs/latest"), Question(split="val"))
    assert json.loads(dumped.stdout) == json.loads(json.dumps(expected))


def test_every_reference_flag_sets_its_setting(vectors: Path) -> None:
    """The reference's own names work, --epochs and --dataset among them, and a seed."""
    kinds = {name: 4 if kind is int else 0.125 for name, kind in REFERENCE_FLAGS.items()}
    flags = [
        word for name, value in kinds.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    args = ["--dataset", vectors, "--device", "cpu", "--epochs", 1, "--seed", 3, "--out", "x"]
    quick = ["--set", "e_steps=1", "--set", "m_steps=1"]
    done = zscr("train", "zscrgan-reference", *args, *flags, *quick)
    assert done.exit_code == 0, done.output
    config = open_run(Path("x")).config
    assert {name: getattr(config, name) for name in kinds} == kinds
    assert (config.rounds, config.seed, config.e_steps) == (1, 3, 1)
    assert set(REFERENCE_FLAGS) <= set(Config.__dataclass_fields__)


@pytest.mark.parametrize(
    ("setting", "status", "message"),
    [
        ("rounds", 2, "--set takes KEY=VALUE, not 'rounds'"),
        ("=3", 2, "--set takes KEY=VALUE, not '=3'"),
        ("rouns=3", 1, "Error: zscrgan-reference has no setting 'rouns'; it has batch_size, "),
        ("rounds=three", 1, "Error: setting rounds='three' is not a int"),
        ("select_by=fame", 1, "Error: setting select_by='fame' is no figure; use one such as mAP"),
    ],
)
def test_wrong_settings_leave_no_run(
    vectors: Path, setting: str, status: int, message: str
) -> None:
    """A malformed one is a usage error (2), an unknown one a sentence (1); nothing is written."""
    done = train(vectors, "--set", setting)
    assert done.exit_code == status
    assert message in done.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nonsense"], "'nonsense'"),
        (["--set", "nonsense=1"], "nonsense"),
        (["--set", "rounds=many"], "rounds"),
        (["--out", "/proc/version/run"], "/proc/version is no folder"),
        ([], "for .*file is no folder.*ZSCR_CACHE names the folder of the cache"),
    ],
)
def test_what_is_wrong_is_told_before_a_collection_is_made(
    monkeypatch: pytest.MonkeyPatch, here: Path, args: list[str], message: str
) -> None:
    """Which takes minutes, at the end of which the cache was found not to be writable."""
    (here / "file").touch()
    monkeypatch.setenv("ZSCR_CACHE", str(here / "file/cache"))
    monkeypatch.setattr("zscr.data.registry.find_collection", lambda _: pytest.fail("made"))
    result = zscr("train", *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(f"Error: .*{message}.*\n", result.stderr)


def test_resume_goes_on_with_the_latest_run(vectors: Path) -> None:
    """Without a name it is runs/latest; a finished run says so."""
    assert train(vectors, "--rounds", 1).exit_code == 0
    done = zscr("train", "--resume")
    assert done.exit_code == 0
    assert "zscrgan-reference-vectors-001 is finished already; nothing to resume" in done.stderr
    assert "trained " in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        ["--collection", "x"],
        ["zscrgan"],
        ["--text-encoder", "x"],
        ["--no-refit"],
    ],
)
def test_a_resumed_run_cannot_be_changed(vectors: Path, change: list[object]) -> None:
    """What would be ignored is refused: a run goes on as it began."""
    assert train(vectors, "--rounds", 1).exit_code == 0
    done = zscr("train", "--resume", *change)
    assert done.exit_code == 2
    assert "cannot be changed with --resume; leave it out" in done.stderr


def test_a_refit_is_the_default(vectors: Path) -> None:
    """`--no-refit` leaves the weights as the validation classes chose them."""
    for wish in ([], ["--refit"], ["--no-refit"]):
        assert train(vectors, "--rounds", 1, *wish).exit_code == 0
    runs = [open_run(Path(f"runs/zscrgan-reference-vectors-00{n}")) for n in (1, 2, 3)]
    assert [run.refitted for run in runs] == [True, True, False]


@pytest.mark.parametrize("change", [["--rounds", 9], ["--set", "rounds=9"], ["--epochs", 9]])
def test_a_resumed_run_keeps_its_settings(vectors: Path, change: list[object]) -> None:
    """Another value is refused with both named; the run's own may be repeated."""
    assert train(vectors, "--rounds", 1).exit_code == 0
    done = zscr("train", "--resume", *change)
    assert done.exit_code == 1
    assert "was begun with rounds=1 and cannot go on with rounds=9; leave it out" in done.stderr
    assert zscr("train", "--resume", "--rounds", 1).exit_code == 0


def test_settings_of_heads(vectors: Path) -> None:
    """`--noise-samples K` is `--set noise_samples=K`; an unknown one lists those that there are."""
    quick = ("gf_dim=8", "df_dim=8", "batch_size=4", "embed_dim=8", "e_steps=1", "m_steps=1")
    quick += ("select_on_test=false",)
    settings = [word for setting in quick for word in ("--set", setting)]
    where = ("--collection", vectors, "--device", "cpu", "--rounds", 1, "--out", "x")
    made = zscr("train", "zscrgan-reference", *where, *settings)
    assert made.exit_code == 0, made.stderr
    wishes = (["--noise-samples", 1], ["--set", "noise_samples=1"], [])
    command = ("evaluate", "x", "--json", "--generalised")
    shown = [json.loads(zscr(*command, *wish).stdout) for wish in wishes]
    question = Question(generalised=True, head_settings={"noise_samples": 1})
    expected = evaluate_model(Path("x"), question)
    assert shown[0] == shown[1] == json.loads(json.dumps(expected))
    assert shown[0]["head_settings"] == {"noise_samples": 1}
    assert shown[2]["head_settings"] == {}
    assert shown[0]["generalised"] != shown[2]["generalised"]
    done = zscr("evaluate", "x", "--set", "noise=2")
    assert done.exit_code == 1
    named = "Error: a trained zscrgan-reference has no setting 'noise'; it has noise_samples"
    assert named in done.stderr
    assert zscr("evaluate", "x", "--set", "noise_samples=-2").exit_code == 1


def test_resume_without_a_run_is_one_sentence() -> None:
    """There is nothing yet to go on with."""
    done = zscr("train", "--resume")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith("runs/latest is no run: it has no manifest.json\n")


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["train", "clap", "--collection", "HERE"], 1, "method 'clap' is unknown; use one of"),
        (["train", "--mode", "best"], 2, "No such option '--mode'"),
        (["train", "--collection", "nowhere"], 1, "there is no collection 'nowhere'"),
        (["train", "--device", "tpu"], 2, "'tpu' is not one of 'cpu', 'cuda'"),
        (["evaluate"], 1, "bundles/latest is neither a run nor a bundle; run 'zscr train' first"),
        (["evaluate", "x", "--noise-samples", "-1"], 2, "-1 is not in the range x>=0"),
        (["evaluate", "x", "--split", "seen"], 2, "'seen' is not one of 'unseen', 'val'"),
        (["evaluate", "x", "--set", "noise"], 2, "--set takes KEY=VALUE, not 'noise'"),
    ],
)
def test_wrong_calls(vectors: Path, args: list[str], status: int, message: str) -> None:
    """One sentence that names the fix: exit 1 for what is not there, 2 for a wrong option."""
    done = zscr(*(vectors if arg == "HERE" else arg for arg in args))
    assert done.exit_code == status
    assert message in done.stderr
    assert "Traceback" not in done.output
