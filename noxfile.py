"""Every task of the project: `nox -s bench-digits`, `nox -s tests`, `nox --list`."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

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
        # A failed run still gets its pages: they say what failed.
        session.run("bench", "run", suite, *session.posargs, success_codes=[0, 1, 4])
        session.run("bench", "site", "build", env=QUIET, success_codes=[0, 4])

    run.__doc__ = f"Train and measure suites/{suite}.yaml, then build the site."


for file in sorted(Path("suites").glob("*.yaml")):
    bench(file.stem)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; `nox -s tests -- -m "not slow"` runs those without TensorFlow."""
    session.install("-e", ".", *group("tests"))
    session.run("pytest", *session.posargs)


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
def latency(session: nox.Session) -> None:
    """Time the finished networks of a suite: `nox -s latency -- digits --benchmark-compare`."""
    suite, *options = session.posargs or ["digits"]
    session.install("-e", ".", *group("tests"))
    session.run("bench", "run", suite, "--artifacts")
    session.run(
        "pytest",
        "tests/benchmarks/bench_latency.py",
        "--suite",
        suite,
        "--benchmark-autosave",
        *options,
        env={"OMP_NUM_THREADS": "1"},
    )


@nox.session
def perf(session: nox.Session) -> None:
    """Time the harness itself: start, planning, reading and writing records, building pages."""
    session.install(*group("site"), *group("tests"))
    session.run("python", "-m", "pytest", "tests/benchmarks/bench_harness.py", *session.posargs)
