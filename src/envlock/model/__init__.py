"""The named, frozen values that travel along the line from manifest to verdict."""
