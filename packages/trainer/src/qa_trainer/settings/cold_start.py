"""Settings of `qa-trainer cold-start`."""

from __future__ import annotations

from qa_contract.cli.settings import setting

from qa_trainer.settings.shared import RUN, Attention, Device, FrameSettings

CHAINS = "Chains"


class ColdStartSettings(FrameSettings):
    """How chains of reasoning are drawn; the defaults are those of arXiv 2505.23747.

    Examples
    --------
    >>> ColdStartSettings().chains
    3
    """

    sample: int | None = setting(None, topic=CHAINS, none="all", ge=1)
    """Ask so many questions only, drawn by the seed."""
    chains: int = setting(3, topic=CHAINS, ge=1)
    """Chains per question, of which the best is kept."""
    temperature: float = setting(1.0, topic=CHAINS, gt=0, allow_inf_nan=False)
    """Of the chains; lower is surer."""
    max_new_tokens: int = setting(768, topic=CHAINS, ge=1)
    """Longest chain with its answer."""
    frame_cache_mb: int = setting(1024, topic=RUN, ge=0)
    """Memory for processed frames, and as much for what the encoders make of them."""
    round: int | None = setting(None, topic=RUN, none="the questions'", ge=0)
    """Round written into the predictions."""
    seed: int = setting(0, topic=RUN, ge=0, lt=2**32)
    """Of the drawn questions and of the chains."""
    attention: Attention = setting("auto", topic=RUN)
    """Kernels of the attention; 'auto' leaves the choice to transformers."""
    device: Device = setting("auto", topic=RUN)
    """'auto' takes a GPU where there is one."""
