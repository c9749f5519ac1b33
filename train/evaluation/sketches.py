"""Controls of sketches that ask for images, fitted once for all runs that they are equal for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zscr.data.collection import Collection
from zscr.data.tasks import Task
from zscr.errors import MissingExtraError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.evaluation.controls.control import BOUND, Control, random_ranking, unit
from zscr.infer.evaluation.controls.domains import DOMAINS, IMAGE, SKETCH, STOCK, Asked
from zscr.infer.evaluation.controls.preprocessing import rooted_scaling
from zscr.infer.evaluation.controls.sketches import sketch_controls
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.evaluation.naming import OF_CLASSES
from zscr.infer.features.listing import Encoders, encoder_of
from zscr.infer.features.table_names import VIEW, base_of, second_of
from zscr.progress import say
from zscr.train.evaluation.drawn import Drawn

if TYPE_CHECKING:
    from zscr.train.run import Run


def sketch_figures(
    drawn: Drawn, tasks: Sequence[Task], use: GalleryUse | None = None
) -> dict[str, Any]:
    """Return each control's figures, with what was chosen on the validation classes.

    Controls of equal features are fitted once a process, whatever tasks and runs they are for.

    Args:
        drawn: what they are fitted to.
        tasks: what is judged on, and for generalised figures the same of the seen classes.
        use: what the gallery does for them, as for the model.
    """
    judged, figures = [drawn.task(task) for task in tasks], {}
    scale = rooted_scaling(drawn.split("seen")[IMAGE].rows) if use else None
    for control in (random_ranking(asks=SKETCH), *fitted_controls(drawn)):
        if control.name == BOUND and tasks[0].name not in OF_CLASSES:
            continue  # the mean of a single image is that image
        parts = []
        for features, task in judged:
            queries, gallery = control.embed(features)
            feature = unit(scale(features[IMAGE].rows)) if scale else None
            parts.append(Embedded(task, queries, gallery, feature))
        figures[control.name] = {**control.chosen, **evaluate(*parts, use=use).to_json()}
    return figures


@lru_cache(maxsize=4)
def fitted_controls(drawn: Drawn) -> tuple[Control, ...]:
    """Fit and choose every control of `zscr.infer.evaluation.controls.sketches`."""
    seen, val = drawn.split("seen"), drawn.split("val")
    return (*sketch_controls(seen, val, asked=drawn.asked, refit=drawn.refit),)


def drawn_below(
    run: Run, collection: Collection, encoders: Encoders, ports: Sequence[str], *, refit: bool
) -> Drawn | None:
    """Return what controls are fitted to beside a run: the frozen networks below its towers.

    None where it has no frozen features, or the collection too little to fit anything to.

    Args:
        run: whose setting `backbone`, and perhaps `second`, names them; without, its encoders are.
        collection, encoders: of the run.
        ports: of its heads: several views of one side are averaged, which the controls do as well.
        refit: whether it was fitted on the validation classes, too.
    """
    if lacking := [split for split in ("seen", "val") if not _has_both(collection, split)]:
        say(f"{collection.folder} lacks {' and '.join(lacking)} sketches to fit controls to")
        return None
    from zscr.train.methods.settings import as_dict

    settings, seconds = as_dict(run.config), [second_of(domain) for domain in DOMAINS]
    first = [port for port in ports if port not in seconds and base_of(port) in DOMAINS]
    asked = Asked(*(tuple(p for p in first if base_of(p) == one) or (one,) for one in DOMAINS))
    text = encoders.get("text")
    if "backbone" in settings:
        names = [settings["backbone"], *({settings["second"]} if {*seconds} & {*ports} else {})]
        views = [one for one in run.sources if base_of(one) in DOMAINS and one not in seconds]
        return drawn_by(collection, names, views, asked=asked, refit=refit, text=text)
    own = {name: encoder_of(name, encoders) for name in {*DOMAINS, *first}}
    if any(one is None or not _is_pooled(one) for one in own.values()):
        return None
    return Drawn.of(collection, own | _text(collection, text), asked, refit=refit)


def _has_both(collection: Collection, split: str) -> bool:
    items = collection.split(split)
    return all(any(getattr(item, domain) for item in items) for domain in DOMAINS)


def _is_pooled(encoder: Encoder) -> bool:
    return len(encoder.row_shape) == 1 and encoder.dtype == "float32"


def drawn_by(
    collection: Collection,
    backbones: Sequence[str],
    views: Iterable[str] = (),
    *,
    asked: Asked = STOCK,
    refit: bool,
    text: Encoder | None = None,
) -> Drawn:
    """Find the encoders of a collection's sketches and images.

    Args:
        collection: whose they are.
        backbones: names of a frozen image encoder, and perhaps of a second one.
        views: tables beside `sketch` and `image` that the model was trained on, such as
            `sketch/flipped`, by the first encoder.
        asked: the tables that are compared.
        refit: whether what is chosen is fitted on the validation classes, too.
        text: encoder of the classes' names and texts; None takes the default one.
    """
    from zscr.train.vision.backbone import open_backbone

    stock = dict.fromkeys((*DOMAINS, *asked.queries, *asked.gallery))
    encoders: dict[str, Encoder | None] = {}
    for place, backbone in enumerate(backbones):
        frozen = open_backbone(backbone, "frozen")
        for table in stock if place else dict.fromkeys((*stock, *views)):
            view = VIEW.join(table.split(VIEW)[1:])
            sketch = base_of(table) == SKETCH  # the edges of a photo are made of it as it is
            folder = frozen.encoder(sketch=sketch, view=view)
            encoders[second_of(table) if place else table] = load_encoder(folder)
    return Drawn.of(collection, encoders | _text(collection, text), asked, refit=refit)


def _text(collection: Collection, encoder: Encoder | None) -> dict[str, Encoder | None]:
    """Return what encodes the classes' texts; nothing where its package is missing."""
    from zscr.train.encoders.resolve import DEFAULT_TEXT, text_encoder

    if collection.has_vectors("text"):
        return {"text": None}
    try:
        return {"text": encoder or load_encoder(text_encoder(DEFAULT_TEXT, collection))}
    except MissingExtraError as error:
        say(f"controls that are fitted onto texts are left out: {error}")
        return {}
