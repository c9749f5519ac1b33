"""A card shows figures of unseen classes that were asked for, of the very weights exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zscr.artefact import read_manifest, verify
from zscr.cli import main
from zscr.errors import ZscrError
from zscr.export.figures import add_figures, read_figures
from zscr.export.precision.gate import Limits
from zscr.export.precision.ladder import add_precisions
from zscr.infer.bundle import Bundle
from zscr.train.run import open_run

Report = dict[str, Any]
LENIENT = Limits(max_drop=1, min_cosine=-1, min_overlap=0)


def zscr(*args: object) -> Any:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def judged(deployed) -> Report:
    """Let the command itself judge the run, once."""
    done = zscr("evaluate", deployed.run, "--controls", "--json")
    assert done.exit_code == 0, done.output
    found: Report = json.loads(done.stdout)
    return found


def written(report: object, folder: Path) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return path


def cells(card: str, name: str) -> list[str]:
    """Return the cells of the row of a card that begins with a name."""
    [row] = [line for line in card.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_card_shows_unseen_figures_beside_controls(
    deployed, judged: Report, tmp_path: Path
) -> None:
    """Of a bundle that is there already, too; a later `--precision` keeps them."""
    bundle = shutil.copytree(deployed.bundle, tmp_path / "bundle")
    shutil.copytree(deployed.index, tmp_path / "bundle.index")
    assert "not measured by the export" in (bundle / "card.md").read_text()
    done = zscr("export", deployed.run, "--out", bundle, "--figures", written(judged, tmp_path))
    assert done.exit_code == 0, done.output
    add_precisions(bundle, ["fp16"], LENIENT)
    manifest = read_manifest(bundle, "bundle")
    verify(bundle, manifest)
    card = (bundle / "card.md").read_text()
    assert "not measured by the export" not in card
    own = cells(card, "**zscrgan-reference**")
    low, high = judged["intervals"]["mAP"]
    assert own[1] == f"{judged['metrics']['mAP']:.3f} [{low:.3f}, {high:.3f}]"
    assert own[-1] == ""
    for name, control in judged["controls"].items():
        shown = cells(card, name)
        figure = control["metrics"]["mAP"] if "metrics" in control else control["mAP"]
        assert shown[1].split()[0] == f"{figure:.3f}", name
        if "difference" in control:
            assert shown[-1].split()[0] == f"{control['difference']['mean']:+.3f}", name
    weights = manifest.body["figures"]["weights"]
    assert weights["run_sha256"] == manifest.body["provenance"]["run_sha256"]
    assert f"step {weights['step']} of run {weights['run_sha256'][:12]}" in card
    assert "is not surely ahead of" in card or " ahead of the " in card or "is behind" in card


def changed(**changes: Any) -> Callable[[Report], object]:
    return lambda report: report | changes


def without(*keys: str) -> Callable[[Report], object]:
    """Return a function that takes what a path of keys leads to out of a report."""

    def change(report: Report) -> object:
        inner = report
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        return report

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (changed(weights=[{"run_sha256": "0" * 64, "step": 2}]), "is stale: it is of weights of"),
        (changed(weights=[None]), "is stale: it is of weights of step None"),
        (lambda r: r | {"weights": r["weights"] * 2}, "is of 2 runs' means, not of"),
        (changed(kind="bundle"), "is of a bundle, not of"),
        (changed(split="val"), "is of the validation classes"),
        (changed(head_settings={"noise_samples": 3}), "is of heads with noise_samples 3, the exp"),
        (changed(unanswered="it takes no texts"), r"holds no figures .*\(it takes no texts\)"),
        (changed(figures=["Prec@-1"]), "'Prec@-1' is no figure"),
        (changed(controls={"ridge": {"mAP": "1"}}), "controls.ridge.mAP is '1', not a number"),
        (without("weights"), "lacks 'weights'"),
        (without("metrics", "mAP"), "metrics lacks 'mAP'"),
        (without("controls", "ridge", "metrics", "mAP"), "controls.ridge lacks 'mAP'"),
        (lambda _: [], "it is a list of 0, not an object"),
        (changed(chance=float("nan")), "NaN is no number of JSON"),
    ],
)
def test_other_figures_are_refused(
    change: Callable[[Report], object], why: str, deployed, judged: Report, tmp_path: Path
) -> None:
    """Stale, of something else, or no such report; in one sentence."""
    path = written(change(json.loads(json.dumps(judged))), tmp_path)
    run = open_run(deployed.run)
    with pytest.raises(ZscrError, match=why) as refused:
        read_figures(path, run, None)
    assert str(path) in str(refused.value)


def test_a_stale_report_leaves_the_bundle_as_it_was(
    deployed, judged: Report, tmp_path: Path
) -> None:
    """And is refused before anything is exported."""
    stale = judged | {"weights": [{"run_sha256": "0" * 64, "step": 2}]}
    done = zscr(
        "export", deployed.run, "--out", tmp_path / "new", "--figures", written(stale, tmp_path)
    )
    assert (done.exit_code, "is stale" in done.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_the_same_figures_are_not_written_twice(deployed, judged: Report, tmp_path: Path) -> None:
    """Others take their place."""
    folder = shutil.copytree(deployed.bundle, tmp_path / "bundle")
    found = read_figures(written(judged, tmp_path), open_run(deployed.run), None)
    made = add_figures(Bundle.open(folder), found)
    assert add_figures(made, found) is made
    again = add_figures(made, found | {"controls": {}})
    assert again.manifest.body["figures"]["controls"] == {}
    assert "- without controls" in (folder / "card.md").read_text()
