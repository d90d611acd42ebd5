"""What each verb of `bench` takes."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bench import __version__
from bench.errors import shortened

KINDS = (
    "architectures",
    "datasets",
    "techniques",
    "optimizers",
    "schedules",
    "losses",
    "runtimes",
    "diagnostics",
    "meters",
    "suites",
)
"""As `bench.cards` has them, which `bench --help` need not wait for."""
NETWORKS = ("keras", "litert", "onnx", "openvino", "saved_model")
"""As `bench.hand_over` has them."""
RESULTS = Path("results")
MOST_WORKERS = 256
REPORTS = (".json", ".xml", ".sarif", ".atom", ".md")
"""As `bench.check.formats` has them, which other verbs need not wait for."""


def parser(functions: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """Return the parser of all verbs; an option set's `verb` is the function to call with it."""
    made = argparse.ArgumentParser(
        prog="bench",
        description="Train and measure grids of Keras models, and publish what was found.",
        epilog="exit codes: 0 fine; 1 a regression or a failed run; 2 bad input; 3 nothing comparable; "
        "4 broken records were skipped; 130 interrupted",
    )
    made.add_argument("--version", action="version", version=f"bench {__version__}")
    verbs = made.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(
        name: str, *, as_json: bool = False, results: bool = True, reads: bool = False, plugins: bool = False
    ) -> argparse.ArgumentParser:
        summary = (functions[name].__doc__ or "").splitlines()[0]
        added = verbs.add_parser(name, help=summary[0].lower() + summary[1:-1], description=summary)
        added.set_defaults(verb=functions[name], json=False, reads=reads)
        if as_json:
            added.add_argument("--json", action="store_true", help="print JSON")
        if results:
            added.add_argument(
                "--results",
                type=Path,
                default=RESULTS,
                metavar="DIR",
                help="where records lie (default: %(default)s)",
            )
        if plugins:
            added.add_argument(
                "--plugins",
                type=Path,
                action="append",
                default=[],
                metavar="DIR",
                help="a folder of your own plugins; repeatable",
            )
        return added

    added = verb("list", as_json=True, plugins=True)
    added.add_argument("kind", nargs="?", choices=KINDS, help="what to list (default: all)")

    for name in ("measure", "plan", "run"):
        added = verb(name, as_json=name == "plan", plugins=True)
        added.add_argument("suite", metavar="SUITE", help="name of a file in suites/, or its path")
        added.add_argument("--only", metavar="EXPR", help='e.g. "architecture=resnet8 and seed=0"')
        if name == "measure":
            added.set_defaults(fresh=False, retry_failed=False, artifacts=False, workers=1)
            added.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="stop a process after this long")
            continue
        added.add_argument("--fresh", action="store_true", help="execute although cached, and add to the history")
        added.add_argument("--retry-failed", action="store_true", help="execute what failed before")
        added.add_argument("--artifacts", action="store_true", help="train again what left no network on this machine")
    added.add_argument(
        "--workers", type=_workers, metavar="N", help="trainings side by side (default: cores ÷ the suite's threads)"
    )
    added.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="stop a node after this long (default: the suite's timeout_s, or never)",
    )

    added = verb("best", as_json=True, reads=True)
    added.add_argument("suite", metavar="SUITE", help="a suite with records")
    for name, what in (
        ("latency-ms", "p50 of one example on the row's fastest runtime"),
        ("size-kb", "the network's file, in 1,000 bytes"),
        ("parameters", "weights of the network"),
    ):
        added.add_argument(f"--max-{name}", type=_amount, metavar="N", help=what)
    added.add_argument(
        "--min-accuracy", type=_amount, metavar="SHARE", help="accuracy from 0 to 1, or what else the suite ranks by"
    )

    added = verb("model", reads=True, plugins=True)
    added.add_argument("run", metavar="RUN", help="a run's id, or its beginning")
    added.add_argument("--to", choices=NETWORKS, required=True)
    added.add_argument("destination", type=Path, metavar="FOLDER", help="a new one")

    added = verb("prove", as_json=True, reads=True, plugins=True)
    added.add_argument("suite", metavar="SUITE", help="name of a file in suites/, or its path")
    added.add_argument("--only", metavar="EXPR", help='e.g. "architecture=resnet8 and seed=0"')
    added.set_defaults(fresh=False, retry_failed=False, artifacts=False)

    added = verb("data", as_json=True, plugins=True)
    added.add_argument("name", metavar="NAME", help="a dataset, or a call like \"cifar100(labels='coarse')\"")

    added = verb("new", results=False, plugins=True)
    kinds = ("architecture", "dataset", "technique", "diagnostic", "meter", "runtime", "suite")
    added.add_argument("kind", choices=kinds)
    added.add_argument("name", metavar="NAME", help="of the file, and so of the plugin or suite")

    added = verb("show", as_json=True, reads=True)
    added.add_argument("run", metavar="RUN", help="a run's id, or its beginning")

    added = verb("check", as_json=True, reads=True, plugins=True)
    added.add_argument(
        "--baseline",
        default="HEAD",
        metavar="REV|DIR",
        help="a git revision or a folder of records (default: %(default)s)",
    )
    added.add_argument(
        "--tolerance",
        type=_share,
        default=0.01,
        metavar="SHARE",
        help="a loss that does not matter: of proportions as such, of all else as a share, 0–1 (default: %(default)s)",
    )
    added.add_argument(
        "--latency-tolerance",
        type=_share,
        default=0.10,
        metavar="SHARE",
        help="a relative slow-down that does not matter (default: %(default)s)",
    )

    added.add_argument(
        "--gate",
        action="append",
        default=[],
        metavar="METRIC",
        help="judge this figure of the test set, too, e.g. f1 or calibration_error; repeatable",
    )
    added.add_argument(
        "--acknowledged",
        type=Path,
        metavar="FILE",
        help="alerts that may stand for a while (default: acknowledged.yaml, where it exists)",
    )
    added.add_argument("--strict", action="store_true", help="what is undecided fails, too")
    added.add_argument(
        "--report",
        type=_report,
        action="append",
        default=[],
        metavar="FILE",
        help="write the report, by the file's ending: .json, .xml (JUnit), .sarif, .atom, .md; repeatable",
    )
    added.add_argument(
        "--confirm", action="store_true", help="train the new seeds that undecided rows ask for, and judge again"
    )
    added.add_argument(
        "--remeasure", action="store_true", help="time new and old networks side by side on this machine, now"
    )
    added.add_argument("--any-versions", action="store_true", help="compare timings of different package versions, too")
    added.add_argument("--github", action="store_true", help="print GitHub's annotations, and fill its step summary")
    added.add_argument("--webhook", type=_address, metavar="URL", help="send the report there as JSON")

    added = verb("findings", as_json=True, reads=True)
    added.add_argument("suite", nargs="?", metavar="SUITE", help="a suite with records (default: all)")

    added = verb("site", reads=True, plugins=True)
    added.add_argument("action", choices=["build", "serve"])
    added.add_argument(
        "--output",
        type=Path,
        default=Path("build/site"),
        metavar="DIR",
        help="where the site goes (default: %(default)s)",
    )
    added.add_argument("--port", type=_port, default=8000, metavar="N", help="of `serve` (default: %(default)s)")

    added = verb("export", reads=True)
    added.add_argument("file", type=Path, metavar="FILE", help="ends in .csv, .json or .parquet")

    added = verb("schema", results=False)
    added.add_argument("of", choices=["suite", "record", "report"])

    verb("doctor", as_json=True, results=False, plugins=True)

    added = verb("clean", reads=True)
    added.add_argument("--all", action="store_true", help="delete every network; what needs one trains it again")
    return made


def _whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 12 or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{shortened(text, 20)}' is not a whole number from 1 to {most:,}")
        return int(text)

    return read


_workers, _seconds, _port = _whole(MOST_WORKERS), _whole(10**9), _whole(65535)


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        is_good = False
    if not is_good or " " in text:
        raise argparse.ArgumentTypeError("not an address such as https://host/path")  # which may hold a secret
    return text


def _report(text: str) -> Path:
    path = Path(text)
    if path.suffix not in REPORTS:
        raise argparse.ArgumentTypeError(f"'{shortened(text, 40)}' ends in none of {', '.join(REPORTS)}")
    return path


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e15:
        raise argparse.ArgumentTypeError(f"'{shortened(text, 20)}' is not a number from 0 on")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{shortened(text, 20)}' is not a share from 0 to 1")
    return value
