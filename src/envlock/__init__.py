"""A lockfile for the whole machine-learning environment, the image it determines, and the proof of a match."""

__version__ = "0.1.0"
