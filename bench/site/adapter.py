"""Site → MkDocs: the only module that knows it, and the hooks that `mkdocs build` calls.

MkDocs gets an empty file for each generated page and the finished HTML in its place when it has
read it, so Python-Markdown never parses what it would not change. Generated pages stand outside
`nav`, which is copied into every page, except the few at the top.
"""

import os
import re
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from mkdocs.commands import build as mkdocs_build
from mkdocs.commands import serve as mkdocs_serve
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import MkDocsException
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc
from msgspec import Struct

from bench.catalog import Catalog
from bench.errors import BenchError, first_line
from bench.site import output as places
from bench.site.contents import Site, gather
from bench.site.rendering import plain

CONFIG = Path(__file__).parents[2] / "mkdocs.yml"
HOST = "127.0.0.1"


class SiteReport(Struct, frozen=True):
    """What a build wrote, and which records it had to skip."""

    pages: int
    problems: tuple[str, ...]


def build(results: Path, output: Path, catalog: Catalog) -> SiteReport:
    """Write the site to `output`, in the place of an earlier one; a broken link is an error.

    Raise BenchError where the folder may not be replaced or the page sources cannot be read.
    """
    with places.replacing(output, results) as draft:
        site = gather(results, catalog)
        with _named():
            config = load_config(_configuration(), site_dir=str(draft), strict=True, extra={"site": site})
            config.plugins.on_startup(command="build", dirty=False)
            mkdocs_build.build(config)
            config.plugins.on_shutdown()
    return SiteReport(pages=len(site.pages), problems=site.problems)


def serve(results: Path, port: int, catalog: Catalog) -> None:
    """Show the site on this machine, built again whenever a record or a page source changes.

    Raise BenchError where the port cannot be had or the page sources cannot be read. Pages have no
    policy here, which would stop MkDocs's script that loads them again.
    """
    _refuse_port(port)
    extra = {"serving": True, "results": str(results.resolve()), "plugins": [str(folder) for folder in catalog.folders]}
    watched = [str(results.resolve()), str(Path(__file__).parent)]
    with _named():
        mkdocs_serve.serve(_configuration(), dev_addr=f"{HOST}:{port}", extra=extra, watch=watched)


def on_config(config: MkDocsConfig) -> None:
    """Gather the pages, unless `build` has, and set the navigation."""
    if "site" not in config.extra:
        folders = tuple(Path(folder) for folder in config.extra.get("plugins", []))
        config.extra["site"] = gather(Path(config.extra["results"]), Catalog(folders))
    config.nav = _site(config).navigation


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages, and the data files beside them."""
    for path, page in _site(config).pages.items():
        files.append(File.generated(config, path, content=""))
        for name, text in page.files.items():
            files.append(File.generated(config, name, content=text))


def on_env(env: jinja2.Environment, **_: Any) -> None:
    """Give the frame, `site/theme/main.html`, what it writes its policy with."""
    env.filters["script_digests"] = _script_digests


def on_post_build(config: MkDocsConfig) -> None:
    """Say in the site which files are its own."""
    places.list_files(Path(config.site_dir))


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Put the finished HTML in the place of the empty page's."""
    made = _site(config).pages.get(page.file.src_uri)
    if made is None:
        return html
    page.title = plain(made.title)
    page.meta.update(hide=made.hide, search={"exclude": not made.searchable})
    sections: list[Any] = [
        {"level": 2, "id": anchor, "name": plain(name), "children": []} for anchor, name in made.headings
    ]
    page.toc = get_toc([{"level": 1, "id": "top", "name": plain(made.title), "children": sections}])
    return made.html


def _configuration() -> str:
    """Return where mkdocs.yml lies, and keep Material from announcing MkDocs 2 at every build."""
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    if not CONFIG.exists():
        raise BenchError(f"{CONFIG}: not found; the site is built from a checkout of the project (pip install -e .)")
    return str(CONFIG)


@contextmanager
def _named() -> Iterator[None]:
    """Turn MkDocs's complaints, which it has logged in full, into one line."""
    try:
        yield
    except (MkDocsException, UnicodeDecodeError) as error:
        raise BenchError(
            f"{CONFIG}: MkDocs cannot build from it and its pages: {first_line(error)}; restore them from git"
        ) from error


def _refuse_port(port: int) -> None:
    """Raise BenchError if nothing can be served on a port, before all is built for nothing."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind((HOST, port))
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "ports end at 65535"
        raise BenchError(f"port {port}: cannot be served on: {why}; name another one by --port") from error


def _script_digests(html: str) -> str:
    """Return the scripts that stand in a text, as a content security policy names them."""
    scripts = re.findall(r"(?s)<script>(.*?)</script>", html)
    return " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)


def _site(config: MkDocsConfig) -> Site:
    site: Any = config.extra["site"]
    assert isinstance(site, Site)
    return site
