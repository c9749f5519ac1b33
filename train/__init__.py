"""Training: methods, the loop, checkpoints and encoders. Needs the extra `train`."""

import os

# Before torch loads its OpenMP: spinning workers slow a step up to tenfold (measured) as soon as
# another process wants one of the cores, and gain little when none does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
