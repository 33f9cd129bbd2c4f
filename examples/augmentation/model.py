"""The network, and the augmentation before it."""

import tensorflow as tf

SEED = 2021
_layers = tf.keras.layers
_preprocessing = _layers if hasattr(_layers, "RandomFlip") else _layers.experimental.preprocessing


def augmentation():
    """Return what every picture goes through in training."""
    return tf.keras.Sequential(
        [
            _preprocessing.RandomFlip("horizontal", seed=SEED),
            _preprocessing.RandomContrast(0.5, seed=SEED),
        ]
    )


def classifier():
    """Return a small convolutional network, ready to be trained."""
    tf.random.set_seed(SEED)
    network = tf.keras.Sequential(
        [
            augmentation(),
            _layers.Conv2D(16, 3, activation="relu"),
            _layers.MaxPooling2D(),
            _layers.Conv2D(32, 3, activation="relu"),
            _layers.Flatten(),
            _layers.Dense(64, activation="relu"),
            _layers.Dense(10),
        ]
    )
    network.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return network
