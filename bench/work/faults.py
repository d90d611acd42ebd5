"""What went wrong in a worker, told so that a person knows whose line to look at."""

import re
import traceback
from pathlib import Path

from bench.cards import KINDS
from bench.catalog import PACKAGE
from bench.errors import BenchError, first_line, shortened


def cause(error: Exception, plugins: tuple[Path, ...]) -> tuple[str, str]:
    """Return the type of what went wrong, and its message with the plugin's line, if it was a plugin's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    kind, message = type(error).__name__, first_line(error)
    if isinstance(error, BenchError):  # which says its place
        return kind, message
    if lines and lines[0] == "in user code:":  # TensorFlow has traced it, and quotes what was raised last
        frames += [(file, int(line)) for file, line in re.findall(r'File "([^"]+)", line (\d+)', str(error))]
        kind, _, message = lines[-1].partition(": ")
        message = shortened(message)
    for file, line in reversed(frames):
        for folder in (*plugins, PACKAGE):
            inside = Path(file).relative_to(folder) if Path(file).is_relative_to(folder) else Path()
            if inside.parts and inside.parts[0] in KINDS:
                return kind, f"{inside}:{line}: {kind}: {message}"
    return kind, message
