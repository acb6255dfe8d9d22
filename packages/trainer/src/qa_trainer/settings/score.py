"""Settings of `qa-trainer score`."""

from __future__ import annotations

from qa_contract.cli.settings import setting

from qa_trainer.settings.shared import RUN, Attention, Device, FrameSettings

ANSWERS = "Answers"


class ScoreSettings(FrameSettings):
    """What a clean pass does.

    Examples
    --------
    >>> ScoreSettings().max_new_tokens
    16
    """

    sample: int | None = setting(None, topic=ANSWERS, none="all", ge=1)
    """Answer so many questions only, drawn by the seed; the same ones whatever the model."""
    max_new_tokens: int = setting(16, topic=ANSWERS, ge=1)
    """Longest answer."""
    batch_size: int = setting(16, topic=RUN, ge=1)
    """Questions per forward pass."""
    frame_cache_mb: int = setting(1024, topic=RUN, ge=0)
    """Memory for processed frames, and as much for what the encoders make of them; questions about the same frames are
    asked one after another."""
    round: int | None = setting(None, topic=RUN, none="the questions'", ge=0)
    """Round written into the predictions."""
    seed: int = setting(0, topic=RUN, ge=0, lt=2**32)
    """Of the drawn questions."""
    attention: Attention = setting("auto", topic=RUN)
    """Kernels of the attention; 'auto' leaves the choice to transformers. The manifest says which ran."""
    device: Device = setting("auto", topic=RUN)
    """'auto' takes a GPU where there is one."""
    devices: str | None = setting(None, topic=RUN, none="what is there", placeholder="NxNAME-MEMORY")
    """Hardware that 'plan' counts with, as 8xH100-80G."""
