#!/bin/sh
# What a contest that runs one's code asks for: images and a sample submission in, a submission out.
#
#   answer.sh [DATA]      DATA, by default /data, holds
#     model.soup                 what answers
#     images/ or images.zip      the images
#     sample_submission.csv      the shape of the submission
#     decision.json              optional: how probabilities become answers (soup decide)
#   and gets submission.csv; SOUP_OUT names another folder for it.
#
# The image runs this very file, so it can be tried, and is tested, without Docker.
set -eu

data=${1:-/data}
out=${SOUP_OUT:-$data}
for needed in model.soup sample_submission.csv; do
    if [ ! -f "$data/$needed" ]; then
        echo "error: $data/$needed is missing; mount the folder that holds it at $data" >&2
        exit 3
    fi
done
images=$data/images
[ -e "$images" ] || images=$data/images.zip
decision=$data/decision.json

# The probabilities are an intermediate result: they leave nothing behind.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 4' INT TERM

if [ -f "$decision" ]; then
    soup predict "$data/model.soup" --images "$images" --decision "$decision" --out "$work/probabilities.npy"
    soup submit "$work/probabilities.npy" --decision "$decision" \
        --sample "$data/sample_submission.csv" --out "$out/submission.csv"
else
    soup predict "$data/model.soup" --images "$images" --out "$work/probabilities.npy"
    soup submit "$work/probabilities.npy" \
        --sample "$data/sample_submission.csv" --out "$out/submission.csv"
fi
