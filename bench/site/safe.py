"""What strangers wrote, made safe to publish: names, texts and pictures.

Records come by pull request, so every string in them is hostile until it went through here or
through a template, which escapes.
"""

import io
import re
import zlib
from base64 import b64encode
from hashlib import sha256
from typing import TypeVar
from xml.parsers import expat

from PIL import Image
from py_svg_hush import filter_svg

from bench.errors import RecordError, first_line

LONGEST_NAME = 100
"""More than any cell's id has, less than a file system takes."""
LONGEST_LINE = 500
LARGEST_PICTURE = 2_000_000
DEEPEST_PICTURE = 50
"""The sanitizer indents, so that what it returns grows with the square of the depth."""
LONGEST_SIDE = 1024
"""Pixels of a raster that a browser is asked to hold."""
RASTER = {"image": ["png", "jpeg", "webp"]}
PLAIN = re.compile(rf"[a-z0-9_-]{{1,{LONGEST_NAME}}}")
RESERVED = frozenset({"index", "readme"})
"""Pages of these names would take the place of their folder's."""
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Controls, halves of characters, and what turns the direction of the text around it."""
Text = TypeVar("Text", bound=str)


def slug(name: str) -> str:
    """Return a name for files and ids: the name itself where it is plain, else one with a digest.

    Plain names have no dot, so that no other name's slug can be one of them, however it is chosen.
    """
    if PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    words = re.sub(r"[^a-z0-9]+", "-", name[:LONGEST_NAME].lower()).strip("-")[:30]
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]
    return f"{words or 'x'}.{digest}"


def visible(text: Text) -> Text:
    """Return a text with � for what a reader cannot see; markup stays markup."""
    return type(text)(UNSEEN.sub("\ufffd", text))


def line(text: str) -> str:
    """Return a message as one line that a terminal can be trusted with."""
    return visible(" ".join(text.split()))[:LONGEST_LINE]


def picture(svg: str) -> str:
    """Return an SVG without scripts, handlers and addresses of elsewhere; raise RecordError for what is none."""
    if len(svg) > LARGEST_PICTURE:
        raise RecordError(f"larger than {LARGEST_PICTURE:,} characters")
    try:
        _refuse_depth(svg)
        return filter_svg(svg.encode(), RASTER).decode()
    except (ValueError, expat.ExpatError) as error:  # ValueError is the sanitizer's
        raise RecordError(f"no SVG that can be read: {error}") from error


def raster(png: bytes) -> str:
    """Return a PNG drawn anew, so that it holds pixels and nothing else, in base 64; raise RecordError for none."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if max(image.size) > LONGEST_SIDE:
                raise RecordError(f"{image.size[0]} × {image.size[1]} pixels; at most {LONGEST_SIDE} a side")
            image.load()
            out = io.BytesIO()
            kept = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
            clean = Image.frombytes(image.mode, image.size, image.tobytes())
            if image.palette:
                clean.putpalette(image.palette)
            clean.save(out, "PNG", **kept)
            return b64encode(out.getvalue()).decode()
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, zlib.error, Image.DecompressionBombError) as error:
        raise RecordError(f"no PNG that can be read: {first_line(error)}") from error


def _refuse_depth(svg: str) -> None:
    depth = 0

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST_PICTURE:
            raise RecordError(f"nested deeper than {DEEPEST_PICTURE} elements")

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    reader = expat.ParserCreate()
    reader.StartElementHandler, reader.EndElementHandler = enter, leave
    reader.Parse(svg, True)
