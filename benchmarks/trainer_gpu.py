"""Speed and memory of `qa-trainer sft` on a GPU, beside what `qa-trainer plan` says before the run.

Two models with random weights: the architecture of Qwen3-VL-4B, and the dual encoder on it with a VGGT of VGGT-1B's
size (connector and language model trained). 32 frames of 640 x 480 per question, bfloat16 arithmetic. The run stops
before it would write a checkpoint, which takes three times the weights on disk and says nothing about speed.

Usage: uv run python benchmarks/trainer_gpu.py WORK [--out FILE.json] [--frames 32] [--batch-size 2] [--smoke]

Without a GPU it says 'not measured'. `--smoke` runs the same steps with tiny models on the CPU, where the figures mean
nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

# Qwen3-VL-4B's configuration; the tokenizer is the tiny one, whose texts are a few tokens longer.
TEXT = {"vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36}
TEXT |= {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "initializer_range": 0.02}
VISION = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2560}
VISION |= {"num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17], "initializer_range": 0.02}
MROPE = [24, 20, 20]
TINY_VGGT = {"type": "vggt", "image_size": 28, "dim": 16, "depth": 2, "heads": 2, "dino_depth": 1, "dino_heads": 2}
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 arithmetic per second, from the data sheets; part of a device's name to the figure."""
SKIPPED = 2
"""First steps, which warm up."""

# Runs `sft` in this process, and when the last step has ended writes its rows and the peak of memory, and leaves.
RUN = """
import json, os, sys
from pathlib import Path
import torch
from qa_trainer.callbacks import step_metrics
from qa_trainer.cli import main

target, steps, ended = Path(sys.argv[1]), int(sys.argv[2]), step_metrics.StepMetrics.on_step_end

def on_step_end(self, args, state, control, **kwargs):
    ended(self, args, state, control, **kwargs)
    if state.global_step == steps:
        cuda = torch.cuda.is_available()
        figures = {"rows": self.drain().to_dicts(), "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None}
        figures["reserved_bytes"] = torch.cuda.max_memory_reserved() if cuda else None
        target.write_text(json.dumps(figures))
        os._exit(0)

step_metrics.StepMetrics.on_step_end = on_step_end
sys.argv = ["qa-trainer", "sft", *sys.argv[3:]]
main()
"""


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


def make_questions(folder: Path, *, count: int, frames: int, frame: tuple[int, int]) -> None:
    """Write a store of one scene with noise for frames, and questions about it."""
    from PIL import Image
    from qa_contract.tableio import table_metadata, with_every_column, write_table
    from qa_contract.tables import FRAME_SETS, FRAMES, QUESTIONS

    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    ids = [f"{index:04d}" for index in range(frames)]
    for name in ids:
        pixels = rng.integers(0, 256, (frame[1], frame[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png", compress_level=1)
    scene, shown = {"scene_name": "noise"}, {"frame_set_id": f"uniform-{frames}"}
    rows = {
        "frames": [scene | {"frame_id": name, "image_path": f"images/{name}.png"} for name in ids],
        "frame_sets": [scene | shown | {"method": "uniform", "n": frames, "frame_ids": ids}],
        "questions": [
            scene | shown | {"question_id": f"q{index}", "question_type": "object_counting", "prompt_id": "vsi-bench"}
            | {"question": "How many chairs are in this room?", "ground_truth": str(index % 9), "round": 0}
            for index in range(count)
        ],
    }  # fmt: skip
    for table, schema in (("frames", FRAMES), ("frame_sets", FRAME_SETS), ("questions", QUESTIONS)):
        metadata = table_metadata(table, "benchmarks/trainer_gpu.py", {}, 0)
        write_table(with_every_column(pl.DataFrame(rows[table]), schema), folder / f"{table}.parquet", schema, metadata)


def measure(model: Path, data: Path, work: Path, options: argparse.Namespace, *, freeze: list[str]) -> dict[str, Any]:
    """Plan and run one model; figures of both."""
    frozen = [word for part in freeze for word in ("--freeze", part)]
    same = ["--model", model, "--batch-size", options.batch_size, *frozen, "--device", options.device]
    same += ["--micro-batch-size", options.micro_batch_size, "--dtype", "float32" if options.smoke else "bfloat16"]
    same += ["--activation-checkpointing"]
    size = f"{options.frame[0]}x{options.frame[1]}"
    planned = subprocess.run(
        _words("qa-trainer", "plan", *same, "--frames", options.frames, "--frame-size", size, "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    if planned.returncode not in (0, 1):
        raise SystemExit(planned.stderr)
    plan = json.loads(planned.stdout)
    figures = work / "figures.json"
    run = [data, "--store", data, *same, "--steps", options.steps, "--out", work / "run", "--force"]
    run += ["--save-steps", 10**6, "--learning-rate", 1e-6]
    subprocess.run(_words(sys.executable, "-c", RUN, figures, options.steps, *run), check=True)
    measured = json.loads(figures.read_text())
    rows = measured["rows"][SKIPPED:] or measured["rows"]
    seconds = float(np.median([row["step_seconds"] for row in rows]))
    peak = next((flops for name, flops in PEAK_FLOPS.items() if name in options.device_name), None)
    return {
        "parameters": plan["parameters"],
        "trained": plan["trained"],
        "tokens_per_question": plan["tokens"],
        "step_seconds": seconds,
        "planned_step_seconds": plan["seconds"],
        "tokens_per_second": rows[0]["tokens"] / seconds,
        "recorder_share": sum(row["recorder_seconds"] for row in rows) / sum(row["step_seconds"] for row in rows),
        "peak_bytes": measured["peak_bytes"],
        "reserved_bytes": measured["reserved_bytes"],
        "planned_bytes": plan["total_bytes"],
        # Matrix products of weights only, forward and backward, without recomputation: the usual definition.
        "model_flops_per_step": plan["flops"],
        "model_flop_utilisation": None if peak is None else plan["flops"] / seconds / peak,
    }


def _words(*words: object) -> list[str]:
    return [str(word) for word in words]


def main() -> None:
    """Measure both models and write the figures."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--micro-batch-size", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    cuda = torch.cuda.is_available()
    if not cuda and not options.smoke:
        sys.stdout.write("not measured: this machine has no CUDA device\n")
        return
    options.device = "cpu" if options.smoke else "auto"
    options.device_name = torch.cuda.get_device_name() if cuda and not options.smoke else platform.machine()
    options.frame = (64, 64) if options.smoke else (640, 480)
    if options.smoke:
        options.frames, options.steps = 2, 3
    base, dual, data = options.work / "base", options.work / "dual", options.work / "data"
    make_base(base, smoke=options.smoke, frame=options.frame)
    make_questions(data, count=options.steps * options.batch_size, frames=options.frames, frame=options.frame)
    found: dict[str, Any] = {"device": options.device_name, "frames": options.frames, "frame": options.frame}
    found |= {"batch_size": options.batch_size, "micro_batch_size": options.micro_batch_size, "smoke": options.smoke}
    found["base"] = measure(base, data, options.work, options, freeze=[])
    make_dual(base, dual, smoke=options.smoke)
    found["dual_encoder"] = measure(dual, data, options.work, options, freeze=["vision", "geometry"])
    text = json.dumps(found, indent=1)
    sys.stdout.write(text + "\n")
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
