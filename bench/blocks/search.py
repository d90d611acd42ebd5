"""A search among settings, by KerasTuner, that goes on where it was and keeps every trial."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import keras
import keras_tuner
import msgspec
import numpy as np
from keras_tuner.errors import FatalError
from keras_tuner.oracles import BayesianOptimizationOracle, GridSearchOracle, HyperbandOracle, RandomSearchOracle
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from bench.disk import write_atomic
from bench.errors import Diverged, Unsupported
from bench.records import Table
from bench.work.training import Trainer

FIRST = 0
"""The trial that has the suite's own settings."""
FEWEST, FEW = 3, 12
"""Trials with fewer of which nothing is said of importance; with fewer of which a forest would say nothing yet."""
WORST = 1e6
Floats = NDArray[np.float64]
Algorithm = Literal["random", "hyperband", "bayesian", "grid"]


class Trial(Struct, frozen=True):
    """A training with some settings and its score on the validation part."""

    number: int
    values: dict[str, Any]
    """By the names of the suite's axes; those that are not there are as in the suite."""
    epochs: int
    score: float
    """Accuracy, or the negative mean absolute error; the higher the better."""
    seconds: float = 0.0
    """That it took to train."""

    @property
    def shown(self) -> float | None:
        """The score as a table shows it; None for a training that did not end."""
        return None if self.score == -WORST else abs(self.score)


class Search:
    """Trains the trials that an algorithm asks for."""

    def __init__(self, trainer: Trainer, space: dict[str, Any], algorithm: Algorithm, trials: int) -> None:
        """Train nothing yet; what is finished lies beside the trainer's checkpoints."""
        self._trainer = trainer
        self._space = space
        self._oracle = _oracle(trainer, space, algorithm, trials)
        self._scratch = tempfile.TemporaryDirectory()
        checkpoints = trainer.checkpoints
        self._folder = (checkpoints.folder if checkpoints else Path(self._scratch.name)) / "search"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._known = self._read()
        self._numbers: dict[str, int] = {}
        """Of the trials so far, by KerasTuner's name for them."""
        self.trials: list[Trial] = []

    def run(self) -> list[Trial]:
        """Return all trials, the suite's own settings first.

        A search that was interrupted asks for the same trials again, as all that it draws follows
        the seed, and is told the scores of those that are finished. (KerasTuner's own way to go on
        loses what was being trained, and a grid.)
        """
        self._told(FIRST, {}, self._trainer.settings.epochs, lambda: self._score(self._trainer.vary({})))
        with tempfile.TemporaryDirectory() as folder:
            try:
                _Tuner(self._oracle, self._train, Path(folder)).search(verbose=0)
            except FatalError as error:
                raise error.__cause__ or error from None
        return self.trials

    def _train(self, trial: Any) -> float:
        """Train one trial from where an earlier, shorter one of the same settings was; return its score."""
        chosen, number = trial.hyperparameters.values, len(self.trials)
        self._numbers[trial.trial_id] = number
        values = {name: _value(self._space[name], chosen[name]) for name in self._space}
        first, last = chosen.get("tuner/initial_epoch", 0), chosen.get("tuner/epochs", self._trainer.settings.epochs)
        before = self._weights(self._numbers[chosen["tuner/trial_id"]]) if first else None
        return self._told(
            number,
            values,
            last,
            lambda: self._score(self._trainer.vary(values), first, last, before, self._weights(number)),
        )

    def _told(self, number: int, values: dict[str, Any], epochs: int, score: Callable[[], float]) -> float:
        """Return a trial's score: the one that is known, or the one that is found now."""
        known, checkpoints = self._known.get(number), self._trainer.checkpoints
        if known is not None and (known.values, known.epochs) == (values, epochs):
            if checkpoints:
                checkpoints.resumed_s += known.seconds
        else:
            started = time.perf_counter()
            found = score()
            self._known[number] = known = Trial(number, values, epochs, found, time.perf_counter() - started)
            write_atomic(self._folder / "finished.json", msgspec.json.encode(list(self._known.values())))
        self.trials.append(known)
        return known.score

    def _read(self) -> dict[int, Trial]:
        try:
            found = msgspec.json.decode((self._folder / "finished.json").read_bytes(), type=list[Trial])
        except (OSError, msgspec.DecodeError):
            return {}
        return {trial.number: trial for trial in found}

    def _weights(self, number: int) -> Path:
        return self._folder / f"{number}.npz"

    def _score(
        self,
        trainer: Trainer,
        first: int = 0,
        last: int | None = None,
        before: Path | None = None,
        after: Path | None = None,
    ) -> float:
        looking_on = [id(one) for one in trainer.watching]
        own = [one for one in trainer.callbacks if id(one) not in looking_on]
        trainer = replace(trainer, checkpoints=None, callbacks=own)
        try:
            network = fresh(trainer)
            if before:
                with np.load(before) as known:
                    network.set_weights([known[name] for name in known.files])
            trainer.fit(network, first_epoch=first, epochs=last)
        except (Diverged, Unsupported):
            return -WORST
        if after:
            np.savez(after, *network.get_weights())
        _, score = trainer.judge(network)
        return score if trainer.facts.classes else -score


def fresh(trainer: Trainer) -> keras.Model:
    """Return a trainer's network as a new process would build it, whatever was trained before."""
    policy = keras.config.dtype_policy()
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(trainer.seed)
    return trainer.build()


class _Tuner(keras_tuner.engine.base_tuner.BaseTuner):
    """KerasTuner's loop, which asks the oracle for trials and tells it what became of each."""

    def __init__(self, oracle: Any, train: Callable[[Any], float], folder: Path) -> None:
        self._train = train
        super().__init__(oracle, directory=str(folder), project_name="oracle")

    def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> dict[str, float]:
        try:
            return {"score": self._train(trial)}
        except Exception as error:  # KerasTuner would print any other kind and go on
            raise FatalError(str(error)) from error


def _oracle(trainer: Trainer, space: dict[str, Any], algorithm: Algorithm, trials: int) -> Any:
    known = keras_tuner.HyperParameters()
    for name, values in space.items():
        _declare(known, name, values)
    how: dict[str, Any] = {
        "objective": keras_tuner.Objective("score", "max"),
        "hyperparameters": known,
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": trainer.seed + 1,  # 0 would be any
    }
    match algorithm:
        case "hyperband":
            oracle: Any = HyperbandOracle(max_epochs=trainer.settings.epochs, **how)
        case "bayesian":
            oracle = BayesianOptimizationOracle(max_trials=trials, **how)
        case "grid":
            oracle = GridSearchOracle(max_trials=trials, **how)
        case _:
            oracle = RandomSearchOracle(max_trials=trials, **how)
    oracle.verbose = 0
    return oracle


def _declare(known: Any, name: str, values: Any) -> None:
    if isinstance(values, list):
        known.Choice(name, list(range(len(values))))  # KerasTuner knows neither lists, nor None, nor mixed types
        return
    low, high, step = values["low"], values["high"], values.get("step")
    sampling = "log" if values.get("log") else "linear"
    whole = isinstance(low, int) and isinstance(high, int)
    (known.Int if whole else known.Float)(name, low, high, step=step, sampling=sampling)


def _value(values: Any, chosen: Any) -> Any:
    return values[chosen] if isinstance(values, list) else chosen


def importance(trials: Sequence[Trial], names: Sequence[str]) -> Table:
    """Return how much each setting mattered for the score, 0–1, and by which measure."""
    scored = [trial for trial in trials if trial.values and trial.score > -WORST]
    longest = [trial for trial in scored if trial.epochs == max(trial.epochs for trial in scored)]
    scored = longest if len(longest) >= FEWEST else scored
    title = "How much each setting mattered for the score on the validation part"
    headings = ("setting", "importance", "measure")
    if len(scored) < FEWEST:
        return Table(title, headings, tuple((name, None, "too few trials") for name in names))
    columns = [_numbers([trial.values[name] for trial in scored]) for name in names]
    x, y = np.array(columns).T, np.array([trial.score for trial in scored])
    if len(scored) < FEW:
        found, measure = [_correlation(column, y) for column in columns], "rank correlation"
    else:
        forest = RandomForestRegressor(200, random_state=0).fit(x, y)
        raw = np.maximum(permutation_importance(forest, x, y, n_repeats=20, random_state=0).importances_mean, 0.0)
        found, measure = list(raw / raw.sum() if raw.sum() else raw), "random forest"
    rows = sorted(zip(names, found, strict=True), key=lambda row: -row[1])
    return Table(title, headings, tuple((name, float(value), measure) for name, value in rows))


def _numbers(values: Sequence[Any]) -> list[float]:
    """Return values as numbers: as they are, or by their place in the order that they came up in."""
    if all(isinstance(value, (int, float)) for value in values):
        return [float(value) for value in values]
    places = {repr(value): i for i, value in reversed(list(enumerate(values)))}
    return [float(places[repr(value)]) for value in values]


def _correlation(x: Sequence[float], y: Floats) -> float:
    if len(set(x)) < 2 or len(np.unique(y)) < 2:
        return 0.0
    return abs(float(spearmanr(x, y).statistic))
