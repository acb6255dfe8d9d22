"""Sizes of a model, from its configuration alone: parameters by part, what is multiplied, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qa_trainer.models.loading import freeze_parts, part_of, register_own_code


@dataclass(frozen=True)
class PartShape:
    """One part of a model.

    Attributes
    ----------
    parameters : int
    multiplied : float
        Weights that a token or patch is multiplied with: neither embeddings nor the head, and of experts the share that
        is chosen.
    adapted : int
        Numbers that adapters of rank 1 have, and `adapted_outputs` the outputs of the layers that get one.
    largest_block : int
        Parameters of the largest layer.
    """

    parameters: int = 0
    multiplied: float = 0.0
    adapted: int = 0
    adapted_outputs: int = 0
    largest_block: int = 0


@dataclass(frozen=True)
class Tower:
    """Sizes of a stack of layers.

    Attributes
    ----------
    layers, width : int
    queries : int
        Width of the queries of all heads.
    keys : int
        Width of the keys (and of the values) of all heads.
    kept : int
        Numbers that the backward pass needs of one token, over all layers.
    full_attention : int
        Layers in which every token attends to every other.
    """

    layers: int
    width: int
    queries: int
    keys: int
    kept: int
    full_attention: int

    def checkpointed(self, kept: int) -> int:
        """Give what stays of one token when only the inputs of layers are kept and one layer is recomputed."""
        return self.layers * self.width + kept // max(self.layers, 1)


@dataclass(frozen=True)
class ModelShape:
    """A model as an estimate sees it.

    Attributes
    ----------
    parts : dict of str to PartShape
    text, vision : Tower
    geometry : Tower or None
    vocabulary : int
    """

    parts: dict[str, PartShape]
    text: Tower
    vision: Tower
    geometry: Tower | None
    vocabulary: int
    frozen: frozenset[str] = field(default_factory=frozenset)

    @property
    def parameters(self) -> int:
        """Of all parts."""
        return sum(part.parameters for part in self.parts.values())


def read_shape(folder: Path, freeze: Sequence[str] = ()) -> ModelShape:
    """Build a model without memory for its weights, and measure it.

    Parameters
    ----------
    folder : Path
        Has `config.json`; weights are not needed.
    freeze : sequence of str
        Parts that are not trained.

    Raises
    ------
    QATrainerError
        A part to freeze is not there.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    register_own_code(folder)
    config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    return shape_of(model, freeze)


def shape_of(model: Any, freeze: Sequence[str] = ()) -> ModelShape:
    """Measure a model, with weights or without."""
    import torch

    freeze_parts(model, freeze)
    config, text = model.config, model.config.get_text_config()
    routed = next((n for n in map(text.__dict__.get, ("n_routed_experts", "num_experts", "num_local_experts")) if n), 0)
    chosen = (text.num_experts_per_tok or routed) / routed if routed else 1.0
    found: dict[str, dict[str, float]] = {}
    blocks: dict[tuple[str, str], int] = {}
    head = model.get_output_embeddings()
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    if head is not None:
        embeddings.add(id(head.weight))
    for name, parameter in model.named_parameters():
        part = found.setdefault(part_of(name) or "other", {"parameters": 0, "multiplied": 0})
        part["parameters"] += parameter.numel()
        if parameter.ndim >= 2 and id(parameter) not in embeddings:
            part["multiplied"] += parameter.numel() * (chosen if ".experts." in name else 1.0)
        block = next((f"{i}" for i, word in enumerate(name.split(".")) if word.isdigit()), "")
        where = (part_of(name) or "other", ".".join(name.split(".")[: int(block) + 1]) if block else name)
        blocks[where] = blocks.get(where, 0) + parameter.numel()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            part = found.setdefault(part_of(name) or "other", {"parameters": 0, "multiplied": 0})
            part["adapted"] = part.get("adapted", 0) + sum(module.weight.shape)
            part["adapted_outputs"] = part.get("adapted_outputs", 0) + module.out_features
    parts = {
        name: PartShape(
            int(values["parameters"]),
            float(values["multiplied"]),
            int(values.get("adapted", 0)),
            int(values.get("adapted_outputs", 0)),
            max((n for (owner, _), n in blocks.items() if owner == name), default=0),
        )
        for name, values in found.items()
    }
    geometry = getattr(config, "geometry_config", None)
    encoder = getattr(getattr(model, "model", None), "spatial_encoder", None)
    return ModelShape(
        parts,
        text=_tower(text, gated=True),
        vision=_tower(config.vision_config, gated=False),
        geometry=_geometry(encoder) if geometry else None,
        vocabulary=int(text.vocab_size),
        frozen=frozenset(freeze),
    )


def _tower(config: Any, *, gated: bool) -> Tower:
    """Read the sizes of a stack of layers.

    Per layer and token a backward pass needs: input and normalised input of both norms, queries, keys and values before
    and after rotation (and norm), the attention's output, and what the MLP multiplies: its hidden layer before and
    after the activation, and with a gate the gate and the product, too.
    """
    layers = getattr(config, "num_hidden_layers", None) or config.depth
    # A configuration whose layers differ answers for one layer at a time.
    of_layers = list(config.per_layer_config) if getattr(config, "is_heterogeneous", False) else [config] * layers
    hidden, kept, queries, keys = config.hidden_size, 0, 0, 0
    for layer in of_layers:
        heads = getattr(layer, "num_attention_heads", None) or layer.num_heads
        head_dim = getattr(layer, "head_dim", None) or hidden // heads
        asking = heads * head_dim
        asked = (getattr(layer, "num_key_value_heads", None) or heads) * head_dim
        mlp = (4 if gated else 2) * (getattr(layer, "intermediate_size", None) or 4 * hidden)
        kept += 6 * hidden + 3 * (asking + asked) + asked + asking + mlp
        queries, keys = queries + asking, keys + asked
    whole = getattr(config, "fullatt_block_indexes", None)
    full = layers if whole is None else len(whole)
    return Tower(layers, hidden, queries // layers, keys // layers, kept, full)


def _geometry(encoder: Any) -> Tower:
    """Read the sizes of a geometry encoder; half of VGGT's blocks attend over all frames."""
    config = getattr(getattr(encoder, "vggt_model", None), "config", None)
    if config is None:
        return Tower(1, encoder.dim, encoder.dim, encoder.dim, 8 * encoder.dim, 1)
    layers = 2 * config.depth + config.dino_depth
    return Tower(layers, config.dim, config.dim, config.dim, layers * 18 * config.dim, config.depth)
