#!/bin/bash
# Answers of a model by vLLM on one node: sbatch launchers/vllm_answers.sh MODEL QUESTIONS STORE OUT
#SBATCH --job-name=qa-answers
#SBATCH --gpus-per-node=8
#SBATCH --time=04:00:00

set -eu
PORT=${PORT:-8000}
vllm serve "$1" --port "$PORT" --tensor-parallel-size "${SLURM_GPUS_ON_NODE:-1}" --limit-mm-per-prompt '{"image": 64}' &
server=$!
trap 'kill "$server" 2>/dev/null' EXIT
until curl -sf "http://127.0.0.1:$PORT/health" >/dev/null; do
  kill -0 "$server" || { echo "vLLM ended before it answered" >&2; exit 2; }
  sleep 5
done
uv run --no-sync qa-eval run "$2" --store "$3" --runner openai --base-url "http://127.0.0.1:$PORT/v1" --model "$1" \
  --concurrency 64 --out "$4"
