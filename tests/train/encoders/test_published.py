"""Folders of encoders that somebody published: read strictly, and nothing in them is run."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import save_file

from zscr.errors import InputError
from zscr.train.encoders.image import convert_image_encoder
from zscr.train.encoders.text import convert_text_encoder


def test_code_of_a_folder_is_not_run(tmp_path: Path) -> None:
    """transformers would ask on the terminal whether to run it."""
    folder, ran = tmp_path / "published", tmp_path / "ran"
    folder.mkdir()
    (folder / "evil.py").write_text(
        f"open({str(ran)!r}, 'w')\nclass Config: pass\nclass Model: pass"
    )
    parts = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (folder / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": parts}))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"weight": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(InputError, match="is no checkpoint that can be loaded") as refused:
        convert_text_encoder(folder, tmp_path / "out", "evil")
    assert "\n" not in str(refused.value)
    assert not ran.exists()


NOTHING = ("[]", '{"size": {}}', '{"size": NaN}', "[" * 10_000, '{"size": 1, "size": 2}', "x", "{}")


@pytest.mark.parametrize("config", NOTHING)
def test_configurations_that_say_nothing_are_one_sentence(config: str, tmp_path: Path) -> None:
    """Beside a graph that would do."""
    node = onnx.helper.make_node("Flatten", ["x"], ["features"])
    values = [
        onnx.helper.make_tensor_value_info("x", 1, ["b", 3, 4, 4]),
        onnx.helper.make_tensor_value_info("features", 1, ["b", 48]),
    ]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    versions = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=versions), tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text(config)
    with pytest.raises(InputError, match="preprocessor_config") as refused:
        convert_image_encoder(tmp_path, tmp_path / "out", "x")
    assert "\n" not in str(refused.value)
