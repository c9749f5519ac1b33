"""`zscr adapt` as a job: an ordinary run comes of it, or one sentence and nothing at all."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from zscr.artefact import read_manifest, verify
from zscr.cli import main
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.walk import WalkRules
from zscr.errors import ArtefactError, ConfigError, InputError, ZscrError
from zscr.infer.evaluation.table import table
from zscr.infer.searcher import Searcher
from zscr.train.adaptation.adapt import Adaptation, adapt, load_fitted
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit, resume
from zscr.train.run import open_run
from zscr.train.sources import load_sources

SMALL = {"gf_dim": 8, "df_dim": 8, "embed_dim": 8, "z_dim": 2, "batch_size": 4, "landmarks": 16}
SMALL |= {"e_steps": 1, "critic_steps": 1, "rounds": 1, "imagined": 16}
PEEKING = """
from dataclasses import dataclass
from zscr.train.methods.zscrgan.improved import config
from zscr.train.methods.zscrgan.improved.method import Method, needs

@dataclass(frozen=True)
class Config(config.Config):
    select_on_test: bool = True
"""


@pytest.fixture(scope="module")
def base(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on published vectors for a moment."""
    out = tmp_path_factory.mktemp("base") / "run"
    return fit(Request("zscrgan", vectors, out, SMALL, device="cpu")).folder


@pytest.fixture(scope="module")
def seeing(shapes: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on images, and on texts of a closed vocabulary."""
    out, encoders = tmp_path_factory.mktemp("seeing") / "run", (str(tiny_image), "tfidf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSCR_CACHE", str(out.parent / "cache"))
        return fit(Request("zscrgan", shapes, out, SMALL, *encoders, device="cpu")).folder


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a list of names."""

    def write(*lines: str) -> Path:
        path = tmp_path / "names.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


@pytest.fixture
def photos(shapes: Path, tmp_path: Path) -> Path:
    """Lay the unseen shapes out as a folder of images of anything."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number, item in enumerate(read_collection(shapes).split("unseen")):
        below = folder / "more" if number % 2 else folder
        shutil.copyfile(shapes / str(item.image), below / f"{number}.png")
    return folder


def weights(run: Path) -> dict[str, np.ndarray]:
    [path] = run.glob("adapted.*.safetensors")
    return load_file(path)


def test_an_adapted_run_says_what_it_is(
    base: Path, vectors: Path, listed: Callable[..., Path], tmp_path: Path
) -> None:
    """Of what, to what, by which names; its report says transductive, and `best` is the base's."""
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    names = listed("c8", "", "c9", "c8")
    run = adapt(Adaptation(base, vectors, names, out=tmp_path / "a", device="cpu"))
    found = run.adapted
    assert found["base"] == {"path": str(base), "sha256": read_manifest(base, "run").sha256}
    sha256 = read_manifest(vectors, "collection").sha256
    of_gallery = {"path": str(vectors), "collection": "vectors", "sha256": sha256}
    assert found["gallery"] == of_gallery | {"images": 8, "skipped": 0, "with_seen": False}
    counts = {"count": 2, "blank": 1, "repeated": 1, "unknown": 0}
    assert {key: found["names"][key] for key in counts} == counts
    assert found["settings"] == {"k": 5, "weight": 3.0}
    assert (run.folder / "names.txt").read_bytes() == names.read_bytes()
    assert {path.name: path.read_bytes() for path in base.iterdir()} == before
    said = table(evaluate_model(run.folder)).splitlines()[1]
    chosen = "selected on validation classes"
    assert (
        f"transductive (adapted to 8 unlabelled images, 2 names); {chosen}, then refitted" in said
    )
    moved = weights(run.folder)["csem.weights"]
    assert not np.array_equal(moved, open_run(base).load_model().csem.weights.numpy())


def test_the_same_inputs_give_the_same_bytes(
    base: Path, vectors: Path, listed: Callable[..., Path], tmp_path: Path
) -> None:
    """In another folder, too; and what is asked for makes another run."""
    asked = Adaptation(base, vectors, listed("c8", "c9"), device="cpu")
    runs = [adapt(replace(asked, out=tmp_path / name)).folder for name in "ab"]
    one, two = ({p.name: p.read_bytes() for p in run.iterdir()} for run in runs)
    assert one == two
    for other in ({"names": None}, {"complete": True}, {"settings": {"k": "2"}}):
        out = tmp_path / next(iter(other))
        changed = weights(adapt(replace(asked, out=out, **other)).folder)
        assert not np.array_equal(changed["csem.weights"], weights(runs[0])["csem.weights"]), other


def test_labels_of_the_gallery_are_not_read(
    base: Path, vectors: Path, listed: Callable[..., Path], tmp_path: Path
) -> None:
    """The same images under other labels give the same weights."""
    given, relabelled = read_collection(vectors), tmp_path / "relabelled"
    with new_collection(relabelled, name="other", protocol="test", provenance={}) as draft:
        draft.save_vectors("image", given.vectors("image"))
        for split in given.splits:
            draft.add_class(ClassInfo(f"all {split}", "all"), split)
        for item in given.items:
            draft.add_item(Item(item.id, item.split, f"all {item.split}"))
    asked = Adaptation(base, vectors, listed("c8", "c9"), device="cpu")
    one = weights(adapt(replace(asked, out=tmp_path / "one")).folder)
    two = weights(adapt(replace(asked, images=relabelled, out=tmp_path / "two")).folder)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_with_seen_takes_all_images_of_a_collection(
    base: Path, vectors: Path, tmp_path: Path
) -> None:
    """The unseen classes' alone without it."""
    asked = Adaptation(base, vectors, with_seen=True, out=tmp_path / "all", device="cpu")
    run = adapt(asked)
    assert run.adapted["gallery"]["images"] == 40
    assert "40 unlabelled images, no names)" in run.selection


def test_real_images_are_those_that_the_weights_were_fitted_to(
    base: Path, vectors: Path, tmp_path: Path
) -> None:
    """Of the seen classes, after a refit of the validation classes, too; these judge no more."""
    plain = Request("zscrgan", vectors, tmp_path / "run", SMALL, device="cpu", refit=False)
    for folder, groups in ((base, 8), (fit(plain).folder, 6)):
        run = open_run(folder)
        assert len(load_fitted(run, *load_sources(run)).groups) == groups
    judged = Question(split="val")
    first = adapt(Adaptation(plain.out, vectors, out=tmp_path / "a", device="cpu"))
    assert evaluate_model(first.folder, judged)["selection"].startswith("transductive (adapted to")
    second = adapt(Adaptation(base, vectors, out=tmp_path / "b", device="cpu"))
    with pytest.raises(ArtefactError, match=f"then adapted; judge on these the run .* of, {base}"):
        evaluate_model(second.folder, judged)


def test_a_finished_run_is_not_resumed_and_not_adapted_again(
    base: Path, vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The base is named, which is to be adapted to all images at once."""
    run = adapt(Adaptation(base, vectors, out=tmp_path / "a", device="cpu"))
    files = sorted(path.name for path in run.folder.iterdir())
    assert resume(run.folder).adapted == run.adapted
    assert "is finished already; nothing to resume" in capsys.readouterr().err
    assert sorted({p.name for p in run.folder.iterdir()} - {"writer.lock"}) == files
    with pytest.raises(ConfigError, match=f"is adapted already; adapt the run .* of, {base}"):
        adapt(Adaptation(run.folder, vectors, out=tmp_path / "b", device="cpu"))


def test_names_of_several_texts_and_unknown_ones(
    seeing: Path, photos: Path, listed: Callable[..., Path], tmp_path: Path, capsys
) -> None:
    """Tabs part the texts of one name; what holds no known word is left out and told."""
    asked = Adaptation(seeing, photos, device="cpu", out=tmp_path / "a", settings={"k": 3})
    two = listed("white circle\ta large circle", "zyx", "white square")
    run = adapt(replace(asked, names=two))
    said = capsys.readouterr().err
    assert "1 of 3 names in" in said
    assert "hold no word that the text encoder knows and are left out, first: 'zyx'" in said
    assert [run.adapted["names"][key] for key in ("count", "unknown")] == [2, 1]
    one = listed("white circle", "white square")
    other = adapt(replace(asked, names=one, out=tmp_path / "b"))
    assert not np.array_equal(
        weights(run.folder)["csem.weights"], weights(other.folder)["csem.weights"]
    )
    with pytest.raises(ConfigError, match="1 names of .* are left out, so the list is not"):
        adapt(replace(asked, names=two_again(two), complete=True, out=tmp_path / "c"))
    assert not (tmp_path / "c").exists()


def two_again(path: Path) -> Path:
    path.write_text("white circle\nzyx\n")
    return path


def test_images_that_cannot_be_used_are_counted_and_listed(
    seeing: Path, photos: Path, tmp_path: Path
) -> None:
    """The others make the run."""
    (photos / "bad.png").write_bytes(b"no image")
    (photos / "notes.txt").write_text("no image either, and none by its name")
    (photos / "raw").mkdir()
    shutil.copy(next(photos.glob("*.png")), photos / "raw/again.png")
    rules = WalkRules(("raw/",))
    run = adapt(Adaptation(seeing, photos, out=tmp_path / "a", device="cpu", rules=rules))
    assert [run.adapted["gallery"][key] for key in ("images", "skipped")] == [8, 1]
    assert run.adapted["gallery"]["passed"] == {"*.txt": 1, "excluded folders": 1}
    [row] = map(json.loads, (run.folder / "skipped.jsonl").read_text().splitlines())
    assert row["image"] == str(photos / "bad.png")
    assert "is not a JPEG, " in row["reason"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "photos"]


def refused(asked: Adaptation, error: type[ZscrError], said: str) -> None:
    """Assert that nothing is adapted, and why."""
    with pytest.raises(error, match=said):
        adapt(asked)
    assert not asked.out.exists()
    assert not list(asked.out.parent.glob(f".{asked.out.name}.*.partial"))


@pytest.mark.parametrize(
    ("lines", "change", "error", "said"),
    [
        (["", " "], {}, InputError, "names.txt holds no name; write one on each line"),
        (["c8", "swan"], {}, InputError, "'swan' is no class of .* by their ids, such as c8, c9"),
        (["c8"], {"settings": {"k": 9}}, ConfigError, "k=9 must be from 1 to 8, the number of"),
        (["c8"], {"settings": {"m": 9}}, ConfigError, "zscrgan has no setting 'm'; it has k, we"),
        (None, {"complete": True}, ConfigError, "a list that is not given cannot be complete"),
        (None, {"images": Path("nowhere")}, InputError, "was trained on published vectors of ima"),
        (None, {"run": Path("nowhere")}, ArtefactError, "nowhere is no run"),
    ],
)
def test_bad_input_is_one_sentence(
    base: Path,
    vectors: Path,
    listed: Callable[..., Path],
    tmp_path: Path,
    lines: list[str] | None,
    change: dict[str, Any],
    error: type[ZscrError],
    said: str,
) -> None:
    """With the values and the fix; no run is left behind."""
    names = None if lines is None else listed(*lines)
    asked = Adaptation(base, vectors, names, out=tmp_path / "a", device="cpu")
    refused(replace(asked, **change), error, said)


def test_bad_galleries_are_one_sentence(
    seeing: Path, base: Path, vectors: Path, photos: Path, listed, tmp_path: Path
) -> None:
    """No image, none that can be used, an artefact of another kind; names of no known word."""
    asked = Adaptation(seeing, photos, out=tmp_path / "a", device="cpu")
    refused(replace(asked, images=tmp_path / "x"), InputError, "x does not exist; name a folder")
    (tmp_path / "empty").mkdir()
    refused(replace(asked, images=tmp_path / "empty"), InputError, "empty has no images to adapt")
    refused(replace(asked, images=vectors), InputError, "has no images to adapt to")
    refused(replace(asked, images=base), ArtefactError, "is of kind run, and no collection")
    for path in photos.rglob("*.png"):
        path.write_bytes(b"no image")
    refused(asked, InputError, "none of the 8 images of .* can be used, first: ")
    refused(replace(asked, names=listed("zyx")), InputError, "none of the 1 names .* holds a word")


def test_a_run_that_is_there_is_not_overwritten(base: Path, vectors: Path, tmp_path: Path) -> None:
    """Nothing is computed for it either."""
    (tmp_path / "a").mkdir()
    with pytest.raises(ArtefactError, match="a exists already; name another place"):
        adapt(Adaptation(base, vectors, out=tmp_path / "a", device="cpu"))


def test_other_methods_are_refused(deployed, shapes: Path, tmp_path: Path) -> None:
    """`zscrgan-reference` has no adaptation, nor need a plug-in have one."""
    asked = Adaptation(deployed.run, shapes, out=tmp_path / "a", device="cpu")
    refused(asked, ConfigError, "is of method zscrgan-reference, which cannot be adapted; use a")


def test_what_the_unseen_classes_selected_is_refused(
    lay_out: Callable[[str, str, str], Path],
    vectors: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What adapting adds could not be told from what the selection did."""
    monkeypatch.syspath_prepend(str(lay_out("peeking", "peeking", PEEKING)))
    run = fit(Request("peeking", vectors, tmp_path / "run", SMALL, device="cpu"))
    asked = Adaptation(run.folder, vectors, out=tmp_path / "a", device="cpu")
    refused(asked, ConfigError, "was selected on the unseen classes")


def test_kill_anywhere_then_adapt_again_gives_the_same_bytes(
    killer: Callable[..., dict[str, Any]],
    base: Path,
    vectors: Path,
    listed: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """kill -9 before any change of a name on disk: a whole run or none, then the same run."""
    command = ["adapt", str(base), str(vectors), "--names", str(listed("c8", "c9"))]
    command += ["--device", "cpu"]
    whole = tmp_path / "whole"
    whole.mkdir()
    done = killer(command, whole)
    assert done["status"] == 0, done
    latest = (whole / "runs/latest").resolve()
    assert latest.name == "zscrgan-vectors-adapted-001"
    expected = {path.name: path.read_bytes() for path in latest.iterdir()}
    naming = ("replace", "rename", "symlink")
    points = [number for number, call in enumerate(done["calls"], 1) if call in naming]
    assert len(points) >= 3
    for at in points:
        folder = tmp_path / str(at)
        folder.mkdir()
        assert killer(command, folder, at=at)["status"] == -signal.SIGKILL
        for made in (folder / "runs").glob("zscrgan*"):
            verify(made, read_manifest(made, "run"))
        assert killer(command, folder)["status"] == 0
        latest = (folder / "runs/latest").resolve()
        assert {path.name: path.read_bytes() for path in latest.iterdir()} == expected, at
        assert not [p for p in (folder / "runs").glob(".*") if not p.is_symlink()], at


def test_adapt_export_and_query(
    seeing: Path,
    photos: Path,
    listed: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commands in their order: the bundle is proven, and says what it was adapted to."""
    monkeypatch.chdir(tmp_path)
    names = listed("white circle", "white square")

    def zscr(*args: str) -> Result:
        done = CliRunner().invoke(main, args, catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return done

    said = zscr("adapt", str(seeing), str(photos), "--names", str(names), "--set", "k=3").stderr
    done = "adapted runs/zscrgan-shapes-adapted-001 to 8 images, 2 names, given to 6 of them"
    assert said.splitlines()[-2:] == [done, "next: zscr export"]
    zscr("export")
    provenance = read_manifest(Path("bundles/latest").resolve(), "bundle").body["provenance"]
    assert provenance["selection"].startswith("transductive (adapted to 8 unlabelled images, 2 na")
    assert provenance["run"].endswith("adapted-001")
    zscr("index", "add", str(photos), "--index", "photos.index")
    searcher = Searcher.open(Path("bundles/latest"), Path("photos.index"))
    assert len(searcher.search(["a white circle"], k=8)[0].hits) == 8
    report = json.loads(zscr("evaluate", "bundles/latest", "--json").stdout)
    assert report["selection"] == provenance["selection"]


def test_complete_goes_with_names(base: Path, vectors: Path) -> None:
    """A usage error, before anything is read."""
    done = CliRunner().invoke(main, ["adapt", str(base), str(vectors), "--complete"])
    assert done.exit_code == 2
    assert "--complete goes with --names" in done.stderr
