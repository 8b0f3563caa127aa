"""What L-BFGS believes of a function: its quadratic model, and where within bounds that is lowest.

The model's Hessian B is the one that the pairs of steps and changes of the gradient leave of a
multiple of the identity, in its compact form. Of B restricted to some entries the inverse is known
as well, and that is what bounds ask for: leaving entries out of the pairs instead is no such
inverse, and ended up to 3 % higher (measured).
Source: Byrd, Nocedal and Schnabel 1994, theorem 2.3; Byrd, Lu, Nocedal and Zhu 1995, section 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COLUMNS_AT_ONCE = 1 << 16
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


class Pairs:
    """Steps and what the gradient changed by along them, oldest first.

    They lie one below the other in a table, step, change, step, change, …, so that products with
    all of them are one operation. The newest are kept; the table is somewhat longer than need be,
    so that it is seldom moved.

    Attributes:
        products: of each vector with each, in the table's order, float64, on the processor.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.products = torch.zeros(0, 0, dtype=torch.float64)
        self._space = torch.zeros(0, 0)
        self._rows = slice(0, 0)
        self._shape: torch.Size = torch.Size()

    @classmethod
    def of(cls, steps: Sequence[Tensor], changes: Sequence[Tensor], *, most: int) -> "Pairs":
        """Return these pairs, as `add` would have gathered them."""
        pairs = cls()
        for step, change in zip(steps, changes, strict=True):
            pairs.add(step, change, most=most)
        return pairs

    @property
    def table(self) -> Tensor:
        """The vectors, 2·pairs×entries."""
        return self._space[self._rows]

    @property
    def steps(self) -> list[Tensor]:
        """Differences of points."""
        return [row.view(self._shape) for row in self.table[0::2]]

    @property
    def changes(self) -> list[Tensor]:
        """Differences of gradients."""
        return [row.view(self._shape) for row in self.table[1::2]]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return len(self.products) > 0

    def clear(self) -> None:
        """Forget all."""
        self._rows = slice(0, 0)
        self.products = self.products[:0, :0]

    def add(self, step: Tensor, change: Tensor, *, most: int) -> None:
        """Remember one more pair, and of so many at most the newest."""
        surplus = max(len(self.products) - 2 * (most - 1), 0)
        self.products = self.products[surplus:, surplus:]
        self._rows = slice(self._rows.start + surplus, self._rows.stop)
        self._make_room(step, most)
        for vector in (step, change):
            self._space[self._rows.stop] = vector.reshape(-1)
            self._rows = slice(self._rows.start, self._rows.stop + 1)
            row = _precise_products(self.table)
            column = torch.cat([self.products, row[None, :-1]])
            self.products = torch.cat([column, row[:, None]], dim=1)

    def _make_room(self, step: Tensor, most: int) -> None:
        self._shape = step.shape
        kept, length = self.table, 2 * (most + most // 4 + 1)
        if self._space.shape != (length, step.numel()):
            self._space = step.new_empty(length, step.numel())
        elif self._rows.stop + 2 <= length:
            return
        if len(kept):
            self._space[: len(kept)] = kept.clone()
        self._rows = slice(0, len(kept))


def _precise_products(table: Tensor) -> Tensor:
    """Return the products of all vectors with the last, summed in float64."""
    sums = [torch.sum(row * table[-1], dtype=torch.float64) for row in table]
    return torch.stack(sums).cpu()


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
        # W has the changes first, then the steps, scaled; the table has them in turn.
        places = torch.arange(len(products))
        self._order = torch.cat([places[1::2], places[0::2]])
        self._factors = torch.ones(len(products), dtype=torch.float64)
        self._factors[len(products) // 2 :] = self.scale

    def lowest(self, point: Tensor, bounds: Bounds) -> Tensor:
        """Return a step to where the model is low, within the bounds but for what clipping mends.

        Entries held by a bound stay. The rest is solved for; entries that would leave the bounds
        go to them, and what is then left is solved for once more.

        Where pairs contradict each other, something not finite, or no way down, may come of it.
        """
        shape, point, gradient = point.shape, point.reshape(-1), self.gradient.reshape(-1)
        held = bounds.hold(point, gradient)
        products = self.pairs.products - self._products_at(held)
        step = self._newton(gradient.masked_fill(held, 0), products).masked_fill(held, 0)
        leaving = bounds.are_left(point + step) & ~held
        if bool(leaving.any()):
            moved = torch.where(leaving, bounds.clip(point + step) - point, 0)
            # The gradient that the model has once those have moved.
            pull = self._combined(_solved(self._middle, self._along(moved)))
            fixed = held | leaving
            left = (gradient - pull).masked_fill(fixed, 0)
            step = self._newton(left, products - self._products_at(leaving))
            step = torch.where(fixed, moved, step)
        return step.view(shape)

    def _newton(self, gradient: Tensor, products: Tensor) -> Tensor:
        """Return minus the inverse of B on the entries that `products` are of, times a gradient."""
        inner = self._middle - self._gram(products) / self.scale
        pull = self._combined(_solved(inner, self._along(gradient)))
        return -(gradient / self.scale + pull / self.scale**2)

    def _gram(self, products: Tensor) -> Tensor:
        """Return WᵀW of W = [Y, scale·S], S the steps and Y the changes, from the products."""
        ordered = products[self._order][:, self._order]
        return ordered * self._factors[:, None] * self._factors

    def _along(self, vector: Tensor) -> Tensor:
        """Return Wᵀ·vector, float64, on the processor."""
        products = (self.pairs.table @ vector).double().cpu()
        return products[self._order] * self._factors

    def _combined(self, shares: Tensor) -> Tensor:
        """Return W·shares, in the gradient's type."""
        in_turn = torch.empty_like(shares)
        in_turn[self._order] = shares * self._factors
        return in_turn.to(self.pairs.table) @ self.pairs.table

    def _products_at(self, places: Tensor) -> Tensor:
        """Return what the products of the vectors owe to some of their entries."""
        total = torch.zeros_like(self.pairs.products, device=places.device)
        for columns in torch.split(places.nonzero()[:, 0], COLUMNS_AT_ONCE):
            block = self.pairs.table[:, columns].double()
            total += block @ block.T
        return total.cpu()


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve a system; of a singular one, whatever comes of it."""
    solution: Tensor = torch.linalg.solve_ex(matrix, right).result
    return solution
