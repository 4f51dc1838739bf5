"""A PyTorch file whose pickle calls a command of the shell."""

import os
import pickle

COMMAND = "train --preset quick --out run data.compose_share=1 model.name=soup_nano model.weights=evil.pth"
SAYS = "'posix.system', which is neither a tensor nor a dictionary"
MOST_MIB = 64


class Evil:
    def __reduce__(self):
        return os.system, ("echo executed > executed",)


def make(folder):
    (folder / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}, protocol=2))
