"""TRL's GRPOTrainer for questions with any number of frames, in families of any layout of pixels.

TRL processes the frames of all completions of a step at once and cuts the result into micro-batches by rules for some
layouts. Here a micro-batch asks the processor for its own frames: no layout has to be known, a question may have no
frame, and one micro-batch of pixels is held instead of one per completion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from safetensors import SafetensorError
from torch.nn import functional
from trl.trainer.grpo_trainer import GRPOTrainer

from qa_trainer.callbacks.rollouts import RolloutRecorder
from qa_trainer.data.features import GivenFeatures
from qa_trainer.data.images import read_image
from qa_trainer.data.inputs import prompt_inputs
from qa_trainer.errors import QATrainerError
from qa_trainer.runs.optimizer import separate_parts
from qa_trainer.settings.grpo import GRPOSettings

ROW = "row"
"""Key of the row of a question in an example."""
_PLACE = "place"
"""Key of a completion's place among those of a step, which survives TRL's shuffling."""


class FramesGRPOTrainer(GRPOTrainer):
    """GRPOTrainer that shows frames by micro-batch, records completions, and may leave out equal groups.

    Parameters
    ----------
    shows : ProcessorMixin
        Processes prompts and frames; the trainer's own is the one that is saved.
    sources : callable
        Gives the image files of rows.
    features : GivenFeatures, optional
        What the geometry encoder has made of them.
    recorder : RolloutRecorder
    settings : GRPOSettings
        Whether groups with one reward count, and learning rates and weight decay of single parts.
    schedule_steps : int
        Steps over which the learning rate is scheduled, whatever the last step of this run.
    state_only : Path, optional
        Folder from which the optimizer goes on, and which holds no weights.
    """

    def __init__(
        self,
        *args: Any,
        shows: Any,
        sources: Callable[[Sequence[int]], list[list[str]]],
        features: GivenFeatures | None,
        recorder: RolloutRecorder,
        settings: GRPOSettings,
        schedule_steps: int,
        state_only: Path | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._shows = shows
        self._sources = sources
        self._given = features
        self._recorder = recorder
        self._schedule_steps = schedule_steps
        self._settings = settings
        self._group = int(self.num_generations or 1)
        self._state_only = state_only
        self._prompts: list[Any] = []
        self._rows: list[int] = []
        self._places: list[int] | None = None

    def create_optimizer(self, model: Any = None) -> Any:
        """Give parts learning rates and weight decay of their own."""
        optimizer = super().create_optimizer(model)
        separate_parts(optimizer, self.model if model is None else model, self._settings)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Schedule over all rounds; the trainer itself knows this run's last step only."""
        return super().create_scheduler(self._schedule_steps, optimizer)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self._state_only is None or Path(resume_from_checkpoint) != self._state_only:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise QATrainerError(
                f"{Path(str(self.args.output_dir)).parent}: training stopped, a checkpoint could not be written "
                f"({error}). The last whole one is kept: repair the cause and start the same command again."
            ) from error

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no model card: checkpoints are internal."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._prompts = [example["prompt"] for example in inputs]
        self._rows = [int(example[ROW]) for example in inputs]
        self._places = None
        output = super()._generate_and_score_completions(inputs)
        output[_PLACE] = torch.arange(len(inputs))
        equal = self._equal_groups()
        self._recorder.count_equal(int(equal.sum()))
        if self._settings.skip_equal_groups:
            # They do not say which completion is better. TRL's mask of the tokens that count keeps them out of the
            # loss; the completions themselves stay what they are.
            counted = ~equal.repeat_interleave(self._group).to(output["completion_mask"].device)
            output["tool_mask"] = counted[:, None].expand_as(output["completion_mask"]).long()
            kept = (output["completion_mask"] * output["tool_mask"]).sum()
            every: Any = self.accelerator.gather(kept)
            output["num_items_in_batch"] = every.sum()
        return output

    def _equal_groups(self) -> torch.Tensor:
        """Tell of every group of this step in this process whether all completions got the same reward."""
        count, processes = len(self._rows), self.accelerator.num_processes
        # TRL logs the rewards of all processes, one process after another.
        own = slice(count * self.accelerator.process_index, count * (self.accelerator.process_index + 1))
        columns = [list(values)[-count * processes :][own] for values in self._logs["rewards"].values()]
        weights = self.reward_weights.cpu()[:, None]
        rewards = (torch.tensor(columns) * weights).nansum(dim=0).view(-1, self._group)
        return (rewards - rewards[:, :1]).abs().amax(dim=1) < 1e-8

    def _generate(self, prompts: list[Any]) -> Any:
        # Without images TRL makes no pixels of its own; see `_get_per_token_logps_and_entropies`.
        *rest, _, tool_images = super()._generate(prompts)
        return *rest, None, tool_images

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], Any, dict[str, Any]]:
        found: dict[int, list[int]] = {}
        for prompt, row in zip(self._prompts, self._rows, strict=True):
            if row not in found:
                inputs = prompt_inputs(self._shows, [prompt], self._sources([row]))
                found[row] = inputs["input_ids"][0].tolist()
        return [found[row] for row in self._rows], None, {}

    def _generate_single_turn(
        self, prompt_ids: Any, images: Any, multimodal_fields: Any, num_generations: int, has_tool_images: bool = False
    ) -> Any:
        if self.use_vllm:
            shown = [[read_image(one) for one in of_row] or None for of_row in self._sources(self._rows)]
            return super()._generate_single_turn(
                prompt_ids, shown if any(shown) else None, {}, num_generations, has_tool_images
            )
        # Features of one question have one shape, and go through TRL as one tensor.
        at_once = self._group if self._given else max(self.args.per_device_train_batch_size, self._group)
        completions: list[list[int]] = []
        for start in range(0, len(prompt_ids), at_once):
            places = range(start, min(start + at_once, len(prompt_ids)))
            fields = self._features(places)
            if "geometry_tokens" in fields:
                fields["geometry_tokens"] = torch.stack(fields["geometry_tokens"])
            some = [prompt_ids[place] for place in places]
            completions += super()._generate_single_turn(some, None, fields, num_generations)[0]
        return completions, None

    def _features(self, places: Sequence[int], width: int = 0, more: int = 0) -> dict[str, Any]:
        """Process the frames of completions; what goes token by token covers `width` prompt and `more` tokens."""
        prompts = [self._prompts[place] for place in places]
        sources = self._sources([self._rows[place] for place in places])
        inputs = dict(prompt_inputs(self._shows, prompts, sources))
        shape = inputs.pop("input_ids").shape
        del inputs["attention_mask"]
        raw = getattr(self._shows.image_processor, "raw", None)
        if raw is not None and "pixel_values" in inputs:
            inputs["pixel_values"] = raw.restore(inputs["pixel_values"].to(self.accelerator.device))
        for name, value in inputs.items():
            if width and value.shape == shape:
                inputs[name] = functional.pad(value, (width - shape[1], more))
        if self._given is not None and (tokens := self._given.tokens(sources)):
            inputs["geometry_tokens"] = tokens
        return inputs

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Compute TRL's loss of one micro-batch, and record its completions."""
        self._places = inputs[_PLACE].tolist()
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        trains = self._places is not None
        places: Sequence[int] = range(len(input_ids)) if self._places is None else self._places
        at_once = batch_size or len(input_ids)
        found: list[Any] = []
        for start in range(0, len(input_ids), at_once):
            ids, mask = input_ids[start : start + at_once], attention_mask[start : start + at_once]
            shown = self._features(places[start : start + at_once], ids.shape[1] - logits_to_keep, logits_to_keep)
            labels = ids.masked_fill(mask == 0, -100)
            labels[:, :-logits_to_keep] = -100
            extra = {"output_router_logits": True} if compute_aux_loss else {}
            shown = send_to_device(shown, ids.device)
            with self.accelerator.autocast():
                output = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True, **shown, **extra)
            found.append(output)
        logprobs = torch.cat([output.log_probs[:, -logits_to_keep:] for output in found])
        entropy = torch.cat([output.entropy[:, -logits_to_keep:] for output in found]) if compute_entropy else None
        aux_loss = torch.stack([output.aux_loss for output in found]).mean() if compute_aux_loss else None
        if trains and entropy is not None:
            rows, step = [self._rows[place] for place in places], self.state.global_step + 1
            kept = slice(input_ids.shape[1] - logits_to_keep, None)
            self._recorder.record(rows, step, input_ids[:, kept], attention_mask[:, kept], logprobs, entropy)
        return logprobs, entropy, aux_loss
