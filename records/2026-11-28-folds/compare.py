"""Means of one to five folds on the test pictures, against one fold: gains with paired bootstrap intervals over pictures.

    compare.py FOLDER     # f0.csv ... f4.csv (v0.csv ... v4.csv with the views), test/answer.csv
"""

import itertools
import pathlib
import sys

import numpy as np
import pandas as pd

folder = pathlib.Path(sys.argv[1])


def read(name):
    return pd.read_csv(folder / name, index_col=0)


answers = read("test/answer.csv")
plain, views = ([read(f"{kind}{fold}.csv") for fold in range(5)] for kind in "fv")
truth = answers.loc[plain[0].index, plain[0].columns].to_numpy() > 0.5
samples = np.random.default_rng(0).integers(len(truth), size=(2000, len(truth)))


def right(tables):
    return ((np.mean([table.to_numpy() for table in tables], 0) > 0.5) == truth).mean(1)


def told(pictures):
    low, high = np.quantile(pictures[samples].mean(1), [0.025, 0.975])
    return f"{pictures.mean():+.4f} ({low:+.4f} to {high:+.4f})"


for name, tables in [("plain", plain), ("views", views)]:
    for count in range(1, 6):
        chosen = itertools.combinations(tables, count)
        pictures = np.mean([right(some) for some in chosen], 0)
        if (name, count) == ("plain", 1):
            one = pictures
        print(f"{name}, {count} of 5: {told(pictures)}, gain {told(pictures - one)}")
