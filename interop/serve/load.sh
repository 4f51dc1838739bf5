#!/bin/sh
# wrk asks a server for images as fast as it answers; prints throughput, latency and what was refused.
#
#   load.sh SOUP MODEL IMAGE.png [CONNECTIONS [SECONDS]]
#
# At 64 connections nothing is refused (the queue holds 64). To compare with the engine alone:
#   soup bench efficientnet_b0 --infer --channels 1 --batch 8 --precision bf16
set -eu
soup=$1 model=$2 image=$(realpath "$3") connections=${4:-64} seconds=${5:-60}

script=$(mktemp)
log=$(mktemp)
"$soup" serve "$model" --port 8097 --quiet 2>"$log" &
server=$!
trap 'kill $server 2>/dev/null; rm -f "$script" "$log"' EXIT
cat >"$script" <<LUA
wrk.method = "POST"
local file = io.open("$image", "rb")
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "image/png"
LUA
until curl -fs http://127.0.0.1:8097/v2/health/ready >/dev/null; do sleep 0.1; done

memory() { awk '/VmRSS/ {print int($2 / 1024) " MB"}' "/proc/$server/status"; }
echo "memory before: $(memory)"
wrk --threads 1 --connections "$connections" --duration "${seconds}s" --timeout 30s --latency \
    --script "$script" http://127.0.0.1:8097/predict
echo "memory after: $(memory)"
curl -s http://127.0.0.1:8097/metrics | grep -E '^soup_(requests_total|batch_images|engine_busy)'
kill "$server"
wait "$server"
cat "$log"
