"""Tables of training and evaluation: what was answered, how sure, how well, and what follows for the next round."""

from __future__ import annotations

import polars as pl

from qa_contract.tables.declaration import (
    FRAME_SET_ID,
    MODEL_ID,
    PROMPT_ID,
    QUESTION_ID,
    QUESTION_TYPE,
    ROUND,
    RUN_ID,
    RUNNER,
    SCENE_NAME,
    Table,
    always,
    maybe,
)

SETTINGS = maybe(
    pl.String,
    "JSON of what else moves an answer: attention, dtype, device, decoding, system prompt, size of the images",
    since="1.1",
)

PREDICTIONS = Table(
    name="predictions",
    rows="answer",
    written_by="`qa-trainer sft` (phase train), `qa-trainer score` and `qa-trainer grpo` (phase score), `qa-eval run` "
    "(phase eval)",
    about="In phase train the completion is the ground truth, teacher-forced; in the others it is the model's own "
    "answer. `qa-trainer grpo` writes every completion that it trained on: several samples of a question.",
    columns={
        "question_id": QUESTION_ID,
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "run_id": RUN_ID,
        "model_id": MODEL_ID,
        "runner": RUNNER,
        "round": ROUND,
        "step": maybe(pl.Int32, "optimizer step of the forward pass; the model's last step in the other phases"),
        "phase": always(
            pl.String, "train (completion = ground truth, teacher-forced), score, eval (completion = own answer)"
        ),
        "completion": maybe(pl.String, "text of the answer"),
        "token_ids": maybe(pl.List(pl.Int32), "tokens of the completion"),
        "token_logprobs": maybe(pl.List(pl.Float32), "natural log, one per token of token_ids"),
        "token_mask": maybe(
            pl.List(pl.Boolean), "true where the token counts for confidence (no end token, no white space)"
        ),
        "token_is_top1": maybe(pl.List(pl.Boolean), "true where the model's likeliest token is this one"),
        "token_entropy": maybe(pl.List(pl.Float32), "nats"),
        "option_logprobs": maybe(
            pl.List(pl.Float32),
            "natural log of the token that begins each option's letter, in place of the answer, by option",
        ),
        "frame_set_id": FRAME_SET_ID,
        "frame_ids": maybe(pl.List(pl.String), "frames shown, in order"),
        "frame_input": maybe(pl.String, "images, video, none"),
        "frame_pixels": maybe(pl.Int64, "width times height of one frame as the model saw it"),
        "frame_fps": maybe(pl.Float64, "frames per second of the video that the model was told"),
        "prompt_id": PROMPT_ID,
        "decoding": maybe(pl.String, 'for example "greedy, 16 new tokens"'),
        "dataset_revision": maybe(pl.String, "revision of the questions, or a hash of their file"),
        "versions": maybe(pl.String, 'packages that decide the answer, "torch 2.13.0, transformers 5.23.0"'),
        "settings": SETTINGS,
    },
    version="1.1",
)

METRICS = Table(
    name="metrics",
    rows="optimizer step",
    written_by="`qa-trainer sft`, `qa-trainer grpo`",
    about="The only table with wall times, so its bytes differ from run to run.",
    key=("run_id", "step"),
    version="1.1",
    columns={
        "run_id": RUN_ID,
        "round": ROUND,
        "step": always(pl.Int32, "optimizer step, counted over all rounds"),
        "loss": maybe(pl.Float64, "mean negative log-probability of the answer tokens, nats"),
        "learning_rate": maybe(pl.Float64, "of this update"),
        "grad_norm": maybe(pl.Float64, "before clipping"),
        "rows": maybe(pl.Int64, "trained on in this step, general data included"),
        "tokens": maybe(pl.Int64, "input tokens without padding"),
        "answer_tokens": maybe(pl.Int64, "tokens that the loss is about"),
        "step_seconds": maybe(pl.Float64, "wall time of the step without the writing of checkpoints"),
        "recorder_seconds": maybe(pl.Float64, "of them for recording confidence"),
        "data_seconds": maybe(pl.Float64, "of them waiting for frames and texts; work of other processes not counted"),
        "forward_seconds": maybe(pl.Float64, "of them in forward passes; on a GPU until the work is handed over"),
        "backward_seconds": maybe(pl.Float64, "of them in backward passes; the same"),
        "optimizer_seconds": maybe(pl.Float64, "of them updating the weights; the same"),
        "wait_seconds": maybe(pl.Float64, "of them waiting for the GPU's results; 0 on a CPU"),
        "reward": maybe(pl.Float64, "mean weighted sum of the rewards of the step's completions"),
        "reward_names": maybe(pl.List(pl.String), "rewards, in the order of the next two columns"),
        "reward_weights": maybe(pl.List(pl.Float64), "weight of each reward"),
        "reward_means": maybe(pl.List(pl.Float64), "mean of each reward where it applies, without its weight"),
        "equal_groups": maybe(pl.Int64, "questions of the step whose completions all got the same reward"),
    },
)

CONFIDENCE = Table(
    name="confidence",
    rows="prediction",
    written_by="`qa-confidence label`, `qa-confidence signal`",
    about="Two confidences that are never mixed: in the ground truth, and in the model's own answer.",
    version="1.2",
    columns={
        "question_id": QUESTION_ID,
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "model_id": MODEL_ID,
        "round": ROUND,
        "phase": always(pl.String, "train, score or eval"),
        "gold_confidence": maybe(pl.Float64, "likelihood of the ground truth; phase train only"),
        "raw_confidence": maybe(pl.Float64, "probability of the model's own answer; phases score and eval only"),
        "confidence": maybe(pl.Float64, "expected score of the model's own answer, by calibration"),
        "score": maybe(pl.Float64, "of the model's own answer, where it is known"),
        "label": maybe(pl.String, "easy, frontier, hard, suspect"),
        "profile": maybe(pl.String, "rules of the labels"),
        "calibrator_id": maybe(pl.String, "null without calibration"),
        "group": maybe(pl.String, "group of the calibrator"),
        "chance": maybe(pl.Float64, "score of a guess: 1 / number of options; 0 for numbers", "1.1"),
        "corrected": maybe(pl.Float64, "confidence less chance, over 1 less chance; at least 0", "1.1"),
        "blind_confidence": maybe(pl.Float64, "expected score of the same model's answer without frames", "1.1"),
        "blind_score": maybe(pl.Float64, "score of that answer", "1.1"),
        "headroom": maybe(pl.Float64, "corrected less the same of blind_confidence: worth of looking, -1 to 1", "1.1"),
        "cell": maybe(pl.String, "of the question, where it is known", "1.1"),
        "panel": maybe(pl.Boolean, "of the panel, which every round answers and none trains on", "1.1"),
        "scene_doubt": maybe(pl.Float64, "probability that the scene's ground truths are wrong, by all rounds", "1.2"),
        "scene_suspect": maybe(pl.Boolean, "the scene is named: false discoveries among those named 10%", "1.2"),
    },
)

FEEDBACK = Table(
    name="feedback",
    rows="round, scene, question type and cell",
    written_by="`qa-confidence feedback`",
    about="What the next round's questions are chosen by.",
    key=("round", "scene_name", "question_type", "cell"),
    version="1.1",
    columns={
        "round": ROUND,
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "cell": maybe(pl.String, "cell of difficulty"),
        "n": always(pl.Int64, "questions counted"),
        "n_easy": always(pl.Int64, "questions labelled easy"),
        "n_frontier": always(pl.Int64, "questions labelled frontier"),
        "n_hard": always(pl.Int64, "questions labelled hard"),
        "n_suspect": always(pl.Int64, "questions labelled suspect"),
        "mean_confidence": maybe(pl.Float64, "mean of the confidence that the labels were cut on"),
        "mean_score": maybe(pl.Float64, "mean score of the model's own answers, where known"),
        "ci_low": maybe(pl.Float64, "95% interval of mean_confidence"),
        "ci_high": maybe(pl.Float64, "95% interval of mean_confidence"),
        "exemplars": maybe(pl.List(pl.String), "question ids"),
        "n_clean": maybe(pl.Int64, "questions of the clean pass; the means below are over these", "1.1"),
        "mean_corrected": maybe(pl.Float64, "mean of corrected", "1.1"),
        "mean_learnability": maybe(pl.Float64, "mean of corrected (1 - corrected)", "1.1"),
        "mean_blind": maybe(pl.Float64, "mean of blind_confidence, corrected for chance", "1.1"),
        "mean_headroom": maybe(pl.Float64, "mean of headroom", "1.1"),
        "n_panel": maybe(
            pl.Int64, "panel questions of the type and cell, over all scenes, answered now and the round before", "1.1"
        ),
        "progress": maybe(pl.Float64, "mean change of their score since then; the same for every scene", "1.1"),
        "progress_se": maybe(pl.Float64, "standard error of progress, scenes drawn whole; null with one scene", "1.1"),
    },
)

SCORES = Table(
    name="scores",
    rows="scored answer",
    written_by="`qa-eval run`, `qa-eval score`",
    about="How each answer was read and scored.",
    columns={
        "question_id": QUESTION_ID,
        "scene_name": SCENE_NAME,
        "question_type": QUESTION_TYPE,
        "run_id": maybe(pl.String, "hash of configuration and seed"),
        "model_id": maybe(pl.String, "the model, by name or content"),
        "runner": maybe(pl.String, "what answered: transformers, blind, majority, oracle"),
        "round": ROUND,
        "benchmark": always(pl.String, "metrics and averages"),
        "parser": always(pl.String, "how the answer was read"),
        "parsed": maybe(pl.String, "the answer as read; null where none was found"),
        "score": maybe(pl.Float64, "0 to 1; null where the row could not be scored"),
        "parse_failed": maybe(pl.Boolean, "the completion held no answer"),
        "frame_set_id": FRAME_SET_ID,
        "prompt_id": maybe(pl.String, "wording around the question"),
        "options": maybe(pl.List(pl.String), '"A. text"; null for numbers', since="1.1"),
        "ground_truth": maybe(pl.String, "the right answer", since="1.1"),
        "completion": maybe(pl.String, "text of the answer as it was given", since="1.1"),
        "reason": maybe(pl.String, "code of why the row has no score", since="1.1"),
        "settings": SETTINGS,
    },
    version="1.1",
)
