"""YAML 1.2 read strictly, with the line of every value.

The composed node tree is walked rather than loaded: that gives line numbers and lets object
tags, aliases, duplicate keys and anything beyond plain JSON values be refused.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bench import disk
from bench.errors import SuiteError

PLAIN = "tag:yaml.org,2002:"
Location = tuple[str | int, ...]


class Located:
    """A YAML document as plain values, and the line on which each of them starts."""

    def __init__(self, path: Path, starts: str = "a suite is a mapping that starts with 'title: …'") -> None:
        """Read the file; raise SuiteError with file and line for all that cannot be read.

        `starts` says of a file that is no mapping what one of its kind looks like.
        """
        self.path = path
        self._lines: dict[Location, int] = {}
        try:
            root = YAML(typ="safe", pure=True).compose(disk.read(path).decode())
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise SuiteError(f"{path}:{line}: broken YAML: {error.problem}; {_cure(error)}") from error
        except OSError as error:
            raise SuiteError(f"{path}: cannot be read: {error.strerror}") from error
        except (YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise SuiteError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(root, MappingNode):
            raise SuiteError(f"{path}:1: {starts}")
        self.value: dict[str, Any] = self._plain(root, ())

    def line(self, *location: str | int) -> int:
        """Return the line of a value, or of its nearest enclosing one that has a line."""
        while location and location not in self._lines:
            location = location[:-1]
        return self._lines.get(location, 1)

    def error(self, message: str, *location: str | int) -> SuiteError:
        """Return a SuiteError that names the file and the value's line."""
        return SuiteError(f"{self.path}:{self.line(*location)}: {message}")

    def _plain(self, node: Node, location: Location) -> Any:
        self._lines[location] = node.start_mark.line + 1
        if node.anchor:
            raise self.error(f"anchors and aliases (&{node.anchor}) are not read; write the value out", *location)
        if isinstance(node, MappingNode) and node.tag == f"{PLAIN}map":
            return self._mapping(node, location)
        if isinstance(node, SequenceNode) and node.tag == f"{PLAIN}seq":
            return [self._plain(item, (*location, i)) for i, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, location)
        raise self.error(f"the tag '{node.tag}' is not read; a suite holds plain values only", *location)

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise SuiteError(f"{self.path}:{line}: a key must be a word")
            if key.value in found:
                raise SuiteError(f"{self.path}:{line}: '{key.value}' is there twice; keep one")
            found[key.value] = self._plain(value, (*location, key.value))
            self._lines[(*location, key.value)] = line
        return found

    def _scalar(self, node: ScalarNode, location: Location) -> Any:
        text: str = node.value
        try:
            match str(node.tag).removeprefix(PLAIN):
                case "str" | "timestamp":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text.replace("_", ""), 0)
                case "float":
                    number = float(text.replace("_", ""))
                    if number - number == 0:
                        return number
                    raise self.error(f"{text} is not a finite number", *location)
        except ValueError as error:
            raise self.error(f"'{text}' is not a number", *location) from error
        raise self.error(f"the tag '{node.tag}' is not read; a suite holds plain values only", *location)


def _cure(error: MarkedYAMLError) -> str:
    if "found character '\\t'" in str(error):
        return "indent with spaces"
    return "check indentation, quotes and brackets near there"
