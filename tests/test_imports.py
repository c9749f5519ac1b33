"""The architecture, proved: imports point one way, inside the packages too, and never in a circle.

docs/architecture.md draws it; `scripts/architecture` finds the imports.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

# package -> its parts (modules and sub-packages), floor by floor. A part imports what stands on
# lower floors, itself, and `__init__` of a package; never what stands beside or above it.
FLOORS = {
    "zscr": "control_groups errors names patience printable processor strict_json"
    " <- cores progress <- machine"
    " <- disk extras home limited memory place regular schema streams"
    " <- cache lock manifest_file <- partial proven <- blocks <- arrays artefact options <- data"
    " <- infer <- __init__ train <- export <- cli",
    "zscr.data": "decoding exclusion hashes known_source names records relevance splits"
    " <- images known_sketches walk <- known_collections listing options own_gallery rules"
    " task_files <- task_rules"
    " <- task_info_rules <- draft <- corpus <- collection corpus_files"
    " <- aviary describe sources task_rows"
    " <- registry tasks"
    " <- check summary <- commands",
    "zscr.data.describe": "endpoint naming sentence trained <- mentions prompts <- checks"
    " <- bounded given journal refusal <- outcome reply <- chat <- asking stored"
    " <- asked texts <- commands",
    "zscr.data.decoding": "mending modes orientation suffixes <- formats <- loading",
    "zscr.data.sources": "archive captions class_split colours found lookup normal origin own_photo"
    " shards <- annotated definitions product_tasks"
    " <- awa captioned domains fashion folder sentences sketchy triplets wiki zscrgan"
    " <- sketches sketchy_clip sketchy_domains titles uncaptioned",
    "zscr.data.sources.sketches": "benchmarks duplicates lists sides <- class_folders"
    " domain_folders <- source <- published",
    "zscr.data.sources.domains": "conversion <- lists <- freedom icir imagenet_r ltll",
    "zscr.data.sources.triplets": "annotations boxes masks triplet <- images objects"
    " <- circo cirr coco fashioniq genecis",
    "zscr.infer": "ahead answers buckets composition inputs lines reranking runners"
    " <- precision <- batches bundle_manifest options query_rows"
    " <- engines queries sketches <- encoder <- bundle features reading <- index pair sums"
    " <- columns composed evaluation exchange gallery_tokens <- found models mteb nearest reranker"
    " <- doctor inspection lookup own_image <- searcher <- bench find <- commands",
    "zscr.infer.index.on_device": "graphs rounding <- device <- gallery <- search",
    "zscr.infer.exchange": "gallery place rows <- arrow points sidecars"
    " <- faiss hnswlib lance npy parquet qdrant qdrant_edge <- exports foreign"
    " <- imports <- commands",
    "zscr.infer.inputs": "edges paper prepared sentence tokenizer <- ink views <- strokes"
    " <- characters image unread vector <- prompt text <- make",
    "zscr.train": "cuda_graph kept latest options precision ranks run_fields tables weights"
    " <- hub <- encoders <- pretrained <- language vision <- methods"
    " <- pairs <- heads soundness state <- run stored <- log refused sources <- loop <- fit"
    " <- evaluation <- commands <- adaptation",
    "zscr.train.hub": "library name <- faults <- client <- listing <- choice library_cache metadata"
    " pins <- fetch <- at_hand <- gather kept <- offline <- snapshot <- checkpoint",
    "zscr.train.methods": "blocks contract losses optimizer seeded"
    " <- registry ridge scaling unit_rows <- settings"
    " <- alignment clip zscrgan <- cmaan pic2word zse",
    "zscr.train.methods.alignment": "cross_attention relation token_transformer triplet tuples"
    " <- fusion towers <- alignment sentences",
    "zscr.train.methods.clip": "choice config pairs pretrained projection schedule start step"
    " <- image_tower text_tower <- towers <- method",
    "zscr.train.methods.cmaan": "config described objective start <- rows updates"
    " <- batches projection <- aligning embedder relating <- method",
    "zscr.train.methods.zscrgan": "class_order draws losses networks noise <- heads sampler"
    " <- improved reference",
    "zscr.train.methods.pic2word": "base masking objective sentence_rows words <- nouns tagger"
    " <- centre config edits pretrained_base run_base vocabulary <- composed opening sentences"
    " <- fitting <- method",
    "zscr.train.pretrained": "card families files samples scaled spelling <- graph model"
    " <- pixels tokens <- dual <- load sentence <- open_clip <- folder",
    "zscr.train.language": "families mappers tower <- bodies prefix released <- language",
    "zscr.train.vision": "cuts operators tower transformer <- folder halves rebuilt"
    " <- frozen network tokens upper whole <- states <- backbone",
    "zscr.infer.engines": "api seal toolchain <- library listener recipe <- entry plan"
    " <- lane state <- cache runner <- listing opening <- table",
    "zscr.export.tensorrt": "api profile <- library monitor network timing"
    " <- builder <- engines <- commands",
    "zscr.export": "card_table heads tensorrt words <- card_figures card_precision <- card"
    " <- begun composition figures parity samples"
    " <- pairs precision proof <- bundle <- deploy pretrained <- commands",
    "zscr.export.precision": "gate timing weights <- dynamic halves <- integers <- rungs <- trial"
    " <- ladder",
    "zscr.export.pretrained": "place proof <- composed <- bundle <- image job",
}
# package -> what none of its modules may need, not even by way of others
APART = {"zscr.infer.evaluation": ("zscr.infer.bundle", "zscr.infer.encoder")}

WITHOUT_TORCH = {"data", "infer", "zscr"}
NOT_AT_RUN_TIME = {"torch", "onnx", "onnxscript", "transformers", "tensorrt", "tensorrt_rtx"}
ALONE = "infer/runners/onnx.py"
LIGHT = {
    "__version__",
    "artefact",
    "control_groups",
    "cores",
    "disk",
    "errors",
    "extras",
    "lock",
    "memory",
    "options",
    "partial",
    "place",
    "printable",
    "progress",
    "streams",
}  # of zscr
SHOWN = ("/cli.py", "/commands.py", "/options.py")  # what `--help` loads


def load_script(name: str) -> Any:
    """Import a Python script of the repository, whose name has no suffix."""
    loader = SourceFileLoader(f"scripts_{name}", str(ROOT / "scripts" / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))  # type: ignore[arg-type]
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


CODE = load_script("architecture")
HEIGHTS = {
    package: {part: n for n, floor in enumerate(text.split("<-")) for part in floor.split()}
    for package, text in FLOORS.items()
}
KNOWN = {f"{package}.{part}" for package, parts in HEIGHTS.items() for part in parts}


def against_the_floors(found: Any) -> Iterator[str]:
    """Say why an import points up or sideways, in whichever packages it does."""
    name = CODE.module_name(found.file)
    for package, height in HEIGHTS.items():
        here, there = (CODE.part_of(each, package, KNOWN) for each in (name, found.name))
        if None in (here, there) or there in (here, "__init__"):
            continue
        if here == "__init__" and name != package:  # on no floor, which is a fault by itself
            continue
        if height.get(here, -1) <= height[there]:
            yield f"in {package}, {here} stands below or beside {there}"


def banned(found: Any) -> Iterator[str]:
    """Say what is wrong with an import wherever the importing part stands."""
    folder, top = found.file.split("/")[0], found.name.split(".")[0]
    if found.level > 1:
        yield "relative imports stay within their package"
    if top in {"benchmarks", "tests"}:
        yield f"{top} import the product, never the other way round"
    if folder in WITHOUT_TORCH and top in NOT_AT_RUN_TIME:
        yield f"{folder} works without {top}"
    if top == "onnxruntime" and found.file != ALONE:
        yield f"only {ALONE} imports onnxruntime, which phones home unless told not to before"
    if found.file == "zscr/cli.py" and found.name.split(".")[1:2] in ([x] for x in CODE.FOLDERS):
        if ".commands" not in found.name:
            yield "the command line imports modules of commands alone"
    if found.file.endswith(SHOWN) and found.runs and not light(found.name):
        yield "help must not load this: import it in the function that uses it"


def light(name: str) -> bool:
    """Say whether an import costs nothing: the standard library, click, zscr's own base."""
    first, _, rest = name.partition(".")
    if first == "zscr":
        parts = rest.split(".")  # commands and options may import what these may
        return not rest or parts[0] in LIGHT or not {"commands", "options"}.isdisjoint(parts[1:])
    return first == "click" or first in sys.stdlib_module_names


def on_no_floor(file: str) -> Iterator[str]:
    """Say that a file is in a package whose floors do not name it."""
    name = CODE.module_name(file)
    for package in FLOORS:
        if name.startswith(f"{package}.") and CODE.part_of(name, package, KNOWN) == "__init__":
            yield f"{file}: give it a floor of {package} in tests/test_imports.py"


def graph_of(sources: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return module -> the modules of zscr that it imports, each with its first such import."""
    graph: dict[str, dict[str, Any]] = {CODE.module_name(file): {} for file in sources}
    for file, source in sources.items():
        for found in CODE.find_imports(file, source):
            words = found.name.split(".")
            target = next(
                (m for n in range(len(words), 0, -1) if (m := ".".join(words[:n])) in graph), None
            )
            if target not in (None, CODE.module_name(file)):
                graph[CODE.module_name(file)].setdefault(target, found)
    return graph


def way(graph: Mapping[str, Mapping[str, Any]], start: str, end: str) -> list[str]:
    """Return the shortest way along imports from one module to another; empty: there is none."""
    before, waiting = {start: ""}, [start]
    for module in waiting:
        if module == end:
            path = [end]
            while before[path[0]]:
                path.insert(0, before[path[0]])
            return path
        new = [each for each in graph[module] if each not in before]
        before |= dict.fromkeys(new, module)
        waiting += new
    return []


def circles(graph: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Describe each circle of imports once, with the place of every import in it."""
    seen = set()
    for module, imported in graph.items():
        for target in imported:
            path = way(graph, target, module)
            if path and frozenset(path) not in seen:
                seen.add(frozenset(path))
                steps = [graph[a][b] for a, b in zip([module, *path], path, strict=False)]
                places = (f"{each.file}:{each.line} imports {each.name}" for each in steps)
                yield f"a circle: {', '.join(places)}"


def too_near(graph: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Describe each way from a package to what it must not need."""
    for package, modules in APART.items():
        for start in (module for module in graph if f"{module}.".startswith(f"{package}.")):
            for path in filter(None, (way(graph, start, end) for end in modules if end in graph)):
                first = graph[start][path[1]]
                yield f"{first.file}:{first.line} needs {path[-1]}: {' -> '.join(path)}"


def faults(sources: Mapping[str, str]) -> list[str]:
    """Return everything that is wrong with the imports of a tree: path -> source."""
    wrong = {}
    for file, source in sources.items():
        for found in CODE.find_imports(file, source):
            for why in (*against_the_floors(found), *banned(found)):  # one of several names will do
                wrong[file, found.line, why] = f"{file}:{found.line} imports {found.name}: {why}"
    graph = graph_of(sources)
    homeless = (fault for file in sources for fault in on_no_floor(file))
    return [*homeless, *wrong.values(), *circles(graph), *too_near(graph)]


def test_imports_point_one_way() -> None:
    """No import points up or sideways or closes a circle; help loads only what is light."""
    wrong = faults(CODE.read_sources(ROOT))
    assert not wrong, "\n".join([f"{len(wrong)} wrong imports", *wrong])


def test_the_floors_name_what_is_there() -> None:
    """A part that was renamed or removed does not stay behind in the floors."""
    there = {CODE.module_name(file) for file in CODE.read_sources(ROOT)}
    parts = {name.removesuffix(".__init__") for name in KNOWN}
    assert parts - there == set()


def file_of(module: str) -> str:
    """Return a file that a module could be, as if every part were one file."""
    path = module.removeprefix("zscr.").replace(".", "/")
    return f"{path}.py" if path.split("/")[0] in CODE.FOLDERS else f"zscr/{path}.py"


TREE = {file_of(module): "" for module in KNOWN - FLOORS.keys()}
METHOD = "train/methods/zscrgan"


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("data/summary.py", "from zscr.infer.index.index import Index", "data stands below"),
        ("data/summary.py", "def f():\n    from zscr import train", "2 imports zscr.train: in"),
        ("train/fit.py", "from zscr.export.run import a", "train stands below or beside export"),
        ("zscr/lock.py", "import zscr.data.records", "lock stands below or beside data"),
        ("zscr/errors.py", "from zscr.progress import bar", "errors stands below or beside"),
        ("data/splits.py", "from . import collection", "splits stands below"),
        ("data/records.py", "from zscr.data import images", "records stands below or beside"),
        ("data/sources/wiki.py", "from zscr.data.registry import find", "sources stands below"),
        ("data/sources/wiki.py", "from zscr.data.sources import awa", "wiki stands below or bes"),
        ("infer/encoder.py", "from zscr.infer.bundle import Bundle", "encoder stands below"),
        ("infer/inputs/text.py", "from zscr.infer import runners", "inputs stands below or beside"),
        ("infer/index/add.py", "import zscr.infer.evaluation.report", "index stands below or"),
        ("infer/__init__.py", "from zscr.infer.bundle import Bundle", "__init__ stands below"),
        ("infer/evaluation/x.py", "from zscr.infer.encoder import E", "x.py:1 needs zscr.infer.en"),
        ("train/methods/contract.py", "from zscr.train.run import Run", "methods stands below"),
        (
            "train/methods/registry.py",
            "import zscr.train.methods.zscrgan.improved",
            "registry stands below or beside zscrgan",
        ),
        (
            "train/methods/registry.py",
            "from importlib import import_module\nimport_module('zscr.train.methods.zscrgan')",
            "registry.py:2 imports zscr.train.methods.zscrgan: in",
        ),
        (
            f"{METHOD}/improved/method.py",
            "from zscr.train.methods.zscrgan.reference import plain",
            "improved stands below or beside reference",
        ),
        (f"{METHOD}/noise.py", "from .sampler import a", "noise stands below"),
        ("export/bundle.py", "from zscr.export.deploy import a", "bundle stands below"),
        ("infer/bundle.py", "if TYPE_CHECKING:\n    import torch.nn", "infer works without torch"),
        ("data/summary.py", "from ...other import loop", "relative imports stay within"),
        (
            "train/fit.py",
            "def f():\n    from onnxruntime.capi import x",
            "fit.py:2 imports onnxrun",
        ),
        ("export/bundle.py", "import benchmarks.speed", "benchmarks import the product"),
        ("zscr/cli.py", "def f():\n    import zscr.infer.index", "modules of commands alone"),
        ("train/commands.py", "import torch", "help must not load this"),
        ("train/commands.py", "try:\n    import numpy\nfinally: 0", "help must not load this"),
        ("data/new.py", "", "new.py: give it a floor of zscr.data"),
        ("infer/bundle.py", "import numpy\nfrom zscr.errors import ZscrError", None),
        ("train/fit.py", "from .loop import train", None),
        ("zscr/cli.py", "def f():\n    from zscr.train.commands import train", None),
        ("zscr/__init__.py", "if TYPE_CHECKING:\n    from zscr.infer.bundle import B", None),
        ("train/commands.py", "import click, json\ndef f():\n    import torch", None),
        ("train/commands.py", "if TYPE_CHECKING:\n    import torch", None),
        (f"{METHOD}/improved/method.py", "from zscr.train.methods.zscrgan.noise import a", None),
    ],
)
def test_each_kind_of_wrong_import_is_found(file: str, source: str, expected: str | None) -> None:
    """Exactly one fault each, which says where and why; right imports are none."""
    found = faults(TREE | {file: source})
    assert len(found) == (expected is not None), found
    assert expected is None or expected in found[0]


@pytest.mark.parametrize("inside", ["{}", "def f():\n    {}", "if TYPE_CHECKING:\n    {}"])
@pytest.mark.parametrize("names", ["ab", "abc"], ids=["two", "three"])
def test_circles_are_found(names: str, inside: str) -> None:
    """Of two files or more, wherever the closing import stands; once, with every place."""
    rows = [f"from zscr.infer.index.{name} import f" for name in names[1:]]
    rows.append(inside.format("from zscr.infer.index import a"))
    files = {f"infer/index/{name}.py": row for name, row in zip(names, rows, strict=True)}
    [fault] = faults(TREE | files)
    assert fault.startswith("a circle: ")
    lines = [1] * (len(names) - 1) + [1 + inside.count("\n")]
    for file, line in zip(files, lines, strict=True):
        assert f"{file}:{line} imports" in fault


def test_a_long_way_to_what_must_stay_apart_is_found() -> None:
    """Evaluation that imports features which import the encoder needs the encoder."""
    [fault] = faults(
        TREE
        | {"infer/evaluation/x.py": "import zscr.infer.features.y"}
        | {"infer/features/y.py": "\nfrom zscr.infer.encoder import Encoder"}
    )
    assert "zscr.infer.evaluation.x -> zscr.infer.features.y -> zscr.infer.encoder" in fault


def test_every_package_is_in_the_distribution() -> None:
    """A folder with modules that pyproject.toml does not list would be missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {str(Path(file).parent) for file in CODE.read_sources(ROOT)}
    assert {CODE.module_name(f"{folder}/__init__.py") for folder in folders} == set(listed)
