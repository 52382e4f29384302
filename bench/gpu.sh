#!/usr/bin/env bash
# All that a GPU is wanted for, in at most 12 minutes, from a bare checkout; what it does stands in bench/gpu.py.
# Usage: bench/gpu.sh [--tiny] [--minutes N] [--data-dir DIR] [--resume-from DIR] …
# DATA names the folder of data sets, OUT that of the results (runs/gpu without it).
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1
exec python3 -m bench.gpu ${DATA:+--data-dir "$DATA"} --out "${OUT:-runs/gpu}" "$@"
