"""Ask a model of the transformers library in this process, with the cache, counts and errors of a server."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from qa_engine.errors import QAEngineError
from qa_engine.extras import require
from qa_engine.generation.llm.client import ChatClient, ServerError

_WEIGHTS = ("*.safetensors", "*.bin")


def local_name(model: str) -> str:
    """Name a model as it is recorded and cached: a folder by its name and a hash of its weights, a hub id by itself.

    Raises
    ------
    QAEngineError
        It is written as a folder and holds no model, or one without weights.
    """
    folder = Path(model).expanduser()
    if not (folder / "config.json").is_file():
        if folder.exists() or model.startswith((".", "/", "~")):
            raise QAEngineError(f"{model}: no model here (expected config.json).")
        return model
    weights = {path for pattern in _WEIGHTS for path in folder.glob(pattern)}
    if not weights:
        raise QAEngineError(f"{model}: a model without weights (expected {' or '.join(_WEIGHTS)} beside config.json).")
    digest = hashlib.sha256()
    for path in sorted({*weights, folder / "config.json"}):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{folder.resolve().name}@{digest.hexdigest()[:12]}"


@dataclass
class LocalClient(ChatClient):
    """Answers like a server, from weights loaded by the Auto classes; one request at a time.

    The temperature and the longest reply of the connection apply, its times and rates do not: nothing is cut short by a
    clock, so that the same seed gives the same replies on the same machine.

    Raises
    ------
    QAEngineError
        The extra `transformers` is not installed, or the model cannot be loaded as one of images and text.
    """

    _parts: tuple[Any, Any] | None = field(default=None, init=False, repr=False)
    _busy: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def _prepare(self) -> None:
        """Load nothing yet: a run that finds every reply in the cache needs no model."""

    def _load(self) -> tuple[Any, Any]:
        """Return processor and model; loaded when the first request is not in the cache."""
        if self._parts is None:
            torch = require("torch", extra="transformers", purpose="A local model")
            transformers = require("transformers", extra="transformers", purpose="A local model")
            name = str(Path(str(self.connection.local_model)).expanduser())
            transformers.utils.logging.set_verbosity_error()
            transformers.utils.logging.disable_progress_bar()
            device = "cuda" if torch.cuda.is_available() else "cpu"
            try:
                processor = transformers.AutoProcessor.from_pretrained(name)
                model = transformers.AutoModelForImageTextToText.from_pretrained(
                    name, dtype=torch.float32 if device == "cpu" else "auto"
                )
            except Exception as error:  # the library raises what it likes for files that it did not expect
                first = (str(error).splitlines() or [""])[0]
                raise QAEngineError(f"{self.connection.local_model}: cannot be loaded ({first[:200]}).") from error
            self._parts = processor, model.to(device).eval()
        return self._parts

    def _send(self, body: bytes) -> dict[str, Any]:
        request = json.loads(body)
        with self._busy:
            processor, model = self._load()
            self._count(requests=1)
            try:
                return _reply(processor, model, request)
            except (RuntimeError, ValueError, IndexError) as error:
                first = (str(error).splitlines() or [""])[0]
                raise ServerError(f"{type(error).__name__}: {first[:300]}") from error


def _reply(processor: Any, model: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Generate one reply in the form of a server's response."""
    torch = require("torch", extra="transformers", purpose="A local model")
    inputs = processor.apply_chat_template(
        [_message(message) for message in request["messages"]],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device)
    n_prompt = int(inputs["input_ids"].shape[1])
    text = getattr(model.config, "text_config", model.config)
    longest = getattr(text, "max_position_embeddings", None)
    if longest is not None and n_prompt >= longest:
        raise ServerError(f"the request has {n_prompt} tokens, the model takes {longest}; show fewer frames.")
    temperature = request["temperature"]
    sampling = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
    devices = [model.device] if model.device.type == "cuda" else []
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(torch.inference_mode())
        torch.manual_seed(request["seed"])
        tokens = model.generate(**inputs, max_new_tokens=request["max_tokens"], **sampling)[0, n_prompt:]
    said = processor.decode(tokens, skip_special_tokens=True)
    usage = {"prompt_tokens": n_prompt, "completion_tokens": len(tokens)}
    return {"choices": [{"message": {"content": said}}], "usage": usage}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """Turn a message of the OpenAI kind into one of the library: images as images, every content a list."""
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_part(part) for part in content]
    return {"role": message["role"], "content": parts}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image_url":
        return part
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return {"type": "image", "image": Image.open(io.BytesIO(data)).convert("RGB")}
