"""The product as gunicorn loads it, for churn.py; on a signal it writes the number of its objects.

Environment: CHURN_COUNTS, a file that gets one JSON line for each signal.
"""

import collections
import gc
import json
import os
import signal
from pathlib import Path
from typing import Any

from bench.realtime.churn import COUNT_SIGNAL
from wsgi import app

__all__ = ["app"]


def _count(_signal: int, _frame: Any) -> None:
    gc.collect()
    kinds = collections.Counter(type(one).__name__ for one in gc.get_objects())
    line = json.dumps({"objects": kinds.total(), "most": kinds.most_common(12)})
    with Path(os.environ["CHURN_COUNTS"]).open("a") as file:
        file.write(line + "\n")


signal.signal(COUNT_SIGNAL, _count)
