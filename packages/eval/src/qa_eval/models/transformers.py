"""Runner over a local model of the transformers library."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_eval.errors import QAEvalError
from qa_eval.models.base import Answer, Item, RunnerConfig
from qa_eval.models.images import open_image

if TYPE_CHECKING:
    import torch

CACHE_BYTES = 2 * 1024**3
"""Processed frames kept in memory; questions about one scene follow each other, so that a small cache serves."""


class TransformersRunner:
    """Greedy generation in batches with left padding, through the Auto classes.

    Parameters
    ----------
    config : RunnerConfig

    Raises
    ------
    QAEvalError
        torch or transformers is not installed, or the model cannot be loaded.
    """

    def __init__(self, config: RunnerConfig) -> None:
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModelForImageTextToText, AutoProcessor
            from transformers.utils import logging
        except ImportError as error:
            raise QAEvalError(
                f"This runner needs '{error.name}'. Install it with: pip install 'qa-eval[transformers]'"
            ) from error
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.max_new_tokens = config.max_new_tokens
        self.device = pick_device(config.device)
        model = str(config.model)
        if model.startswith((".", "/", "~")) and not (Path(model).expanduser() / "config.json").is_file():
            raise QAEvalError(f"{model}: no model here (expected config.json).")
        # float32 on a CPU: bfloat16 is slower there and its sums depend on the batch.
        dtype = torch.float32 if self.device == "cpu" else "auto"
        try:
            self.processor: Any = AutoProcessor.from_pretrained(model)
            self.model: Any = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise QAEvalError(f"{model}: the model cannot be loaded ({str(error).splitlines()[0]}).") from error
        self.model.to(self.device).eval()
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.special_ids = set(tokenizer.all_special_ids)
        self.eos_ids = _as_ids(self.model.generation_config.eos_token_id) | _as_ids(tokenizer.eos_token_id)
        self.frames = FrameCache(self.processor.image_processor)
        self.facts: Mapping[str, Any] = {
            "decoding": f"greedy, at most {config.max_new_tokens} tokens, unmodified logits recorded",
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "device": self.device,
            "image_processor": image_limits(self.processor.image_processor),
        }

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """Sort by number of frames, rough length of the text, scene: little padding, and frames found in the cache."""
        n_frames = len(item.frames)
        return (n_frames, len(item.prompt) // 128, item.scene_name if n_frames else "", len(item.prompt))

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Generate greedily; a batch that does not fit into the GPU's memory is halved.

        A frame that cannot be read gives an answer with the error `missing_frame` or `unreadable_frame`.
        """
        answers: list[Answer | None] = [None] * len(items)
        ready: list[int] = []
        for i, item in enumerate(items):
            answers[i] = self._check(item)
            if answers[i] is None:
                ready.append(i)
        if ready:
            for i, answer in zip(ready, self._generate([items[i] for i in ready]), strict=True):
                answers[i] = answer
        return [answer for answer in answers if answer is not None]

    def _check(self, item: Item) -> Answer | None:
        """Load the frames into the cache; the error where that is not possible."""
        token = getattr(self.processor, "image_token", None)
        if token and token in item.prompt:
            return Answer(error="generation_failed", detail=f"the question's text contains {token}")
        for path in item.frames:
            if not path.is_file():
                return Answer(error="missing_frame", detail=str(path))
            try:
                self.frames.get(path)
            except (OSError, ValueError, SyntaxError) as error:
                return Answer(error="unreadable_frame", detail=f"{path}: {error}")
        return None

    def _generate(self, items: Sequence[Item]) -> list[Answer]:
        import torch

        try:
            return self._generate_batch(items)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if len(items) == 1:
                return [Answer(error="generation_failed", detail=f"out of memory: {str(error).splitlines()[0]}")]
        half = len(items) // 2
        return self._generate(items[:half]) + self._generate(items[half:])

    def _generate_batch(self, items: Sequence[Item]) -> list[Answer]:
        import torch

        inputs = {name: tensor.to(self.device) for name, tensor in self._inputs(items).items()}
        with torch.inference_mode():
            output = self.model.generate(
                **inputs,
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                num_beams=1,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self.processor.tokenizer.pad_token_id,
                return_dict_in_generate=True,
                output_logits=True,
            )
            tokens = output.sequences[:, inputs["input_ids"].shape[1] :]
            logprobs = torch.log_softmax(torch.stack(output.logits, dim=1).float(), dim=-1)
            chosen = logprobs.gather(-1, tokens[..., None])[..., 0]
            top1 = logprobs.argmax(-1) == tokens
            entropy = -(logprobs.exp() * logprobs.clamp_min(-1e9)).sum(-1)
        columns = [column.cpu().tolist() for column in (tokens, chosen, top1, entropy)]
        return [self._answer(*row) for row in zip(*columns, strict=True)]

    def _inputs(self, items: Sequence[Item]) -> dict[str, torch.Tensor]:
        """Build the model's inputs. Processed frames come from the cache where the processor's layout allows it."""
        import torch

        texts = [self._chat_text(item) for item in items]
        paths = [path for item in items for path in item.frames]
        tokenizer = self.processor.tokenizer
        if not paths:
            return dict(tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False))
        features = [self.frames.get(path) for path in paths]
        if set(features[0]) != {"pixel_values", "image_grid_thw"}:
            images = [[open_image(path) for path in item.frames] for item in items]
            return dict(self.processor(text=texts, images=images, padding=True, return_tensors="pt"))
        token = self.processor.image_token
        replacements = iter([self.processor.replace_image_token(feature, image_idx=0) for feature in features])
        texts = ["".join(_interleave(text.split(token), replacements)) for text in texts]
        encoded = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
        types = self.processor.create_mm_token_type_ids(encoded["input_ids"].tolist())
        return {
            "input_ids": encoded["input_ids"],
            "attention_mask": encoded["attention_mask"],
            "mm_token_type_ids": torch.tensor(types),
            **{name: torch.cat([feature[name] for feature in features]) for name in features[0]},
        }

    def _chat_text(self, item: Item) -> str:
        content = [{"type": "image"}] * len(item.frames) + [{"type": "text", "text": item.prompt}]
        message = {"role": "user", "content": content}
        return self.processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)

    def _answer(self, ids: list[int], logprobs: list[float], top1: list[bool], entropy: list[float]) -> Answer:
        """Cut one row after its end token and mark the tokens of the answer."""
        end = next((i + 1 for i, token in enumerate(ids) if token in self.eos_ids), len(ids))
        ids = ids[:end]
        tokenizer = self.processor.tokenizer
        mask = [
            token not in self.special_ids | self.eos_ids and bool(tokenizer.decode([token]).strip()) for token in ids
        ]
        return Answer(
            completion=tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            token_ids=ids,
            token_logprobs=logprobs[:end],
            token_mask=mask,
            token_is_top1=top1[:end],
            token_entropy=entropy[:end],
        )


class FrameCache:
    """Processed images by path, the least recently used dropped first.

    Parameters
    ----------
    image_processor : callable
        A transformers image processor.
    max_bytes : int
    """

    def __init__(self, image_processor: Any, *, max_bytes: int = CACHE_BYTES) -> None:
        self.image_processor = image_processor
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self.entries: OrderedDict[Path, dict[str, torch.Tensor]] = OrderedDict()

    def get(self, path: Path) -> dict[str, torch.Tensor]:
        """Process the image at `path`, or return what is remembered."""
        if path in self.entries:
            self.entries.move_to_end(path)
            return self.entries[path]
        features = dict(self.image_processor(images=[open_image(path)], return_tensors="pt"))
        self.entries[path] = features
        self.n_bytes += _size(features)
        while self.n_bytes > self.max_bytes and len(self.entries) > 1:
            self.n_bytes -= _size(self.entries.popitem(last=False)[1])
        return features


def image_limits(processor: Any) -> dict[str, Any]:
    """Collect the settings of an image processor that decide how many pixels a model sees."""
    found = {name: getattr(processor, name, None) for name in ("size", "min_pixels", "max_pixels", "patch_size")}
    return {name: value if isinstance(value, int) else dict(value) for name, value in found.items() if value}


def pick_device(name: str) -> str:
    """Turn `auto` into cuda where a GPU is usable, else cpu.

    Raises
    ------
    QAEvalError
        The name is none of cpu, cuda, auto, or there is no GPU.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise QAEvalError(f"Unknown device '{name}'. Valid: auto, cpu, cuda.")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise QAEvalError("No CUDA device is usable here. Pass --device cpu.")
    return name


def _size(features: dict[str, torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in features.values())


def _interleave(parts: list[str], between: Iterator[str]) -> Iterator[str]:
    """Yield the parts with one element of `between` after each but the last."""
    for part in parts[:-1]:
        yield part
        yield next(between)
    yield parts[-1]


def _as_ids(value: int | list[int] | None) -> set[int]:
    """Token ids of a generation setting that holds none, one or several."""
    if value is None:
        return set()
    return {value} if isinstance(value, int) else set(value)
