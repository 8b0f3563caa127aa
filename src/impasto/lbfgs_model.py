"""What L-BFGS believes of a function: its quadratic model, and where within bounds that is lowest.

The model's Hessian B is the one that the pairs of steps and changes of the gradient leave of a
multiple of the identity, in its compact form. Of B restricted to some entries the inverse is known
as well, and that is what bounds ask for: leaving entries out of the pairs instead is no such
inverse, and ended up to 3 % higher (measured: docs/reproduction.md).
Source: Byrd, Nocedal and Schnabel 1994, theorem 2.3; Byrd, Lu, Nocedal and Zhu 1995, section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

ROWS_AT_ONCE = 1 << 16
"""Entries of all pairs that are copied at a time, to save memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest that each entry may be."""

    lower: float = 0.0
    upper: float = 1.0

    def clip(self, point: Tensor) -> Tensor:
        """Return the nearest point within."""
        return point.clamp(self.lower, self.upper)

    def are_left(self, point: Tensor) -> Tensor:
        """Return where a point is outside."""
        return (point < self.lower) | (point > self.upper)

    def hold(self, point: Tensor, gradient: Tensor) -> Tensor:
        """Return where a bound is in the way of moving against the gradient."""
        down = (point <= self.lower) & (gradient > 0)
        return down | ((point >= self.upper) & (gradient < 0))


@dataclass(slots=True)
class Pairs:
    """Steps and what the gradient changed by along them, oldest first.

    Attributes:
        vectors: step, change, step, change, …, all of one shape.
        products: of each vector with each, float64, on the processor.
    """

    vectors: list[Tensor] = field(default_factory=list)
    products: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.float64))

    @classmethod
    def of(cls, steps: Sequence[Tensor], changes: Sequence[Tensor]) -> "Pairs":
        """Return these pairs, as `add` would have gathered them."""
        pairs = cls()
        for step, change in zip(steps, changes, strict=True):
            pairs.add(step, change, most=len(steps))
        return pairs

    @property
    def steps(self) -> list[Tensor]:
        """Differences of points."""
        return self.vectors[0::2]

    @property
    def changes(self) -> list[Tensor]:
        """Differences of gradients."""
        return self.vectors[1::2]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.vectors)

    def clear(self) -> None:
        """Forget all."""
        self.vectors.clear()
        self.products = self.products[:0, :0]

    def add(self, step: Tensor, change: Tensor, *, most: int) -> None:
        """Remember one more pair, and of so many at most the newest."""
        surplus = max(len(self.vectors) - 2 * (most - 1), 0)
        del self.vectors[:surplus]
        kept = self.products[surplus:, surplus:]
        for vector in (step, change):
            self.vectors.append(vector)
            row = dots(self.vectors, vector)
            kept = torch.cat([torch.cat([kept, row[None, :-1]]), row[:, None]], dim=1)
        self.products = kept


class QuadraticModel:
    """The function around a point, as the pairs have it: gᵀp + ½ pᵀBp for a step p."""

    def __init__(self, pairs: Pairs, gradient: Tensor) -> None:
        """Take pairs, at least one, and the gradient at the point."""
        self.pairs, self.gradient = pairs, gradient
        products = pairs.products
        self.scale = float(products[-1, -1] / products[-2, -1])
        across = products[0::2, 1::2]
        lower = torch.tril(across, -1)
        upper_rows = torch.cat([-torch.diag(torch.diag(across)), lower.T], dim=1)
        lower_rows = torch.cat([lower, self.scale * products[0::2, 0::2]], dim=1)
        self._middle = torch.cat([upper_rows, lower_rows])

    def lowest(self, point: Tensor, bounds: Bounds) -> Tensor:
        """Return a step to where the model is low, within the bounds but for what clipping mends.

        Entries held by a bound stay. The rest is solved for; entries that would leave the bounds
        go to them, and what is then left is solved for once more.
        Where pairs contradict each other, something not finite, or no way down, may come of it.
        """
        held = bounds.hold(point, self.gradient)
        products = self.pairs.products - self._products_at(held)
        step = self._newton(self.gradient.masked_fill(held, 0), products)
        step = step.masked_fill(held, 0)
        leaving = bounds.are_left(point + step) & ~held
        if not bool(leaving.any()):
            return step
        moved = torch.where(leaving, bounds.clip(point + step) - point, 0)
        # The gradient that the model has once those have moved.
        along = self._scaled(dots(self.pairs.vectors, moved))
        pull = self._combined(_solved(self._middle, along))
        fixed = held | leaving
        gradient = (self.gradient - pull).masked_fill(fixed, 0)
        step = self._newton(gradient, products - self._products_at(leaving))
        return torch.where(fixed, moved, step)

    def _newton(self, gradient: Tensor, products: Tensor) -> Tensor:
        """Return minus the inverse of B on the entries that `products` are of, times a gradient."""
        inner = self._middle - self._gram(products) / self.scale
        along = self._scaled(dots(self.pairs.vectors, gradient))
        pull = self._combined(_solved(inner, along))
        return -(gradient / self.scale + pull / self.scale**2)

    def _gram(self, products: Tensor) -> Tensor:
        """Return WᵀW of W = [Y, scale·S] from the products of the interleaved vectors."""
        order = torch.cat([torch.arange(1, len(products), 2), torch.arange(0, len(products), 2)])
        factors = self._factors()
        return products[order][:, order] * factors[:, None] * factors

    def _scaled(self, products: Tensor) -> Tensor:
        """Return Wᵀv from the products of a vector with the interleaved ones."""
        return torch.cat([products[1::2], products[0::2]]) * self._factors()

    def _factors(self) -> Tensor:
        half = len(self.pairs.vectors) // 2
        ones = torch.ones(half, dtype=torch.float64)
        return torch.cat([ones, self.scale * ones])

    def _combined(self, shares: Tensor) -> Tensor:
        """Return W·shares, in the gradient's type."""
        columns = self.pairs.changes + self.pairs.steps
        total = torch.zeros_like(self.gradient, dtype=torch.float64)
        for column, share in zip(columns, (shares * self._factors()).tolist(), strict=True):
            total.add_(column, alpha=share)
        return total.to(self.gradient.dtype)

    def _products_at(self, places: Tensor) -> Tensor:
        """Return what the products of the vectors owe to some of their entries."""
        total = torch.zeros_like(self.pairs.products, device=places.device)
        for rows in torch.split(places.reshape(-1).nonzero()[:, 0], ROWS_AT_ONCE):
            block = torch.stack([vector.reshape(-1)[rows] for vector in self.pairs.vectors])
            total += block.double() @ block.double().T
        return total.cpu()


def dots(vectors: Sequence[Tensor], vector: Tensor) -> Tensor:
    """Return the products of vectors with one, summed in float64, on the processor."""
    sums = [torch.sum(other * vector, dtype=torch.float64) for other in vectors]
    return torch.stack(sums).cpu()


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve a system; of a singular one, whatever comes of it."""
    solution: Tensor = torch.linalg.solve_ex(matrix, right).result
    return solution
