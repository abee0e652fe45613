"""Dividing an amount over shares so that nothing is lost (largest remainder, Hamilton 1792)."""

from collections.abc import Sequence


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Whole parts that add up to `amount`, each less than one unit from its exact share.

    Args:
        amount: What is divided; may be negative.
        weights: At least one, none negative. All zero: equal shares.
    """
    weights = weights if any(weights) else [1] * len(weights)
    total = sum(weights)
    parts = [amount * weight // total for weight in weights]
    # Floors leave a rest smaller than their number; the first of equal remainders get it.
    rest = amount - sum(parts)
    remainders = sorted(range(len(weights)), key=lambda n: -(amount * weights[n] % total))
    for n in remainders[:rest]:
        parts[n] += 1
    return parts
