"""Writes files.csv beside this script: the public weights of timm for every backbone that the program has.

    soup models --json | python make_public.py

timm's own table says what each file expects. Nothing is downloaded.
"""

import csv
import json
import pathlib
import sys

import timm

COLUMNS = "backbone,tag,hub,licence,mean,std,interpolation,crop,size,test_size,labels"


def numbers(values):
    return " ".join(f"{value:g}" for value in values)


def rows(names):
    for name in names:
        if not timm.is_model(name):
            continue
        for pretrained in timm.list_pretrained(name, exclude_filters=[]):
            backbone, _, tag = pretrained.partition(".")
            if backbone != name:
                continue
            cfg = timm.get_pretrained_cfg(pretrained)
            if not cfg.hf_hub_id:
                continue
            hub = cfg.hf_hub_id if cfg.hf_hub_id != "timm/" else f"timm/{pretrained}"
            test = cfg.test_input_size[-1] if cfg.test_input_size else cfg.input_size[-1]
            yield [name, tag, hub, cfg.license or "unknown", numbers(cfg.mean), numbers(cfg.std),
                   cfg.interpolation, f"{cfg.crop_pct:g}", cfg.input_size[-1], test, cfg.num_classes]


def main():
    names = [model["name"] for model in json.load(sys.stdin)["models"]]
    with pathlib.Path(__file__).with_name("files.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS.split(","))
        writer.writerows(rows(names))


if __name__ == "__main__":
    main()
