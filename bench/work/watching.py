"""Diagnostics that look on while a network is trained: what they cost and what they raise is their own."""

import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import keras
from msgspec.structs import replace

from bench.records import Fault, Series
from bench.tasks import Task, fault
from bench.work.faults import cause
from bench.work.recipe import Recipe
from bench.work.training import Trainer

HOOKS = tuple(name for name in dir(keras.callbacks.Callback) if name.startswith("on_"))


class Watching:
    """The `watch` doors of a node, opened on its trainer."""

    def __init__(self, recipe: Recipe, task: Task, trainer: Trainer) -> None:
        """Let each add its callbacks; from one that raises no more is heard, and the training goes on."""
        self.faults: dict[str, Fault] = {}
        """What was raised, by the diagnostic's call."""
        self.seconds = 0.0
        """That looking on has taken."""
        self._plugins = task.plugins
        self._tell: dict[str, Callable[[], tuple[Series, ...]]] = {}
        begun = len(trainer.callbacks)
        for use in task.node.watches:
            own = len(trainer.callbacks)
            try:
                self._tell[str(use)] = recipe.bound("diagnostics", use, "watch")(trainer)
            except Exception as error:
                del trainer.callbacks[own:]
                self._fail(str(use), error)
            for callback in trainer.callbacks[own:]:
                self._guard(str(use), callback)
        trainer.watching = trainer.callbacks[begun:]

    def series(self) -> tuple[Series, ...]:
        """Return what was seen, each series with who saw it."""
        found: list[Series] = []
        for use, tell in self._tell.items():
            if use in self.faults:
                continue
            try:
                found += [replace(one, watcher=use) for one in tell()]
            except Exception as error:
                self._fail(use, error)
        return tuple(found)

    def _guard(self, use: str, callback: keras.callbacks.Callback) -> None:
        """Time what a callback does, and end it when it raises; what it does not do stays undone."""

        def guarded(hook: Callable[..., None]) -> Callable[..., None]:
            @wraps(hook)
            def call(*arguments: Any, **given: Any) -> None:
                if use in self.faults:
                    return
                started = time.perf_counter()
                try:
                    hook(*arguments, **given)
                except Exception as error:
                    self._fail(use, error)
                finally:
                    self.seconds += time.perf_counter() - started

            return call

        for name in HOOKS:
            hook = getattr(callback, name)
            if not getattr(hook, "_is_default", False):
                setattr(callback, name, guarded(hook))

    def _fail(self, use: str, error: Exception) -> None:
        self.faults[use] = fault(*cause(error, self._plugins), traceback.format_exc())
