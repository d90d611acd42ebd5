"""Train and measure grids of Keras models, and publish what was found.

>>> import bench
>>> frame = bench.read("results")  # one row a measurement, as a pandas DataFrame
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "read"]


def __getattr__(name: str) -> Any:
    # pandas takes longer to import than every verb but `export` takes to run (PEP 562).
    if name == "read":
        from bench.export import read

        return read
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
