"""cv2.imread of every image into one array, and np.save: what people write instead of `soup pack`.

peer.py DATA_DIR OUT.npy prints the images and the seconds, imports not counted.
"""
import os
import sys
import time

import cv2
import numpy as np

cv2.setNumThreads(1)
folder, out = sys.argv[1:]
started = time.perf_counter()
images = os.path.join(folder, "images")
names = sorted(name for name in os.listdir(images) if name.endswith(".png"))
first = cv2.imread(os.path.join(images, names[0]), cv2.IMREAD_UNCHANGED)
images = np.empty((len(names), *first.shape), np.uint8)
for row, name in enumerate(names):
    images[row] = cv2.imread(os.path.join(images, name), cv2.IMREAD_UNCHANGED)
np.save(out, images)
print(len(names), f"{time.perf_counter() - started:.3f}")
