"""Import Keras without what its libraries print while they load: TensorFlow's log levels do not apply that early."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

NOISE = re.compile(rb"absl::InitializeLog|cudart_stub|Could not find cuda drivers|cuda_diagnostics|computation_placer")
"""Lines about a missing GPU and about the log itself."""
STDERR = 2


def load_keras() -> None:
    """Import Keras and its backend, once per process."""
    if "keras" not in sys.modules:
        with without_noise():
            import keras  # noqa: F401 - for its effect


@contextmanager
def without_noise() -> Iterator[None]:
    """Hold back what is written to stderr inside the block; afterwards write all of it but `NOISE`."""
    sys.stderr.flush()
    stderr = os.dup(STDERR)
    try:
        with TemporaryFile() as held:
            os.dup2(held.fileno(), STDERR)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(stderr, STDERR)
                held.seek(0)
                os.write(STDERR, b"".join(line for line in held if not NOISE.search(line)))
    finally:
        os.close(stderr)
