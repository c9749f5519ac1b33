"""Training: methods, the loop, checkpoints and encoders. Needs the extra `train`."""

import os
from contextlib import suppress

from zscr.cache import cache_folder
from zscr.disk import require_writable
from zscr.errors import ZscrError

# Before torch loads its OpenMP: spinning workers slow a step up to tenfold (measured) as soon as
# another process wants one of the cores, and gain little when none does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# With its first optimizer torch makes a folder for what it compiles, though nothing is compiled.
with suppress(ZscrError):  # where the cache cannot be written to, it stays a temporary one
    _folder = cache_folder() / "torch"
    require_writable(_folder)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_folder))
