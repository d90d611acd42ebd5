"""Every technique that a backend is not excluded from, trained for an epoch on it.

Run as a program, it prints what became of each on the backend that KERAS_BACKEND names, as JSON.
"""

import json
import tempfile
from pathlib import Path

import keras
import workbench

from bench.catalog import Catalog

CATALOG = Catalog()
CALLS = {
    "fine_tune": "fine_tune(epochs=1)",
    "low_rank": "low_rank(energy=0.5, epochs=1)",
    "prune": "prune(epochs=2)",
    "quantize": "quantize(scheme='keras_int8')",
    "distill": "distill(teacher='mlp(width=4, depth=1)', hint=0.5)",
    "incremental": "incremental(steps=2, replay=20, select='herding', distill=0.5)",
    "simplify": "simplify(widths=[3], epochs=1, tolerance=1.0)",
    "swa": "swa(epochs=1)",
    "transfer": "transfer(source='mlp(width=4, depth=1)', mode='discriminative')",
    "tune": "tune(space={'learning_rate': [0.001, 0.01]}, trials=1)",
}
MORE = [
    "prune(pattern='2:4', epochs=1)",
    "prune(structured=True, epochs=1)",
    "quantize(scheme='keras_int4')",
    "transfer(source='mlp(width=4, depth=1)', mode='features')",
    "transfer(source='mlp(width=4, depth=1)', mode='progressive', stages=2)",
]


def trained() -> dict[str, str]:
    """Return what became of each technique: its status, or what went wrong."""
    backend = keras.backend.backend()
    able = [
        card.name
        for card in CATALOG.cards("techniques")
        if backend in card.literals.get("BACKENDS", (backend,)) and card.name != "stochastic_depth"
    ]
    calls = [*(CALLS.get(name, name) for name in able), *MORE]
    found = []
    for chosen, seeds in ((["ensemble"], "[0, 1]"), ([call for call in calls if call != "ensemble"], "[0]")):
        text = workbench.written(
            *(f'["{call}"]' for call in chosen),
            dataset="digits(train_size=100)",
            seeds=seeds,
            training="epochs: 1, batch_size: 25, validation: 0.2",
        )
        with tempfile.TemporaryDirectory() as folder:
            found += workbench.run(Path(folder), text, backend=backend)
    # A recipe's cell is told by what its one technique says of itself.
    told = dict.fromkeys(calls, "not trained")
    uses = {call: CATALOG.resolve("techniques", call) for call in calls}
    for record in found:
        if record.cell.techniques and record.seed in {0, None}:
            (use,) = record.cell.techniques
            for call, wanted in uses.items():
                plain = {key: value for key, value in use.parameters.items() if key in wanted.parameters}
                named = use.cells().keys()
                if use.name == wanted.name and all(wanted.parameters[k] == plain[k] for k in plain.keys() - named):
                    told[call] = record.status if record.error is None else f"{record.status}: {record.error.message}"
    return told


if __name__ == "__main__":
    print(json.dumps(trained()))
