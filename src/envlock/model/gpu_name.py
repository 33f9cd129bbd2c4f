"""Names of GPUs: the model in a product's name, and which products a hardware class means."""

from __future__ import annotations

import re

_MAKERS = re.compile(r"\b(NVIDIA|Tesla|GeForce|Quadro|Generation|GPU|AMD|ATI|Instinct|Radeon)\b", re.IGNORECASE)
_FORM = re.compile(r"[- ](PCIE?|SXM\d?|HBM\w*|NVL|OAM|MIG\b.*|\d+ ?GB\b).*", re.IGNORECASE)


def product_model(name: str) -> str:
    """Return the part of a product's name that says the model: A100 of `NVIDIA A100-SXM4-40GB`."""
    bare = " ".join(_MAKERS.sub(" ", name).split())
    return _FORM.sub("", bare).strip() or bare


def product_slug(name: str) -> str:
    """Return a product's name without its maker, as a part of a file's name: h100-80gb-hbm3, rtx-4090."""
    return re.sub(r"[^a-z0-9.]+", "-", _MAKERS.sub(" ", name).lower()).strip("-.")


def means(wanted: str, product: str) -> bool:
    """Tell whether a name in a hardware class means a product.

    Every word of it is one of the product's name, and both are the same model: `A100` and `A100 80GB` mean `NVIDIA
    A100-SXM4-80GB`, while `RTX 3080` is no `RTX 3080 Ti`, which has more multiprocessors.
    """
    # AMD's driver calls a product that is sold in two forms by both names: MI250X / MI250.
    models = [model.strip().casefold() for model in product_model(product).split("/")]
    return product_model(wanted).casefold() in models and _words(wanted) <= _words(product)


def is_slice(wanted: str) -> bool:
    """Tell whether a name in a hardware class means a slice of a device, such as `A100 MIG 1g.5gb`."""
    return "mig" in _words(wanted)


def _words(name: str) -> frozenset[str]:
    text = re.sub(r"(\d) (gb)\b", r"\1\2", _MAKERS.sub(" ", name).casefold())
    return frozenset(re.findall(r"[\w.]+", text))
