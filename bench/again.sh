#!/usr/bin/env bash
# Measures twenty claims again that the record does not hold yet, and adds a line for each: for a night on an idle machine.
# Usage: bench/again.sh DATA [COUNT]   (DATA: folder of the public data sets, see docs/data.md)
set -euo pipefail
cd "$(dirname "$0")/.."
python -m robust_core claims draw "${2:-20}" --seed "$(date +%F)" --fresh --record results/again.tsv --data-dir "$1"
