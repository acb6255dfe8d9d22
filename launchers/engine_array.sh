#!/bin/bash
# Stages of the engine, one data set or part of one per array task: sbatch --array=1-40 launchers/engine_array.sh LIST OUT
# A line of LIST is what follows `qa-engine ingest`, as `scannet /data/scannet` or `rooms --first-scene 5000 --scenes 5000`.
# Task k writes OUT/k/store and OUT/k/questions. A task that starts again goes on: what is whole is left, `ingest` and
# `observe` take up what was begun. An indexed Job of Kubernetes runs the same file (launchers/engine_array.yaml).
#SBATCH --job-name=qa-engine
#SBATCH --cpus-per-task=16
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append

set -eu
LIST=$1
TASK=${SLURM_ARRAY_TASK_ID:-$((${JOB_COMPLETION_INDEX:?neither an array task of Slurm nor an indexed Job} + 1))}
OUT=$2/$TASK
WORKERS=${SLURM_CPUS_PER_TASK:-$(nproc)}
ENGINE=${ENGINE:-uv run --no-sync qa-engine}
read -r -a SOURCE <<<"$(sed -n "${TASK}p" "$LIST")"
[ "${#SOURCE[@]}" -gt 0 ] || { echo "$LIST has no line $TASK" >&2; exit 2; }

# Exit code 1 says that rows were lost and why; the rest is there, and the next stage goes on with it.
stage() {
  local code=0
  $ENGINE "$@" || code=$?
  [ "$code" -le 1 ] || exit "$code"
}

mkdir -p "$OUT"
[ -e "$OUT/store/scenes.parquet" ] || stage ingest "${SOURCE[@]}" --out "$OUT/store" --workers "$WORKERS"
if [ -d "$OUT/store/frames" ]; then
  [ -e "$OUT/store/observations.parquet" ] || stage observe "$OUT/store" --workers "$WORKERS"
  [ -e "$OUT/store/frame_sets.parquet" ] || stage sample-frames "$OUT/store" --frames 32 --workers "$WORKERS"
fi
[ -e "$OUT/questions/manifest.json" ] || stage generate "$OUT/store" --out "$OUT/questions" --workers "$WORKERS"
stage verify "$OUT/store" "$OUT/questions" --workers "$WORKERS"
