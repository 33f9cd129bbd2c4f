"""From a lock to the bytes of an image."""
