"""Runner over a local model of the transformers library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_contract.clips import set_pixel_limits
from qa_contract.features import check_encoder, read_features
from qa_contract.tokens import counts, letter_tokens

from qa_eval.errors import QAEvalError
from qa_eval.runners.base import Answer, Item, RunnerConfig
from qa_eval.runners.prefixes import Prefixes, Prompt, can_share
from qa_eval.runners.vision import Seen, VisionCache, joined, keys_of, limits, vision_inputs

if TYPE_CHECKING:
    import torch


class TransformersRunner:
    """Greedy generation in batches with left padding, through the Auto classes.

    Parameters
    ----------
    config : RunnerConfig

    Raises
    ------
    QAEvalError
        torch or transformers is not installed, the model cannot be loaded, or it takes no videos and is to see one.
    FileError
        Features are not those of the model's geometry encoder.
    """

    def __init__(self, config: RunnerConfig) -> None:
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig
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
        # One precision for a base saved in bfloat16 and for what was trained from it in float32. On a CPU bfloat16 is
        # slower and its sums depend on the batch.
        own = torch.float32 if self.device == "cpu" else torch.bfloat16
        dtype = own if config.dtype == "auto" else getattr(torch, config.dtype)
        attention = {"attn_implementation": config.attention} if config.attention else {}
        trust = config.trust_remote_code
        try:
            self.processor: Any = AutoProcessor.from_pretrained(model, trust_remote_code=trust)
            self.model: Any = AutoModelForImageTextToText.from_pretrained(
                model, dtype=dtype, trust_remote_code=trust, **attention
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            raise _load_error(model, error, trust=trust) from error
        if config.features:
            check_encoder(config.features, self.model, model)
        self.model.to(self.device).eval()
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.eos_ids = _as_ids(self.model.generation_config.eos_token_id) | _as_ids(tokenizer.eos_token_id)
        # Greedy: a penalty or a forbidden repetition of the saved configuration would choose other tokens.
        self.model.generation_config = GenerationConfig(eos_token_id=sorted(self.eos_ids))
        part = f"{config.frame_input.removesuffix('s')}_processor"
        set_pixel_limits(getattr(self.processor, part, None), config.min_pixels, config.max_pixels)
        self.system_prompt = config.system_prompt
        self.vision = VisionCache(self.processor)
        self.prefixes = Prefixes(self.model, self.processor.tokenizer.pad_token_id) if can_share(self.model) else None
        self.facts: Mapping[str, Any] = {
            "decoding": f"greedy, {config.max_new_tokens} new tokens",
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "device": self.device,
            "attention": self.model.config._attn_implementation,
            "system_prompt": config.system_prompt or "the chat template's",
            part: limits(getattr(self.processor, part, None)),
        }
        if config.frame_input == "video":
            self._need_video(model)

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """Sort by frames where they are read once for all their questions, else by length first: little padding."""
        n_frames, shown = len(item.frames), " ".join((item.scene_name, *item.frame_ids)) if item.frames else ""
        rough = 0 if n_frames and self.prefixes is not None else len(item.prompt) // 128
        return (n_frames, rough, shown, len(item.prompt))

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Generate greedily; a batch that does not fit into the GPU's memory is halved.

        A frame that cannot be read gives an answer with the error `missing_frame` or `unreadable_frame`.
        """
        answers: list[Answer | None] = [None] * len(items)
        ready: list[int] = []
        self.vision.load([key for item in items for key in keys_of(item)])
        for i, item in enumerate(items):
            answers[i] = self._check(item)
            if answers[i] is None:
                ready.append(i)
        if ready:
            for i, answer in zip(ready, self._generate([items[i] for i in ready]), strict=True):
                answers[i] = answer
        return [answer for answer in answers if answer is not None]

    def _need_video(self, model: str) -> None:
        """Raise unless the processor and its chat template take a video."""
        token = getattr(self.processor, "video_token", None)
        content = [{"type": "video"}, {"type": "text", "text": ""}]
        text = self.processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        if not token or token not in text or getattr(self.processor, "video_processor", None) is None:
            raise QAEvalError(f"{model}: this model's processor takes no video. Use --frame-input images.")

    def _check(self, item: Item) -> Answer | None:
        """Load the frames into the cache; the error where that is not possible."""
        for name in ("image_token", "video_token"):
            token = getattr(self.processor, name, None)
            if token and any(token in part for part in item.content if part is not None):
                return Answer(error="generation_failed", detail=f"the question's text contains {token}")
        missing = next((path for path in item.frames if not path.is_file()), None)
        if missing is not None:
            return Answer(error="missing_frame", detail=str(missing))
        for key in keys_of(item):
            try:
                self.vision.get(key)
            except (OSError, ValueError, SyntaxError) as error:
                return Answer(error="unreadable_frame", detail=f"{key[0][0]}: {error}")
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

        with torch.inference_mode():
            inputs = self._inputs(items)
            output = self.model.generate(
                **inputs,
                max_new_tokens=self.max_new_tokens,
                do_sample=False,
                num_beams=1,
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
        answers = [self._answer(*row) for row in zip(*columns, strict=True)]
        return [
            replace(answer, option_logprobs=self._options(item, first), frame_pixels=self._pixels(item))
            for answer, item, first in zip(answers, items, logprobs[:, 0], strict=True)
        ]

    def _options(self, item: Item, first: torch.Tensor) -> list[float] | None:
        """Log-probabilities of the tokens that begin the options' letters; None where those do not tell them apart."""
        ids = letter_tokens(item.options, self.processor.tokenizer)
        return None if ids is None else first[ids].cpu().tolist()

    def _pixels(self, item: Item) -> int | None:
        """Width times height of the first frame after processing; None without frames."""
        return self.vision.get(keys_of(item)[0]).pixels if item.frames else None

    def _inputs(self, items: Sequence[Item]) -> dict[str, Any]:
        """Build the arguments of `generate`.

        Processed frames come from the cache where the processor's layout allows it, and the frames of a scene are read
        once where the model allows that.
        """
        import torch

        given = [read_features(item.features.path) for item in items if item.features is not None]
        geometry = {"geometry_tokens": [tokens.to(self.device) for tokens in given]} if given else {}
        texts = [self._chat_text(item) for item in items]
        tokenizer = self.processor.tokenizer
        seen = [[self.vision.get(key) for key in keys_of(item)] for item in items]
        every = [one for shown in seen for one in shown]
        if every and not all(one.joins for one in every):
            # The chat template writes the token that begins a text.
            options = {"padding": True, "return_tensors": "pt", "add_special_tokens": False}
            inputs = self.processor(text=texts, **vision_inputs(items), **options)
        elif every:
            texts = [self._with_frames(text, shown) for text, shown in zip(texts, seen, strict=True)]
            if self.prefixes is not None and all(seen) and not given:
                return self.prefixes.inputs(self._prompts(texts, items, seen))
            inputs = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
            types: dict[str, torch.Tensor] = {}
            if "mm_token_type_ids" in self.processor.model_input_names:
                found = self.processor.create_mm_token_type_ids(inputs["input_ids"].tolist())
                types = {"mm_token_type_ids": torch.tensor(found)}
            inputs = {**inputs, **types, **joined(every)}
        else:
            inputs = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
        return {name: tensor.to(self.device) for name, tensor in inputs.items()} | geometry

    def _prompts(self, texts: Sequence[str], items: Sequence[Item], seen: Sequence[Sequence[Seen]]) -> list[Prompt]:
        """Make tokens of texts that hold the placeholders of their frames.

        Questions share what the model computes up to the last frame where also the text before it is the same.
        """
        ids = self.processor.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        types = self.processor.create_mm_token_type_ids(ids)
        frames = [(*keys_of(item), *_before_last_frame(item)) for item in items]
        return [Prompt(*parts) for parts in zip(ids, types, frames, seen, strict=True)]

    def _with_frames(self, text: str, seen: Sequence[Seen]) -> str:
        """Put what stands for each frame in place of the placeholders."""
        is_video = any("pixel_values_videos" in one.features for one in seen)
        token = self.processor.video_token if is_video else self.processor.image_token
        return "".join(_interleave(text.split(token), iter([one.text for one in seen])))

    def _chat_text(self, item: Item) -> str:
        kind = "image" if item.clip is None else "video"
        content = [{"type": kind} if part is None else {"type": "text", "text": part} for part in item.content]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if self.system_prompt is not None:
            messages.insert(0, {"role": "system", "content": [{"type": "text", "text": self.system_prompt}]})
        return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def _answer(self, ids: list[int], logprobs: list[float], top1: list[bool], entropy: list[float]) -> Answer:
        """Cut one row after its end token and mark the tokens of the answer."""
        end = next((i + 1 for i, token in enumerate(ids) if token in self.eos_ids), len(ids))
        ids = ids[:end]
        tokenizer = self.processor.tokenizer
        return Answer(
            completion=tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
            token_ids=ids,
            token_logprobs=logprobs[:end],
            token_mask=counts(ids, tokenizer, self.eos_ids).tolist(),
            token_is_top1=top1[:end],
            token_entropy=entropy[:end],
        )


def _before_last_frame(item: Item) -> tuple[str | None, ...]:
    """Parts of the content up to the last frame; all of it where there is none."""
    reverse = item.content[::-1]
    return reverse[reverse.index(None) :] if None in reverse else reverse


def _load_error(model: str, error: Exception, *, trust: bool) -> QAEvalError:
    """Say why a model cannot be loaded, and what to do where it brings code of its own."""
    text = str(error).splitlines()[0]
    if not trust and "custom code" in str(error):
        return QAEvalError(
            f"{model}: this model is defined by Python code in its folder. Read that code; if you trust it, pass "
            "--trust-remote-code to run it."
        )
    return QAEvalError(f"{model}: the model cannot be loaded ({text}).")


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
