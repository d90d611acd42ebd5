"""The harness beside plain Keras scripts that do the same, on one machine: `nox -s perf`.

Prints one table, and writes it as JSON where it is told to. Everything runs with one thread a
training. Nothing else should run meanwhile; all of it takes about half an hour.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench import store
from bench.catalog import Catalog
from bench.records import Record

HERE = Path(__file__).parent
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
EIGHT = "architecture in [mlp, custom_cnn]"
RECIPES = ("baseline", "augment", "pruned", "quantized")


def main() -> None:
    """Measure what is asked for, all unless said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    rows = [row for name in options.only for row in FIGURES[name]()]
    print("\n| figure | plain | harness | ratio |\n|---|---|---|---|")
    print("\n".join(map(str, rows)))
    if options.out:
        options.out.write_text(json.dumps([one._asdict() for one in rows], indent=1, ensure_ascii=False) + "\n")


class Row(NamedTuple):
    """One figure of both; `plain` is None where there is no script to compare with."""

    figure: str
    plain: float | None
    harness: float

    def __str__(self) -> str:
        """Write a line of the table."""
        if self.plain is None:
            return f"| {self.figure} | – | {self.harness:.4g} | – |"
        return f"| {self.figure} | {self.plain:.4g} | {self.harness:.4g} | {self.harness / self.plain:.2f} |"


def row(figure: str, plain: float | None, harness: float) -> Row:
    """Return one figure, and print it meanwhile."""
    found = Row(figure, plain, harness)
    print(found, file=sys.stderr, flush=True)
    return found


def seconds(*commands: Iterable[str], **variables: str) -> float:
    """Return how long commands take one after the other."""
    started = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            list(command), env=os.environ | QUIET | variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return time.perf_counter() - started


def suite(name: str, folder: Path, *words: str) -> tuple[float, list[Record]]:
    """Run a suite from nothing; return the seconds and the records."""
    spent = seconds(
        [sys.executable, "-m", "bench", "run", name, "--results", str(folder / "results"), *words],
        BENCH_HOME=str(folder / "home"),
    )
    return spent, list(store.read(folder / "results").records)


def cells() -> list[Row]:
    """Time the eight cells of digits, with one seed and with three, against one script a cell and seed."""
    found = []
    for seeds in (1, 3):
        with tempfile.TemporaryDirectory() as folder:
            scripts = [
                [sys.executable, str(HERE / "plain.py"), architecture, recipe, str(seed), folder]
                for seed in range(seeds)
                for architecture in ("mlp", "custom_cnn")
                for recipe in RECIPES
            ]
            plain = seconds(*scripts, **ONE_THREAD)
        with tempfile.TemporaryDirectory() as folder:
            chosen = EIGHT if seeds == 3 else f"{EIGHT} and seed=0"
            spent, records = suite("digits", Path(folder), "--only", chosen)
        tell_phases(records)
        found.append(row(f"8 cells of digits, seeds: {seeds} (s)", plain, spent))
    return found


def suites() -> list[Row]:
    """Time `digits` from nothing, and add up the fits of `tables`."""
    with tempfile.TemporaryDirectory() as folder:
        digits, records = suite("digits", Path(folder))
        tell_phases(records)
    with tempfile.TemporaryDirectory() as folder:
        _, records = suite("tables", Path(folder))
        tell_phases(records)
        fits = sum(record.phases_s.get("fit", 0.0) for record in records)
    return [row("`digits` from nothing (s)", None, digits), row("fits of `tables`, added up (s)", None, fits)]


def speed() -> list[Row]:
    """Train on CIFAR-10's shape by Keras's fit and by the harness, three times in turns: images a second."""
    found = []
    for backend in ("tensorflow", "jax"):
        for call, n in (("custom_cnn", 1920), ("resnet(depth=20)", 1920), ("resnet8", 3840)):
            rates: dict[str, list[float]] = defaultdict(list)
            for how in ("plain", "harness") * 3:
                rates[how].append(trained(how, call, n, backend)[0])
            medians = {how: statistics.median(values) for how, values in rates.items()}
            found.append(row(f"{call} on {backend} (images/s)", medians["plain"], medians["harness"]))
    return found


def watching() -> list[Row]:
    """Set trainings that all diagnostics watch beside the same ones that none does: seconds of training and looking."""
    names = [card.name for card in Catalog().cards("diagnostics") if "watch" in card.doors]
    found = []
    for architecture in ("mlp", "custom_cnn(width=16, depth=2)", "resnet8"):
        spent = {}
        for diagnostics in ([], names):
            text = (
                f'title: W\ndatasets: [digits]\narchitectures: ["{architecture}"]\nseeds: [0, 1, 2]\nthreads: 1\n'
                "training: {epochs: 40, batch_size: 32}\nmeasure: {runtimes: []}\n"
                f"diagnostics: [{', '.join(diagnostics)}]\n"
            )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "watched.yaml"
                path.write_text(text)
                _, records = suite(str(path), Path(folder), "--workers", "1")
            phases = [record.phases_s for record in records if record.node == "train"]
            spent[bool(diagnostics)] = sum(one["fit"] + one.get("watch", 0.0) for one in phases) / len(phases)
        found.append(
            row(f"40 epochs of {architecture} under {len(names)} pairs of eyes (s)", spent[False], spent[True])
        )
    return found


def memory() -> list[Row]:
    """Compare the peak memory of trainings on as many images as CIFAR-10 has."""
    plain, harness = (trained(how, "mlp(width=8)", 50_000, "tensorflow")[1] for how in ("plain", "harness"))
    return [row("peak memory, 50,000 images of 32 × 32 (MiB)", plain, harness)]


def trained(how: str, call: str, n: int, backend: str) -> tuple[float, float]:
    """Return images a second after the first epoch, and peak memory in MiB."""
    found = training_speed(how, call, n, 64, 4, KERAS_BACKEND=backend, **QUIET, **ONE_THREAD)
    return statistics.median(found["rates"]), found["memory_mib"]


def training_speed(how: str, call: str, n: int, batch_size: int, epochs: int, **variables: str) -> dict[str, Any]:
    """Return what `training_speed.py` prints, run in a process of its own under environment variables."""
    words = [how, call, *map(str, (n, batch_size, epochs))]
    done = subprocess.run(
        [sys.executable, str(HERE / "training_speed.py"), *words],
        env=os.environ | {"PYTHONPATH": str(HERE.parent)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{call}, {variables}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def start() -> list[Row]:
    """Time until the first node of a run can start, against importing the framework alone."""
    plain = statistics.median(seconds([sys.executable, "-c", "import tensorflow, keras"]) for _ in range(3))
    starts = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.time()
            words = ["--only", "architecture=mlp and recipe=baseline and seed=0"]
            _, records = suite("digits", Path(folder), *words)
            (first,) = [record for record in records if record.node == "train"]
            starts.append(datetime.fromisoformat(first.created).timestamp() - sum(first.phases_s.values()) - begun)
    return [row("first node starts after (s)", plain, statistics.median(starts))]


def tell_phases(records: list[Record]) -> None:
    """Print where the time of a run went."""
    phases: dict[str, float] = defaultdict(float)
    for record in records:
        for name, spent in record.phases_s.items():
            phases[name] += spent
    told = ", ".join(f"{name} {spent:.1f}" for name, spent in sorted(phases.items(), key=lambda one: -one[1]))
    print(f"  seconds by phase, all processes: {told}", file=sys.stderr, flush=True)


FIGURES: dict[str, Callable[[], list[Row]]] = {
    "start": start,
    "cells": cells,
    "suites": suites,
    "watching": watching,
    "memory": memory,
    "speed": speed,
}

if __name__ == "__main__":
    main()
