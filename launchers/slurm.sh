#!/bin/bash
# One node, requeued until the run is done: sbatch launchers/slurm.sh loop.toml runs/NAME
# Slurm sends SIGUSR1 two minutes before the time is up; the loop ends its stage and leaves with 75, which means "again".
#SBATCH --job-name=qa-loop
#SBATCH --nodes=1
#SBATCH --gpus-per-node=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -u
OUT=$2
uv run --no-sync qa-loop run "$1" --out "$OUT" &
loop=$!
trap 'kill -USR1 "$(cat "$OUT/.lock")" 2>/dev/null' USR1
trap 'kill -TERM "$(cat "$OUT/.lock")" 2>/dev/null' TERM
while :; do
  wait "$loop"
  code=$?
  kill -0 "$loop" 2>/dev/null || break # the shell's own signal ended the wait, not the loop
done
if [ "$code" = 75 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
