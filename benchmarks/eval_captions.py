"""Compare the caption metrics of qa-eval with coco-caption itself, tokens and scores.

    pip install --no-deps --target DIR pycocoevalcap==1.2
    uv run python benchmarks/eval_captions.py DIR --texts TEXTS --out benchmarks/results/eval_captions.json

TEXTS holds one text per line, for example the questions and answers of SQA3D. The tokenizer of coco-caption is a Java
program; Java has to be there. Answers and references are drawn from the texts and from words of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from qa_eval.metrics.captions import caption_scores, tokens

ODD = (
    "The chair is L-shaped, isn't it? (really)",
    "it's on the left; don't go... T.V. 5'4\" 10cm, 1,234 and 12:30",
    "\u201cbrown\u201d \u2013 or it\u2019s grey\u2026 cannot gonna wanna gotta",
    "o'clock the tables' legs and/or 1/2 [x] {y} $5 50% 3rd",
    "caf\u00e9 na\u00efve \u6c99\u53d1 mr. smith etc. U.S. x-y-z -- - yes",
)


def main() -> None:
    """Compare, and write how many texts and which scores differ."""
    options = argparse.ArgumentParser(description="Compare caption metrics with coco-caption.")
    options.add_argument("packages", type=Path, help="folder with the installed package")
    options.add_argument("--texts", type=Path, required=True, help="one text per line")
    options.add_argument("--rows", type=int, default=4675, help="as many as ScanQA's validation questions")
    options.add_argument("--seed", type=int, default=8)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    sys.path.append(str(chosen.packages))
    texts = [line.strip() for line in chosen.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    texts += ODD
    answers, references = draw(texts, chosen.rows, np.random.default_rng(chosen.seed))
    mine = caption_scores(answers, references)
    theirs = coco_scores(answers, references)
    result = {
        "texts": len(texts),
        "different_tokens": different_tokens(texts),
        "rows": len(answers),
        "qa_eval": mine,
        "coco_caption": theirs,
        "largest_difference": max(abs(mine[name] - theirs[name]) for name in mine),
    }
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def draw(texts: list[str], n: int, rng: np.random.Generator) -> tuple[list[str], list[list[str]]]:
    """Draw answers and one to three references each; half of the answers are a reference with words lost or moved."""
    answers, references = [], []
    for _ in range(n):
        right = [str(text) for text in rng.choice(texts, int(rng.integers(1, 4)))]
        words = str(rng.choice(right)).split()
        kept = [word for word in words if rng.random() < 0.8]
        rng.shuffle(kept)
        answers.append(str(rng.choice([" ".join(kept), " ".join(words[: len(words) // 2]), str(rng.choice(texts))])))
        references.append(right)
    return answers, references


def different_tokens(texts: list[str]) -> int:
    """Count the texts that the two tokenizers split differently."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    found = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})
    return sum(" ".join(tokens(text)) != found[i][0] for i, text in enumerate(texts))


def coco_scores(answers: list[str], references: list[list[str]]) -> dict[str, float]:
    """Score with coco-caption, in percent."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenizer = PTBTokenizer()
    right = tokenizer.tokenize({i: [{"caption": text} for text in texts] for i, texts in enumerate(references)})
    given = tokenizer.tokenize({i: [{"caption": text}] for i, text in enumerate(answers)})
    bleu = Bleu(4).compute_score(right, given, verbose=0)[0]
    scores = {f"BLEU-{n}": value for n, value in enumerate(bleu, start=1)}
    scores |= {"ROUGE-L": Rouge().compute_score(right, given)[0], "CIDEr": Cider().compute_score(right, given)[0]}
    return {name: 100 * float(value) for name, value in scores.items()}


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as error:
        sys.exit(f"not found: {error.filename} (Java?)")
