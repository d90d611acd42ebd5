"""Training on an accelerator by the epoch drivers and by Keras's `fit`, on JAX and PyTorch: `nox -s gpu`.

CIFAR-10's size and shape, batches of 256. Images a second are medians of five epochs; the first
epoch, which compiles, is told apart. While a training runs, `nvidia-smi` is asked how busy the
device is. All of it takes less than eight minutes.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import threading
from pathlib import Path
from typing import Any

from side_by_side import training_speed

NETWORKS = ("resnet8", "resnet(depth=20)", "custom_cnn")
IMAGES, BATCH, EPOCHS = 50_000, 256, 6


def main() -> None:
    """Measure, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="*", default=["jax", "torch"])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--out", type=Path, default=Path("build/accelerator.json"))
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print("| network | backend | by | images/s | first epoch (s) | device memory (MiB) | device idle |")
    print("|---|---|---|---|---|---|---|")
    for backend in options.backends:
        for network in NETWORKS:
            for how in ("plain", "harness"):
                found = {"network": network, "backend": backend, "by": how} | trained(
                    how, network, backend, options.images
                )
                rows.append(found)
                told = [found["images_per_s"], found["first_s"], found["device_memory_mib"], found["device_idle"]]
                cells = " | ".join("–" if value is None else f"{value:.4g}" for value in told)
                print(f"| {network} | {backend} | {how} | {cells} |", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"device": device(), "rows": rows}, indent=1) + "\n")


def trained(how: str, network: str, backend: str, images: int) -> dict[str, Any]:
    """Train in a process of its own; None where the backend or the machine does not say."""
    with Watch() as watch:
        found = training_speed(
            how, network, images, BATCH, EPOCHS, KERAS_BACKEND=backend, XLA_PYTHON_CLIENT_PREALLOCATE="false"
        )
    return {
        "images_per_s": statistics.median(found["rates"]),
        "first_s": found["first_s"],
        "memory_mib": found["memory_mib"],
        "device_memory_mib": found["device_memory_mib"],
        "device_idle": watch.idle(),
    }


def device() -> str | None:
    """Return the accelerator's name."""
    names = _ask("name")
    return names[0] if names else None


class Watch:
    """Asks twice a second how busy the accelerator is, while entered."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._busy: list[float] = []
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def idle(self) -> float | None:
        """Return the share of the time that it idled, 0–1, from when it first had something to do."""
        first = next((i for i, busy in enumerate(self._busy) if busy), None)
        return None if first is None else 1 - statistics.fmean(self._busy[first:]) / 100

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self._busy += [float(value) for value in _ask("utilization.gpu")[:1]]


def _ask(what: str) -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


if __name__ == "__main__":
    main()
