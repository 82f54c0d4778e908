"""Keras on torch: `compile` and `fit`, whose optimizers are Keras's own."""

import hashlib
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.randn(1536, 20).astype("float32")
y = x[:, :3].argmax(1)
model = keras.Sequential(
    [
        keras.Input((20,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(3),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(3e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x[:1024], y[:1024], batch_size=32, epochs=3, validation_data=(x[1024:], y[1024:]), verbose=0)
weights = b"".join(np.ascontiguousarray(value).tobytes() for value in model.get_weights())
print("weights", hashlib.sha256(weights).hexdigest())
