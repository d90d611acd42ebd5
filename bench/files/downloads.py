"""Files of published datasets: from Kaggle's cache or the network, and whether they are the published ones."""

import os
from hashlib import md5
from pathlib import Path

from bench.errors import DataError


def download(handle: str) -> Path:
    """Return the folder of a Kaggle dataset, from the cache or the network.

    The handle must name its version, `owner/slug/versions/N`: then the cache answers without a
    network. Raise DataError, with the cure, if neither has it.
    """
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # kagglehub lets every kind of network and API error through
        raise DataError(
            f"{handle}: not in the cache ({cache()}) and Kaggle does not answer ({type(error).__name__}); "
            "connect to the network once, or point KAGGLEHUB_CACHE at a cache that holds it"
        ) from error


def cache() -> Path:
    """Return kagglehub's folder; what is decoded once is kept there too, under `bench`."""
    return Path(os.environ.get("KAGGLEHUB_CACHE", Path.home() / ".cache" / "kagglehub"))


def find(root: Path, *names: str) -> Path:
    """Return the first of the paths `names` below `root` that is there; raise DataError if none is."""
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(f"{root}: no '{names[0]}' in it; delete the folder and fetch it again")


def published(files: dict[Path, str]) -> bool:
    """Tell whether every file has its published MD5 checksum."""
    return all(
        path.is_file() and md5(path.read_bytes(), usedforsecurity=False).hexdigest() == checksum
        for path, checksum in files.items()
    )
