"""Small dual encoders with random weights, saved by transformers itself, one maker a family.

Each maker writes a folder as hubs carry it: configuration, `model.safetensors`, the tokenizer's own
files and the image processor's. Weights are larger than an initialisation makes them, so that a
wrong activation, position or projection shows in the features.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import pre_tokenizers

WORDS = "a photo of the red blue small bird dog house sea night two".split()
TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT |= {"intermediate_size": 48}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}
START, END = "<|startoftext|>", "<|endoftext|>"


def save_clip(folder: Path, **settings: Any) -> Path:
    """Save a CLIP: BPE of bytes, causal text, the state of the end token, quick GELU.

    Args:
        folder: to write.
        settings: of the text's configuration, such as `eos_token_id`.
    """
    tokenizer = clip_tokenizer()
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 20, "bos_token_id": 0}
    text |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 1}
    config = transformers.CLIPConfig(
        text_config=TEXT | text | settings, vision_config=VISION, projection_dim=24
    )
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    return _save(folder, transformers.CLIPModel(config), tokenizer, processor)


def clip_tokenizer(length: int = 20) -> Any:
    """Return CLIP's tokenizer with a small vocabulary, which spells every text in bytes."""
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens, merges = [*signs, *(f"{sign}</w>" for sign in signs)], []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merged = parts[0] + parts[1]
            if merged not in tokens:
                merges.append((parts[0], parts[1]))
                tokens.append(merged)
            parts = [merged, *parts[2:]]
    tokens += [START, END]  # last, as in CLIP: the end token has the highest id
    numbers = {token: number for number, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(numbers, merges, model_max_length=length)


def save_siglip(folder: Path, **settings: Any) -> Path:
    """Save a SigLIP: texts padded to a fixed length, the state of the last position, a bias."""
    tokenizer = siglip_tokenizer()
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_size": 32}
    config = transformers.SiglipConfig(text_config=TEXT | text | settings, vision_config=VISION)
    processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return _save(folder, transformers.SiglipModel(config), tokenizer, processor)


def siglip_tokenizer() -> Any:
    """Return the tokenizer of SigLIP 2's fixed-resolution checkpoints: ids alone, no mask."""
    tokenizer = transformers.GemmaTokenizer(
        {token: number for number, token in enumerate(_pieces("<pad> <eos> <bos> <unk>".split()))},
        padding_side="right",
        model_max_length=16,
        model_input_names=["input_ids"],
        add_bos_token=False,
        add_eos_token=True,
    )
    return tokenizer


def save_chinese_clip(folder: Path) -> Path:
    """Save a Chinese-CLIP: BERT's text tower with its `vocab.txt` alone, the state of [CLS]."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = bert_vocabulary()
    text = {**TEXT, "vocab_size": len(vocabulary), "max_position_embeddings": 24}
    config = transformers.ChineseCLIPConfig(
        text_config=text, vision_config=VISION, projection_dim=24
    )
    processor = transformers.ChineseCLIPImageProcessorPil(
        size={"height": 32, "width": 32}, do_center_crop=False
    )
    _save(folder, transformers.ChineseCLIPModel(config), None, processor)
    return _with_vocabulary(folder, vocabulary, 24)


def bert_vocabulary() -> list[str]:
    """Return BERT's special tokens, letters, words, and a few Chinese characters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    parts = [*letters, *(f"##{letter}" for letter in letters), *WORDS, *"一只红色的小鸟.,!'"]
    return list(dict.fromkeys([*special, *parts]))


def _with_vocabulary(folder: Path, vocabulary: list[str], length: int) -> Path:
    """Give a checkpoint the files that older BERT tokenizers consist of."""
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary))
    about = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": length}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder


def save_altclip(folder: Path) -> Path:
    """Save an AltCLIP: XLM-RoBERTa's text tower, the state of the first token, a projection."""
    tokenizer = xlm_tokenizer()
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 26, "project_dim": 24}
    text |= {"pad_token_id": 1, "type_vocab_size": 1}
    config = transformers.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    return _save(folder, transformers.AltCLIPModel(config), tokenizer, processor)


def xlm_tokenizer(length: int = 20) -> Any:
    """Return XLM-RoBERTa's tokenizer with a small vocabulary."""
    pieces = _pieces(["<s>", "<pad>", "</s>", "<unk>"])
    vocabulary = [(piece, -float(number)) for number, piece in enumerate(pieces)]
    return transformers.XLMRobertaTokenizer(vocabulary, model_max_length=length)


def _pieces(special: list[str]) -> list[str]:
    """Return a sentence-piece vocabulary: words, their parts and letters of three scripts."""
    letters = [*"▁abcdefghijklmnopqrstuvwxyz0123456789", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ.,!'"]
    letters += [*"абвгдежзийклмнопрстуфхцчшщъыьэюя", *"一只红色的小鸟"]
    return list(dict.fromkeys([*special, *(f"▁{word}" for word in WORDS), *letters]))


def save_metaclip_2(folder: Path) -> Path:
    """Save a MetaCLIP 2: CLIP's towers with XLM's vocabulary, the end token found by its id."""
    tokenizer = xlm_tokenizer()
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 20}
    text |= {"eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
    config = transformers.MetaClip2Config(text_config=text, vision_config=VISION, projection_dim=24)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    return _save(folder, transformers.MetaClip2Model(config), tokenizer, processor)


def save_aimv2(folder: Path) -> Path:
    """Save an AIMv2 that was tuned to texts: RMS norms, gated layers, the end token's state."""
    tokenizer = clip_tokenizer()
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 20}
    text |= {"eos_token_id": tokenizer.eos_token_id}
    config = transformers.Aimv2Config(text_config=text, vision_config=VISION, projection_dim=24)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    return _save(folder, transformers.Aimv2Model(config), tokenizer, processor)


def save_align(folder: Path) -> Path:
    """Save an ALIGN: BERT's text tower and an EfficientNet, whose pixels are in -1 to 1."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = bert_vocabulary()
    text = {**TEXT, "vocab_size": len(vocabulary), "max_position_embeddings": 70}
    vision = {"image_size": 32, "hidden_dim": 48, "depth_coefficient": 0.3}
    vision |= {"width_coefficient": 0.3}
    config = transformers.AlignConfig(text_config=text, vision_config=vision, projection_dim=96)
    processor = transformers.EfficientNetImageProcessorPil(
        size={"height": 36, "width": 36},
        crop_size={"height": 32, "width": 32},
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=True,
        resample=2,
    )
    _save(folder, transformers.AlignModel(config), None, processor, convolution=1.25)
    return _with_vocabulary(folder, vocabulary, 70)


def save_dual(folder: Path) -> Path:
    """Save a pair of towers as `VisionTextDualEncoderModel` does: here a ViT and a BERT."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = bert_vocabulary()
    text = transformers.BertConfig(**TEXT, vocab_size=len(vocabulary), max_position_embeddings=24)
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.ViTConfig(**VISION), text, projection_dim=24
    )
    processor = transformers.ViTImageProcessorPil(size={"height": 32, "width": 32})
    _save(folder, transformers.VisionTextDualEncoderModel(config), None, processor)
    return _with_vocabulary(folder, vocabulary, 24)


def save_text_tower(folder: Path, width: int = 24) -> Path:
    """Save a text tower of many languages: DistilBERT, the mean of its states, a projection.

    Args:
        folder: to write, in the layout of sentence-transformers.
        width: of the space that it was trained into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = bert_vocabulary()
    config = transformers.DistilBertConfig(
        vocab_size=len(vocabulary), dim=32, n_layers=1, n_heads=2, hidden_dim=48
    )
    _save(folder, transformers.DistilBertModel(config), None, None)
    _with_vocabulary(folder, vocabulary, 512)
    stages = ["Transformer", "Pooling", "Dense"]
    paths = ["", "1_Pooling", "2_Dense"]
    rows = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{stage}"}
        for n, (path, stage) in enumerate(zip(paths, stages, strict=True))
    ]
    dense = {"in_features": 32, "out_features": width, "bias": False}
    dense |= {"activation_function": "torch.nn.modules.linear.Identity"}
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    contents = {"modules.json": rows, "sentence_bert_config.json": {"max_seq_length": 12}}
    contents |= {"1_Pooling/config.json": pooling, "2_Dense/config.json": dense}
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    matrix = torch.randn(width, 32, generator=torch.Generator().manual_seed(7)) / 4
    save_file({"linear.weight": matrix}, folder / "2_Dense" / "model.safetensors")
    return folder


def _save(
    folder: Path,
    model: torch.nn.Module,
    tokenizer: Any,
    processor: Any,
    convolution: float = 1.0,
) -> Path:
    """Draw the weights by a fixed seed and save what there is.

    `convolution` makes those of convolutions larger: through twenty of them images become alike.
    """
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weights in sorted(model.named_parameters()):
            if weights.dim() > 1:
                scale = weights[0].numel() ** -0.5
                gain = 1.5 * (convolution if weights.dim() == 4 else 1)
                weights.copy_(torch.randn(weights.shape, generator=generator) * scale * gain)
            elif name == "logit_bias":
                weights.fill_(-10)
            elif name.startswith("logit_scale"):
                weights.fill_(3)
            elif name.endswith("bias") or "class_embedding" in name:
                weights.copy_(torch.randn(weights.shape, generator=generator) * 0.3)
    for part in (model, tokenizer, processor):
        if part is not None:
            part.save_pretrained(folder)
    return folder


def save_vision(folder: Path, kind: str) -> Path:
    """Save a vision transformer by itself: `vit` with a classifier, `clip_vision_model`, or DINOv2.

    DINOv2's places are for images of 48 pixels, and its processor makes them of 32.
    """
    config = {**VISION, "num_hidden_layers": 2}
    sizes = {"image_size": 48, "mlp_ratio": 2} if kind.startswith("dinov2") else {}
    registers = {"num_register_tokens": 3} if kind == "dinov2_with_registers" else {}
    made = transformers.CONFIG_MAPPING[kind](**config | sizes | registers)
    name = (
        "ViTForImageClassification"
        if kind == "vit"
        else transformers.MODEL_MAPPING[type(made)].__name__
    )
    model = getattr(transformers, name)(made)
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    return _save(folder, model, None, processor)


SAVE: dict[str, Callable[[Path], Path]] = {
    "clip": save_clip,
    "siglip": save_siglip,
    "chinese_clip": save_chinese_clip,
    "altclip": save_altclip,
    "metaclip_2": save_metaclip_2,
    "align": save_align,
    "aimv2": save_aimv2,
    "vision-text-dual-encoder": save_dual,
}
