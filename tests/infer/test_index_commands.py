"""`zscr index` as people use it: what was done, skipped and damaged is said."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from zscr.cli import main
from zscr.infer.index.index import Index


def test_index_from_the_shell(deployed, tmp_path, images):
    """Add, look, verify, ask: what was skipped is said, and one's own images are found."""
    folder, runner = tmp_path / "own.index", CliRunner()
    images(4, "own")[1].write_text("text")
    add = ["index", "add", tmp_path / "own", "--bundle", deployed.bundle, "--index", folder]
    added = runner.invoke(main, list(map(str, add)))
    assert (added.exit_code, added.stdout) == (0, "")
    assert "3 added, 0 replaced, 0 unchanged, 1 skipped" in added.stderr
    assert "01.png is not a JPEG" in added.stderr
    again = runner.invoke(main, list(map(str, add)))
    assert "0 added, 0 replaced, 3 unchanged, 1 skipped" in again.stderr
    info = runner.invoke(main, ["index", "info", str(folder)])
    assert "3 images of 16 dimensions, exact" in info.stdout
    opened = Index.open(folder)
    about = f"generation {opened.generation}, made by the bundle {deployed.bundle.name}"
    assert f"{about} in the space {opened.space[:12]}, in fp32\n" in info.stdout
    assert "1 images were skipped" in info.stdout
    mixed = r"calibrated by 128 mixes of the examples' words: the best images of these score 0\.\d+"
    assert re.search(mixed, info.stdout)
    exported = runner.invoke(main, ["index", "info", str(deployed.index)]).stdout
    kinds = re.findall(r"^calibrated by (\d+) (\w+), each without", exported, re.MULTILINE)
    assert kinds == [("4", "examples"), ("8", "images")]
    verified = runner.invoke(main, ["index", "verify", str(folder)])
    assert "is sound: 3 images" in verified.stdout
    assert "100.00% of 3" in verified.stdout
    asked = ["query", "--text", "red", "--bundle", str(deployed.bundle), "--index", str(folder)]
    row = json.loads(runner.invoke(main, asked).stdout)
    assert {hit["id"] for hit in row["hits"]} == {"own/00.png", "own/02.png", "own/03.png"}


def test_diffusing_from_the_shell(deployed, tmp_path, images):
    """It is said when made, grown and looked at; an index that was made without says what to do."""
    folder, runner = tmp_path / "own.index", CliRunner()
    images(4, "own")
    about = ["--bundle", deployed.bundle, "--index"]
    named = ["index", "add", *images(4, "own"), *about]
    made = runner.invoke(main, list(map(str, [*named, folder, "--diffuse"])))
    said = "embeddings are diffused over 10 neighbours with alpha 0.9 in 10 steps"
    assert made.exit_code == 0
    assert said in made.stderr
    more = ["index", "add", *images(6, "own")[4:], *about, folder]
    assert said in runner.invoke(main, list(map(str, more))).stderr
    info = runner.invoke(main, ["index", "info", str(folder)]).stdout
    assert "image features of 16, embeddings diffused over 10 neighbours" in info
    plain = tmp_path / "plain.index"
    assert runner.invoke(main, list(map(str, [*named, plain]))).exit_code == 0
    refused = runner.invoke(main, list(map(str, [*named, plain, "--diffuse"])))
    assert refused.exit_code == 1
    assert re.fullmatch(
        "Error: the index .*plain.index was made without --diffuse; leave --diffuse out, or make "
        "another of the same images with --index\n",
        refused.stderr,
    )
    info = runner.invoke(main, ["index", "info", str(plain)]).stdout
    assert "image features of 16, embeddings not diffused" in info


def test_a_damaged_index_is_one_sentence(deployed, tmp_path):
    """From the shell, too."""
    folder = Path(shutil.copytree(deployed.index, tmp_path / "index"))
    [segment] = folder.glob("segment.*")
    segment.write_bytes(segment.read_bytes()[:-1] + b"\0")
    result = CliRunner().invoke(main, ["index", "verify", str(folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch("Error: .*segment.* is damaged: .*\n", result.stderr)


def test_an_interrupted_add_says_how_to_go_on(deployed, tmp_path, images):
    """What was embedded is kept, as the kill tests prove; Ctrl-C says so."""
    images(3)
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "from zscr.cli import main\n"
        "replace = os.replace\n"
        "def interrupted(*args):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    replace(*args)\n"
        "os.replace = interrupted\n"
        "main(sys.argv[1:])\n"
    )
    args = ["index", "add", tmp_path / "images", "--bundle", deployed.bundle]
    args += ["--index", tmp_path / "index"]
    command = [sys.executable, script, *args]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 130
    assert "the same command goes on from there\ninterrupted\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_index_follows_its_folder_from_the_shell(deployed, tmp_path, images):
    """What has become of the images is told with what to do, done, and told again."""
    place = ["--index", tmp_path / "own.index", "--bundle", deployed.bundle]

    def run(*args, code=0):
        done = CliRunner().invoke(main, ["index", *map(str, args)])
        assert done.exit_code == code, done.output
        return done.stdout + done.stderr

    paths = images(5, "own")
    (tmp_path / "own/clip.mov").write_text("film")
    assert "passed over: 1 *.mov\n" in run("add", tmp_path / "own", *place)
    assert "of 5 files 5 are as they were" in run("verify", tmp_path / "own.index")
    paths[0].unlink()
    paths[1].write_bytes(paths[2].read_bytes())
    paths[3].rename(tmp_path / "own/new.png")
    paths[4].write_text("damaged")
    (tmp_path / "own/unread.png").symlink_to("/proc/self/mem")
    said = run("verify", tmp_path / "own.index", code=1)
    assert "1 are as they were indexed, 2 missing, 2 changed, 0 unreadable" in said
    assert f"missing: {paths[0]}\n" in said
    assert f"4 images of {tmp_path / 'own.index'} are not as indexed; run 'zscr index sync" in said
    run("verify", tmp_path / "own.index", "--no-images")
    sync = ["sync", tmp_path / "own", *place]
    would = "would be 0 added, 2 replaced, 1 moved, 1 removed, 1 unchanged; 1 to embed; nothing"
    assert would in run(*sync, "--dry-run")
    said = run(*sync)
    assert "1 images are gone and will be removed, 1 have moved\n" in said
    assert "0 added, 1 replaced, 1 moved, 2 removed, 1 unchanged, 2 skipped" in said
    assert "1 images have the content of another; --duplicates link" in said
    assert "of 3 files 3 are as they were" in run("verify", tmp_path / "own.index")
    info = run("info", tmp_path / "own.index")
    assert f"folder own: {tmp_path / 'own'}; passed over: 1 *.mov\n" in info
    assert "\n2 images were skipped\n" in info
    (tmp_path / "own/unread.png").unlink()
    paths[4].unlink()
    assert "3 unchanged, 0 skipped" in run(*sync)
    assert "0 images were skipped" in run("info", tmp_path / "own.index")
    assert "1 removed, 0 unchanged" in run("remove", "own/new.png", *place)
    (tmp_path / "own").rename(tmp_path / "moved")
    assert "2 missing" in (said := run("verify", tmp_path / "own.index", code=1))
    assert "own is not there: mount its disk, or if it was moved, run 'zscr index relocate" in said
    ask = ["query", "--text", "red", "--format", "html", *map(str, place)]
    lost = f"{tmp_path / 'own'} is not there; 'zscr index relocate own FOLDER' says where it is\n"
    assert lost in CliRunner().invoke(main, ask).stderr
    assert "2 of its 2 images are there" in run("relocate", "own", tmp_path / "moved", *place)
    run("verify", tmp_path / "own.index")
    assert lost not in CliRunner().invoke(main, ask).stderr


def test_a_collection_is_verified_and_moved_like_a_folder(deployed, shapes, tmp_path):
    """The gallery that an export indexes: its images are counted, and where to look is told."""
    project = tmp_path / "project"
    shutil.copytree(shapes, project / "collections/shapes")
    shutil.copytree(deployed.index, project / "bundles/b.index")
    index = Index.open(project / "bundles/b.index")
    assert [root.name for root in index.roots] == ["shapes"]
    named = ["index", "relocate", "shapes", project / "collections/shapes", "--index", index.folder]
    assert CliRunner().invoke(main, list(map(str, named))).exit_code == 0
    project.rename(tmp_path / "moved")
    verify = ["index", "verify", str(tmp_path / "moved/bundles/b.index")]
    assert "of 8 files 8 are as they were" in CliRunner().invoke(main, verify).stdout
    entry = Index.open(Path(verify[2])).entries[0]
    Path(entry.image).write_bytes(b"")
    done = CliRunner().invoke(main, verify)
    assert (done.exit_code, "1 changed" in done.stdout) == (1, True)
    assert f"'zscr data check {tmp_path / 'moved/collections/shapes'}' looks at" in done.stderr


def run(*words):
    """Run a command; return its exit code and what it said on both streams."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, result.stdout + result.stderr


def test_jobs_of_an_array_make_one_index(deployed, tmp_path, images):
    """Each image is of one share, whatever else is there; all merged are as one made at once."""
    images(40, "own")  # of 9, all may be of one share, by where they lie
    parts = [tmp_path / f"part.{number}" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        words = ("--shard", f"{number}/2", "--bundle", deployed.bundle, "--index", part)
        assert run("index", "add", tmp_path / "own", *words)[0] == 0
    counts = [Index.open(part).count for part in parts]
    assert (sum(counts), min(counts) > 0) == (40, True)
    code, said = run("index", "merge", tmp_path / "all", *parts)
    assert (code, said) == (0, f"{tmp_path / 'all'} holds the 40 images of 2 indexes\n")
    run("index", "add", tmp_path / "own", "--bundle", deployed.bundle, "--index", tmp_path / "once")
    ids = [{entry.id for entry in Index.open(tmp_path / name).entries} for name in ("all", "once")]
    assert ids[0] == ids[1]
    again = ("--bundle", deployed.bundle, "--index", tmp_path / "all")
    assert "0 added, 0 replaced, 40 unchanged" in run("index", "add", tmp_path / "own", *again)[1]
    assert run("index", "add", tmp_path / "own", "--shard", "3/2")[1].startswith(
        "Error: '3/2' is no share; write the third of sixteen as 3/16"
    )


def test_a_share_without_an_image_is_told(deployed, tmp_path, images):
    """A single image is of one of two shares; the other one's job says why it has none."""
    images(1, "own")
    about = (tmp_path / "own", "--bundle", deployed.bundle, "--index")
    shares = [run("index", "add", *about, tmp_path / n, "--shard", f"{n}/2") for n in "12"]
    (added, _), (code, said) = sorted(shares)
    assert (added, code) == (0, 1)
    own = f"none of the 1 images in {tmp_path / 'own'} is of this share; take fewer shares"
    assert own in said


def test_upkeep_from_the_shell(deployed, tmp_path, images):
    """Each command says what it has done, in the words that the next one needs."""
    paths, folder = images(5, "own"), tmp_path / "own.index"
    about = ("--bundle", deployed.bundle, "--index", folder)
    run("index", "add", tmp_path / "own", *about)
    run("index", "remove", "own/02.png", *about)
    assert "2 segments of float32, 1 rows ended\n" in run("index", "info", folder)[1]
    assert run("index", "compact", folder) == (0, "2 segments are one\n")
    assert run("index", "compact", folder) == (0, "there is nothing to compact\n")
    code, said = run("index", "rebuild", folder, "--store", "float16")
    assert (code, said.startswith("4 images of 16 dimensions, exact: ")) == (0, True)
    assert run("index", "repair", folder) == (0, f"{folder} is sound: 4 images\n")
    [segment] = folder.glob("segment.*")
    segment.write_bytes(segment.read_bytes()[:-1] + b"\0")
    assert run("index", "repair", folder, "--yes")[1] == (
        f"Error: 4 of 4 images of {folder} are lost with {segment.name}; make the index anew with "
        f"'zscr index add'\n"
    )
    assert paths[0].exists()


def test_queries_of_images_with_an_attribute(deployed):
    """Only those are found, in the order of all; what no image has is one sentence."""
    words = ("query", "--text", "red", "-k", "8", "--bundle", deployed.bundle)
    every = json.loads(run(*words)[1])["hits"]
    name = every[1]["class"]
    some = json.loads(run(*words, "--where", f"class={name}")[1])["hits"]
    assert 0 < len(some) < len(every)
    assert [hit["id"] for hit in some] == [hit["id"] for hit in every if hit["class"] == name]
    code, said = run(*words, "--where", "class=wren")
    assert (code, said) == (1, "Error: no image of the index has the class wren\n")
