"""Command line of qa-trainer; the heavy libraries are imported by the commands that need them."""

from __future__ import annotations

from typing import NoReturn

from qa_contract.cli import make_app, run

from qa_trainer.cli.cold_start import cold_start
from qa_trainer.cli.convert_spatial import convert_spatial
from qa_trainer.cli.grpo import grpo
from qa_trainer.cli.init_spatial import init_spatial
from qa_trainer.cli.models import models
from qa_trainer.cli.plan import plan
from qa_trainer.cli.probe import probe
from qa_trainer.cli.sample_frames import sample_frames
from qa_trainer.cli.score import score
from qa_trainer.cli.sft import sft
from qa_trainer.cli.tiny import init_tiny, pretrain_tiny

TRAIN, PREPARE, TINY = "Train and answer", "Prepare", "The tiny model"
PLANNED = (
    *("steps", "batch_size", "micro_batch_size", "freeze", "lora_rank", "dtype", "activation_checkpointing", "device"),
    *("frame_input", "min_pixels", "max_pixels"),
    *("devices", "group_size", "max_completion_length", "beta", "max_new_tokens"),
)
"""Settings that decide what a run needs."""
SFT = "qa_trainer.settings.sft:SFTSettings"

app = make_app(
    "qa-trainer", "Fine-tune a vision-language model on spatial questions and record its confidence on the way."
)
app.command(settings=SFT, topic=TRAIN)(sft)
app.command(settings="qa_trainer.settings.grpo:GRPOSettings", topic=TRAIN)(grpo)
app.command(settings="qa_trainer.settings.score:ScoreSettings", topic=TRAIN)(score)
app.command(settings="qa_trainer.settings.cold_start:ColdStartSettings", topic=TRAIN)(cold_start)
app.command(topic=TRAIN)(probe)
app.command(settings="qa_trainer.estimate.settings:PlanSettings", fields=PLANNED, topic=PREPARE)(plan)
app.command(settings="qa_trainer.frames.settings:SamplingSettings", topic=PREPARE)(sample_frames)
app.command(topic=PREPARE)(init_spatial)
app.command(topic=PREPARE)(convert_spatial)
app.command(topic=TINY)(models)
app.command(topic=TINY)(init_tiny)
app.command(topic=TINY)(pretrain_tiny)


def main() -> NoReturn:
    """Run the command line."""
    run(app)
