"""One cell of digits as a person writes it without the harness: `plain.py ARCHITECTURE RECIPE SEED FOLDER`.

`baseline` and `augment` train, and leave their network in the folder; `pruned` and `quantized`
start from the baseline's. Keras's own `fit` and `evaluate`, and no timing of predictions.
"""

import os
import sys
from pathlib import Path

architecture, recipe, seed, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
if recipe == "pruned":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS, BATCH = 12, 32
legacy = recipe == "pruned"
if legacy:
    import tf_keras as keras
else:
    import keras
layers = keras.layers
keras.utils.set_random_seed(seed)

x, y = load_digits(return_X_y=True)
x = x.reshape(-1, 8, 8, 1).astype("float32")
x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
x, x_val, y, y_val = train_test_split(x, y, test_size=0.1, random_state=0, stratify=y)


def build():
    inputs = keras.Input((8, 8, 1))
    z = layers.Rescaling(1 / 255)(inputs)
    if architecture == "mlp":
        z = layers.Flatten()(z)
        for _ in range(2):
            z = layers.Dense(128, activation="relu")(z)
    else:
        for width in (16, 32):
            for _ in range(2):
                z = layers.Conv2D(width, 3, padding="same", use_bias=False)(z)
                z = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(z))
            z = layers.MaxPooling2D()(z)
        z = layers.GlobalAveragePooling2D()(z)
    return keras.Model(inputs, layers.Dense(10)(z))


def compiled(model, rate=0.002):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


kept = folder / f"{architecture}-baseline-{seed}.weights.h5"
model = build()
if recipe in {"baseline", "augment"}:
    if recipe == "augment":
        inputs = keras.Input((8, 8, 1))
        model = keras.Model(inputs, model(layers.RandomTranslation(1 / 8, 1 / 8)(inputs)))
    compiled(model).fit(x, y, batch_size=BATCH, epochs=EPOCHS, validation_data=(x_val, y_val), verbose=0)
    accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
    if recipe == "baseline":
        np.savez(kept.with_suffix(".npz"), *model.get_weights())
else:
    with np.load(kept.with_suffix(".npz")) as saved:
        model.set_weights([saved[name] for name in saved.files])
    if recipe == "pruned":
        import tensorflow_model_optimization as tfmot

        steps = 2 * -(-len(x) // BATCH)
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, 0.5, 0, steps * 3 // 4, frequency=2)
        prunes = (layers.Conv2D, layers.Dense)
        wrap = tfmot.sparsity.keras.prune_low_magnitude
        pruned = keras.models.clone_model(
            model, clone_function=lambda one: wrap(one, pruning_schedule=schedule) if isinstance(one, prunes) else one
        )
        callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
        compiled(pruned, 0.0005).fit(x, y, batch_size=BATCH, epochs=2, callbacks=callbacks, verbose=0)
        accuracy = compiled(tfmot.sparsity.keras.strip_pruning(pruned)).evaluate(x_test, y_test, verbose=0)[1]
    else:
        from ai_edge_litert.interpreter import Interpreter

        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x[i : i + 1]] for i in range(300))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
        entry, leave = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        interpreter.resize_tensor_input(entry, x_test.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry, x_test)
        interpreter.invoke()
        accuracy = (interpreter.get_tensor(leave).argmax(axis=1) == y_test).mean()
print(f"{architecture} {recipe} {seed} {accuracy:.4f}")
