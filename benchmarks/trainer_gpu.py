"""Speed and memory of a supervised training step on a GPU.

Two models with random weights: the architecture of Qwen3-VL-4B, and the dual encoder on it with a VGGT of VGGT-1B's
size (connector and language model trained). 32 frames of 640 x 480 per question, every question with frames of its own,
none of them cached; bfloat16 arithmetic, weights, gradients and moments of what is trained in float32.

It needs torch and transformers alone: the step is put together here of the parts that `qa-trainer sft` runs (frames as
bytes, patches made on the device, the head at answers only, frozen parts in bfloat16), without TRL's trainer around
them.

Usage: python benchmarks/trainer_gpu.py WORK [--out FILE.json] [--frames 32] [--batch-size 64] [--smoke]

Without a GPU it says 'not measured'. `--smoke` runs the same steps with tiny models on the CPU, where the figures mean
nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

for package in ("trainer", "contract"):
    # From the checkout, where nothing is installed.
    sys.path.append(str(Path(__file__).parents[1] / "packages" / package / "src"))

# Qwen3-VL-4B's configuration; the tokenizer is the tiny one, whose texts are a few tokens longer.
TEXT = {"vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36}
TEXT |= {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "initializer_range": 0.02}
VISION = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2560}
VISION |= {"num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17], "initializer_range": 0.02}
MROPE = [24, 20, 20]
TINY_VGGT = {"type": "vggt", "image_size": 28, "dim": 16, "depth": 2, "heads": 2, "dino_depth": 1, "dino_heads": 2}
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 arithmetic per second, from the data sheets; part of a device's name to the figure."""


def make_base(folder: Path, *, smoke: bool, frame: tuple[int, int]) -> None:
    """Save the base model with random weights; bfloat16 on disk, because `sft` makes them float32."""
    import torch
    from qa_trainer.tiny.model import build_model, build_processor
    from transformers import Qwen3VLForConditionalGeneration

    processor: Any = build_processor()
    config: Any = build_model(processor, seed=0).config
    if not smoke:
        for part, values in ((config.text_config, TEXT), (config.vision_config, VISION)):
            for name, value in values.items():
                setattr(part, name, value)
        config.text_config.rope_parameters |= {"mrope_section": MROPE, "rope_theta": 5e6}
    processor.image_processor.size["longest_edge"] = frame[0] * frame[1]
    torch.manual_seed(0)
    with torch.device("cpu" if smoke else "cuda"):
        model = Qwen3VLForConditionalGeneration(config)
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)


def make_dual(base: Path, folder: Path, *, smoke: bool) -> None:
    """Save the dual encoder on the base."""
    import torch
    from qa_trainer.models.spatial_mllm.assemble import assemble

    geometry = TINY_VGGT if smoke else {"type": "vggt"}
    model, processor = assemble(base, geometry=geometry, connector={"type": "mlp_add"})
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)


def micro_batches(processor: Any, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Make one question after another, the next ones in threads while the GPU works."""
    from qa_trainer.data.pixels import RawPatches

    raw = RawPatches.of(processor.image_processor)
    assert raw is not None
    content = [{"type": "image"}] * options.frames + [{"type": "text", "text": "How many chairs are in this room?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    answer = processor.tokenizer("4<|im_end|>", add_special_tokens=False)["input_ids"]
    width, height = options.frame

    def make(number: int) -> dict[str, Any]:
        rng = np.random.default_rng(number)
        frames = [torch.from_numpy(rng.integers(0, 256, (3, height, width), np.uint8)) for _ in range(options.frames)]
        inputs = dict(processor(text=[text], images=[frames], return_tensors="pt", images_kwargs=raw.options))
        ids = torch.cat([inputs["input_ids"], torch.tensor([answer])], dim=1)
        types = functional.pad(inputs["mm_token_type_ids"], (0, len(answer)))
        labels = ids.masked_fill(torch.arange(ids.shape[1]) < ids.shape[1] - len(answer), -100)
        shown = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
        return shown | {"input_ids": ids, "mm_token_type_ids": types, "labels": labels, "raw": raw}

    count = options.steps * options.batch_size
    with ThreadPoolExecutor(options.loaders) as pool:
        waiting = [pool.submit(make, number) for number in range(min(2 * options.loaders, count))]
        for number in range(count):
            yield waiting.pop(0).result()
            if (later := number + 2 * options.loaders) < count:
                waiting.append(pool.submit(make, later))


def train(model: Any, processor: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Train for some steps; time of each by part."""
    from qa_trainer.sft.label_window import LabelWindow

    device = torch.device("cpu" if options.smoke else "cuda")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, weight_decay=0.0, fused=not options.smoke)
    window = LabelWindow()
    window.attach(model.base_model)
    batches, rows, tokens = micro_batches(processor, options), [], 0
    for _ in range(options.steps):
        spent = dict.fromkeys(("data", "forward", "backward", "optimizer"), 0.0)
        begun = time.perf_counter()
        for _ in range(options.batch_size):
            at = [time.perf_counter()]
            batch = next(batches)
            at.append(time.perf_counter())
            raw = batch.pop("raw")
            batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
            tokens = batch["input_ids"].shape[1]
            wanted = window.shift(batch.pop("labels"))
            batch["pixel_values"] = raw.restore(batch["pixel_values"])
            with torch.autocast(device.type, torch.bfloat16, enabled=not options.smoke):
                logits = model(**batch, use_cache=False).logits
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten()) / options.batch_size
            at.append(time.perf_counter())
            loss.backward()
            at.append(time.perf_counter())
            for part, first, last in zip(("data", "forward", "backward"), at, at[1:], strict=False):
                spent[part] += last - first
        at = [time.perf_counter()]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if not options.smoke:
            torch.cuda.synchronize()
        spent["optimizer"] = time.perf_counter() - at[0]
        rows.append(spent | {"step": time.perf_counter() - begun})
    return {"rows": rows[options.skipped :], "tokens": tokens}


def measure(model: Any, processor: Any, options: argparse.Namespace, *, freeze: list[str]) -> dict[str, Any]:
    """Train one model; its figures."""
    from qa_trainer.estimate.arithmetic import training_flops
    from qa_trainer.estimate.shape import shape_of
    from qa_trainer.models.loading import hold_frozen_in_half

    shape = shape_of(model, freeze)  # and freezes
    if not options.smoke:
        hold_frozen_in_half(model)
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        torch.cuda.reset_peak_memory_stats()
    made = train(model.train(), processor, options)
    seconds = float(np.median([row["step"] for row in made["rows"]]))
    side = processor.image_processor.patch_size
    patches = options.frames * (options.frame[0] // side) * (options.frame[1] // side)
    work = training_flops(shape, tokens=made["tokens"], patches=patches, frames=options.frames, adapters=False)
    flops = options.batch_size * work
    peak = next((value for name, value in PEAK_FLOPS.items() if name in options.device_name), None)
    parts = ("data", "forward", "backward", "optimizer")
    return {
        "parameters": {name: part.parameters for name, part in shape.parts.items()},
        "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "tokens_per_question": made["tokens"],
        "step_seconds": seconds,
        "seconds_by_part": {part: float(np.median([row[part] for row in made["rows"]])) for part in parts},
        "tokens_per_second": options.batch_size * made["tokens"] / seconds,
        "peak_bytes": None if options.smoke else torch.cuda.max_memory_allocated(),
        "reserved_bytes": None if options.smoke else torch.cuda.max_memory_reserved(),
        # Neither embeddings nor recomputation, and of frozen parts what is computed of them.
        "model_flops_per_step": flops,
        "model_flop_utilisation": None if peak is None else flops / seconds / peak,
    }


def main() -> None:
    """Measure both models and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--loaders", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not options.smoke:
        sys.stdout.write("not measured: this machine has no CUDA device\n")
        return
    options.device_name = torch.cuda.get_device_name() if cuda and not options.smoke else platform.machine()
    options.frame, options.skipped = ((64, 64) if options.smoke else (640, 480)), 1
    if options.smoke:
        options.frames, options.steps, options.batch_size, options.loaders = 2, 2, 2, 2
    base, dual = options.work / "base", options.work / "dual"
    make_base(base, smoke=options.smoke, frame=options.frame)
    found: dict[str, Any] = {"device": options.device_name, "frames": options.frames, "frame": options.frame}
    found |= {"batch_size": options.batch_size, "micro_batch_size": 1, "smoke": options.smoke}
    found["base"] = measure(*load(base, options), options, freeze=[])
    make_dual(base, dual, smoke=options.smoke)
    found["dual_encoder"] = measure(*load(dual, options), options, freeze=["vision", "geometry"])
    text = json.dumps(found, indent=1)
    sys.stdout.write(text + "\n")
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


def load(folder: Path, options: argparse.Namespace) -> tuple[Any, Any]:
    """Load a model in float32, as `sft` does, and its processor."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    device = "cpu" if options.smoke else "cuda"
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model.to(device), AutoProcessor.from_pretrained(folder, local_files_only=True)


if __name__ == "__main__":
    main()
