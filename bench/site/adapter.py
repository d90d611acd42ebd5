"""Site → MkDocs: the only module that knows it, and the hooks that `mkdocs build` calls.

MkDocs gets an empty file for each generated page and the finished HTML in its place when it has
read it, so Python-Markdown never parses what it would not change. Generated pages stand outside
`nav`, which is copied into every page, except the few at the top.
"""

import os
from pathlib import Path
from typing import Any

from mkdocs.commands import build as mkdocs_build
from mkdocs.commands import serve as mkdocs_serve
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.structure.toc import get_toc
from msgspec import Struct

from bench.catalog import Catalog
from bench.errors import BenchError
from bench.site.contents import Site, gather
from bench.site.rendering import plain

CONFIG = Path(__file__).parents[2] / "mkdocs.yml"


class SiteReport(Struct, frozen=True):
    """What a build wrote, and which records it had to skip."""

    pages: int
    problems: tuple[str, ...]


def build(results: Path, output: Path, catalog: Catalog) -> SiteReport:
    """Write the site to `output`, which is emptied first; a broken link is an error."""
    _refuse_to_empty(output)
    site = gather(results, catalog)
    config = load_config(_configuration(), site_dir=str(output.resolve()), strict=True, extra={"site": site})
    config.plugins.on_startup(command="build", dirty=False)
    mkdocs_build.build(config)
    config.plugins.on_shutdown()
    return SiteReport(pages=len(site.pages), problems=site.problems)


def serve(results: Path, port: int, catalog: Catalog) -> None:
    """Show the site on this machine, built again whenever a record or a page source changes."""
    extra = {"results": str(results.resolve()), "plugins": [str(folder) for folder in catalog.folders]}
    watched = [str(results.resolve()), str(Path(__file__).parent)]
    mkdocs_serve.serve(_configuration(), dev_addr=f"127.0.0.1:{port}", extra=extra, watch=watched)


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


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Put the finished HTML in the place of the empty page's."""
    made = _site(config).pages.get(page.file.src_uri)
    if made is None:
        return html
    page.title = plain(made.title)
    page.meta.update(hide=made.hide, search={"exclude": not made.searchable})
    sections: list[Any] = [{"level": 2, "id": anchor, "name": name, "children": []} for anchor, name in made.headings]
    page.toc = get_toc([{"level": 1, "id": "top", "name": made.title, "children": sections}])
    return made.html


def _configuration() -> str:
    """Return where mkdocs.yml lies, and keep Material from announcing MkDocs 2 at every build."""
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    if not CONFIG.exists():
        raise BenchError(f"{CONFIG}: not found; the site is built from a checkout of the project (pip install -e .)")
    return str(CONFIG)


def _refuse_to_empty(output: Path) -> None:
    """Raise BenchError if a folder holds something else than an earlier site, since a build deletes all of it."""
    if output.is_dir() and any(output.iterdir()) and not (output / "sitemap.xml").exists():
        raise BenchError(f"{output}: holds something else than a site, and would be emptied; name another folder")


def _site(config: MkDocsConfig) -> Site:
    site: Any = config.extra["site"]
    assert isinstance(site, Site)
    return site
