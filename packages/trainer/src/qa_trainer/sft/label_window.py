"""Compute only what the loss is about: the last layer and the head, where there is something to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.utils.hooks import RemovableHandle


class LabelWindow:
    """Cuts a model down to the positions that predict a label.

    An answer has a few tokens, its prompt hundreds. On a CPU, TRL's fused head scores every position, which takes a
    third of a small model's step; here it gets the labelled positions of each row side by side, with their labels
    already shifted. The last layer of Qwen3-VL's language model computes them alone: of the other positions only keys
    and values are needed there. Rows are padded on the right, so that no position sees padding.
    """

    def __init__(self) -> None:
        self._positions: torch.Tensor | None = None
        self._handle: RemovableHandle | None = None
        self._last: Any = None

    def attach(self, backbone: Any) -> None:
        """Listen to the module whose `last_hidden_state` goes into the head."""
        self._handle = backbone.register_forward_hook(self._cut)
        self._last = _last_layer(backbone)
        if self._last is not None:
            self._last.forward = self._answers

    def detach(self) -> None:
        """Stop listening."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._last is not None:
            del self._last.forward
            self._last = None

    def shift(self, labels: torch.Tensor) -> torch.Tensor:
        """Choose the positions for the next forward pass.

        Parameters
        ----------
        labels : (b, l) int64
            Token to predict at each position, -100 for none.

        Returns
        -------
        (b, k) int64
            `shift_labels` for the model: the k-th labelled token of each row, -100 where a row has fewer.

        Examples
        --------
        >>> import torch
        >>> LabelWindow().shift(torch.tensor([[1, -100, 7, 8], [1, -100, 9, -100]])).tolist()
        [[7, 8], [9, -100]]
        """
        targets = labels[:, 1:]
        labelled = targets != -100
        width = max(1, int(labelled.sum(dim=1).max()))
        # Labelled positions first, in their order.
        self._positions = (~labelled).byte().argsort(dim=1, stable=True)[:, :width]
        return targets.gather(1, self._positions)

    def _cut(self, module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if self._positions is None or self._last is not None:
            return None
        output.last_hidden_state = self._chosen(output.last_hidden_state)
        self._positions = None
        return output

    def _chosen(self, values: torch.Tensor) -> torch.Tensor:
        """Take the chosen positions of every row: (b, l, ...) to (b, k, ...)."""
        import torch

        assert self._positions is not None
        return values[torch.arange(len(values), device=values.device)[:, None], self._positions]

    def _answers(self, hidden_states: torch.Tensor, *, position_embeddings: Any, **options: Any) -> torch.Tensor:
        """Run the last layer on all positions (b, l, d), and give the chosen ones (b, k, d).

        The positions stay after the pass: where activations are recomputed, the backward pass comes here again.
        """
        import torch
        from torch.nn import functional
        from transformers.models.qwen3_vl.modeling_qwen3_vl import rotate_half

        layer, positions = self._last, self._positions
        if positions is None:
            return type(layer).forward(layer, hidden_states, position_embeddings=position_embeddings, **options)
        attention = layer.self_attn
        normed = layer.input_layernorm(hidden_states)
        asking = self._chosen(normed)

        def heads(values: torch.Tensor) -> torch.Tensor:
            return values.unflatten(-1, (-1, attention.head_dim))

        def turned(values: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
            values = values.transpose(1, 2)
            return values * cos[:, None] + rotate_half(values) * sin[:, None]

        cos, sin = (part.expand(len(hidden_states), -1, -1) for part in position_embeddings)
        query = turned(attention.q_norm(heads(attention.q_proj(asking))), self._chosen(cos), self._chosen(sin))
        key = turned(attention.k_norm(heads(attention.k_proj(normed))), cos, sin)
        value = heads(attention.v_proj(normed)).transpose(1, 2)
        before = torch.arange(hidden_states.shape[1], device=positions.device) <= positions[:, None, :, None]
        dropout = attention.attention_dropout if attention.training else 0.0
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=before, dropout_p=dropout, scale=attention.scaling, enable_gqa=True
        )
        asked = self._chosen(hidden_states) + attention.o_proj(attended.transpose(1, 2).flatten(2))
        return asked + layer.mlp(layer.post_attention_layernorm(asked))


def _last_layer(backbone: Any) -> Any:
    """Find the last layer of a Qwen3-VL's language model, where nothing is added behind it; else give None."""
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextDecoderLayer

    layers: Any = getattr(getattr(backbone, "language_model", None), "layers", ())
    if not len(layers) or type(layers[-1]) is not Qwen3VLTextDecoderLayer:
        return None
    deep = len(backbone.config.vision_config.deepstack_visual_indexes)
    return layers[-1] if deep < len(layers) else None
