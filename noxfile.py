"""Every task of the project: `nox -s bench-digits`, `nox -s tests`, `nox --list`."""

import argparse
import os
import re
from pathlib import Path

import nox
import nox.command

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

# Where Python may not keep what it compiled, every process compiles TensorFlow anew, for 45 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
GROUPS = nox.project.load_toml("pyproject.toml")
QUIET = {"NO_MKDOCS_2_WARNING": "1"}


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group; none of them brings TensorFlow."""
    return list(nox.project.dependency_groups(GROUPS, name))


def bench(suite: str) -> None:
    """Add the session `bench-<suite>`; arguments after `--` go to `bench run`."""

    @nox.session(name=f"bench-{suite}")
    def run(session: nox.Session) -> None:
        session.install("-e", ".")
        results, folders = places(session.posargs)
        before = set(results.rglob("*.json"))
        try:
            session.run("bench", "run", suite, *session.posargs)
        except nox.command.CommandFailed:
            if set(results.rglob("*.json")) != before:  # the pages say what failed
                session.run("bench", "site", "build", *folders, env=QUIET, success_codes=[0, 4])
            raise
        session.run("bench", "site", "build", *folders, env=QUIET)

    run.__doc__ = f"Train and measure suites/{suite}.yaml, then build the site."


def places(arguments: list[str]) -> tuple[Path, list[str]]:
    """Return the results folder, and those of `bench run`'s arguments that `bench site` must be given too."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--results", default="results")
    parser.add_argument("--plugins", action="append", default=[])
    known, _ = parser.parse_known_args(arguments)
    plugins = [word for folder in known.plugins for word in ("--plugins", folder)]
    return Path(known.results), ["--results", known.results, *plugins]


for file in sorted(Path("suites").glob("*.yaml")):
    if not file.name.startswith("."):  # some editor's
        bench(file.stem)


# One process for each core, each of which takes up to 3 GB.
PYTEST = ("pytest", "-n", "logical", "--maxprocesses", "4", "--benchmark-disable")


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; `nox -s tests -- -m "not slow"` runs the quick ones alone."""
    session.install("-e", ".", *group("tests"))
    session.run(*PYTEST, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Print what the quick tests cover; with the slow ones, which build networks, it would take twice as long."""
    session.install("-e", ".", *group("tests"), "pytest-cov>=7")
    session.run(*PYTEST, "-m", "not slow", "--cov", "--cov-report", "term:skip-covered")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install(*group("types"), *group("site"), "nox")
    session.run("mypy")


@nox.session
def site(session: nox.Session) -> None:
    """Build the results site from the records; needs no TensorFlow."""
    session.install(*group("site"))
    session.run("python", "-m", "bench", "site", "build", *session.posargs, env=QUIET, success_codes=[0, 4])


@nox.session
def serve(session: nox.Session) -> None:
    """Serve the results site on this machine."""
    session.install(*group("site"))
    session.run("python", "-m", "bench", "site", "serve", *session.posargs, env=QUIET)


@nox.session
def check(session: nox.Session) -> None:
    """Judge new records against a baseline, HEAD unless named: `nox -s check -- --baseline main`."""
    session.install(*group("site"))
    session.run("python", "-m", "bench", "check", *session.posargs)


@nox.session
def confirm(session: nox.Session) -> None:
    """Check, train the seeds that undecided rows ask for, and check again."""
    session.install("-e", ".")
    session.run("bench", "check", "--confirm", *session.posargs)


@nox.session(reuse_venv=False)
def upgrade(session: nox.Session) -> None:
    """Does another version change accuracy or latency? `nox -s upgrade -- digits "keras==3.14.0"`."""
    if len(session.posargs) < 2:
        session.error('name a suite and what to install instead: nox -s upgrade -- digits "keras==3.14.0"')
    suite, *versions = session.posargs
    place = Path("build/upgrade") / re.sub(r"[^\w.]+", "-", "-".join(session.posargs))
    session.install("-e", ".")
    for name in ("before", "after"):
        if name == "after":
            session.install("--no-deps", *versions)
        home = {"BENCH_HOME": str(Path(session.create_tmp(), name))}
        # What fails with the other versions is what the check is to tell.
        session.run("bench", "run", suite, "--results", str(place / name), env=home, success_codes=[0, 1])
    session.run(
        "bench", "check", "--results", str(place / "after"), "--baseline", str(place / "before"), "--any-versions"
    )


@nox.session
def latency(session: nox.Session) -> None:
    """Time a suite's finished networks: `nox -s latency -- digits --benchmark-compare-fail=median:10%`."""
    words = list(session.posargs)
    suite = words.pop(0) if words and not words[0].startswith("-") else "digits"
    session.install("-e", ".", *group("tests"))
    session.run("bench", "run", suite, "--artifacts")
    keep = ("--benchmark-autosave", "--benchmark-save-data")
    session.run("pytest", "tests/benchmarks/bench_latency.py", "--suite", suite, *keep, *words)


@nox.session
def perf(session: nox.Session) -> None:
    """Time the harness itself: its verbs, then whole runs beside plain Keras scripts; half an hour, quiet."""
    session.install("-e", ".", *group("tests"))
    session.run("python", "-m", "pytest", "tests/benchmarks/bench_harness.py")
    session.run("python", "tests/benchmarks/side_by_side.py", *session.posargs)


@nox.session
def statistics(session: nox.Session) -> None:
    """Try what pages and checks promise, on simulated networks, in half an hour; `-- --share 0.1` is quicker."""
    session.install("-e", ".", *group("tests"), "asv")
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    session.run("python", "tests/stats/promises.py", *session.posargs, env={"PYTHONPATH": "tests"} | one_thread)


@nox.session
def gpu(session: nox.Session) -> None:
    """Time trainings on an accelerator, by the harness and by Keras's fit: `nox -s gpu -- --backends jax`."""
    session.install("-e", ".", *group("tests"))
    if "torch" in session.posargs or "--backends" not in session.posargs:
        session.install("torch")
    session.run("python", "tests/benchmarks/accelerator.py", *session.posargs)
