"""The quadratic model of L-BFGS, and its minimum within bounds.

The model's Hessian B starts as a multiple of the identity and takes in the pairs of steps and
changes of the gradient, in its compact form. The inverse of B restricted to the free entries is
known as well, and bounds need exactly that: leaving the held entries out of the pairs gives another
matrix, and ended up to 3 % higher (measured).
Source: Byrd, Nocedal and Schnabel 1994, theorem 2.3; Byrd, Lu, Nocedal and Zhu 1995, section 5.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.optimization.minimizer import Bounds

COLUMNS_AT_ONCE = 1 << 16
"""Entries of all pairs that are copied at a time, to save memory."""


class Pairs:
    """Steps and the changes of the gradient along them, oldest first.

    They are rows of one table, step, change, step, change, …, so that products with all of them
    are one operation.

    Attributes:
        products: of each row with each, in the table's order, float64, on the processor.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.products = torch.zeros(0, 0, dtype=torch.float64)
        self._space = torch.zeros(0, 0)
        self._rows = slice(0, 0)
        self._shape: torch.Size = torch.Size()

    @classmethod
    def of(cls, steps: Sequence[Tensor], changes: Sequence[Tensor], *, max_pairs: int) -> "Pairs":
        """Return these pairs, as `add` would have collected them."""
        pairs = cls()
        for step, change in zip(steps, changes, strict=True):
            pairs.add(step, change, max_pairs=max_pairs)
        return pairs

    @property
    def table(self) -> Tensor:
        """The rows, 2·pairs×entries."""
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

    def add(self, step: Tensor, change: Tensor, *, max_pairs: int) -> None:
        """Remember one more pair; of more than `max_pairs`, forget the oldest."""
        surplus = max(len(self.products) - 2 * (max_pairs - 1), 0)
        self.products = self.products[surplus:, surplus:]
        self._rows = slice(self._rows.start + surplus, self._rows.stop)
        self._make_room(step, max_pairs)
        for vector in (step, change):
            self._space[self._rows.stop] = vector.reshape(-1)
            self._rows = slice(self._rows.start, self._rows.stop + 1)
            # Only the new row and column: the other products are known from earlier steps.
            # Summed in float64, row by row: the model subtracts products that are nearly equal.
            sums = [torch.sum(r * self.table[-1], dtype=torch.float64) for r in self.table]
            row = torch.stack(sums).cpu()
            column = torch.cat([self.products, row[None, :-1]])
            self.products = torch.cat([column, row[:, None]], dim=1)

    def _make_room(self, step: Tensor, max_pairs: int) -> None:
        self._shape = step.shape
        # A quarter longer than needed, so that the rows are moved to its start only now and then.
        table, num_rows = self.table, 2 * (max_pairs + max_pairs // 4 + 1)
        if self._space.shape != (num_rows, step.numel()):
            self._space = step.new_empty(num_rows, step.numel())
        elif self._rows.stop + 2 <= num_rows:
            return
        if len(table):
            self._space[: len(table)] = table.clone()  # old and new rows may overlap
        self._rows = slice(0, len(table))


class QuadraticModel:
    """The function around a point as the pairs describe it: gᵀp + ½ pᵀBp for a step p.

    B = θI − W M⁻¹ Wᵀ with W = [Y, θS], where S has the steps and Y the changes as columns, and M,
    called `_middle` here, is 2·pairs square.
    """

    def __init__(self, pairs: Pairs, gradient: Tensor) -> None:
        """Take pairs, at least one, and the gradient at the point."""
        self.pairs, self.gradient = pairs, gradient
        products = pairs.products
        # θ, the curvature along the newest pair, is the best guess for directions no pair covers.
        self.theta = float(products[-1, -1] / products[-2, -1])
        # Theorem 2.3: M = [[-D, Lᵀ], [L, θSᵀS]]; D is the diagonal of SᵀY, and L the part below it.
        across = products[0::2, 1::2]
        lower = torch.tril(across, -1)
        upper_rows = torch.cat([-torch.diag(torch.diag(across)), lower.T], dim=1)
        lower_rows = torch.cat([lower, self.theta * products[0::2, 0::2]], dim=1)
        self._middle = torch.cat([upper_rows, lower_rows])
        # W has all changes first, then all steps times θ; the table has them in turn.
        rows = torch.arange(len(products))
        self._order = torch.cat([rows[1::2], rows[0::2]])
        self._factors = torch.ones(len(products), dtype=torch.float64)
        self._factors[len(products) // 2 :] = self.theta

    def minimum(self, point: Tensor, bounds: Bounds) -> Tensor:
        """Return a step towards the model's minimum, within the bounds but for small excesses.

        Entries held by a bound stay, and the others are solved for. Entries that would leave the
        bounds go to them, and the rest is solved for once more.

        Pairs that contradict each other can give a step that is not finite or leads uphill.
        """
        shape, point, gradient = point.shape, point.reshape(-1), self.gradient.reshape(-1)
        # Byrd et al. 1995 hold the entries that reach a bound on the way to the Cauchy point, which
        # means sorting as many breakpoints as the picture has values; these come without a search.
        held = bounds.hold(point, gradient)
        # By subtraction: where few entries are held, the sum over them is the shorter one.
        products = self.pairs.products - self._products_at(held)
        # The combination of pairs moves held entries too; B restricted to the free ones does not.
        step = self._newton(gradient.masked_fill(held, 0), products).masked_fill(held, 0)
        # Once, not until none leaves: the line search clips what the second solution exceeds.
        leaving = bounds.are_exceeded(point + step) & ~held
        if bool(leaving.any()):
            moved = torch.where(leaving, bounds.clip(point + step) - point, 0)
            # The model's gradient after that move; its θ part is zero on the entries still free.
            pull = self._combined(_solved(self._middle, self._along(moved)))
            fixed = held | leaving
            remaining = (gradient - pull).masked_fill(fixed, 0)
            step = self._newton(remaining, products - self._products_at(leaving))
            step = torch.where(fixed, moved, step)
        return step.view(shape)

    def _newton(self, gradient: Tensor, products: Tensor) -> Tensor:
        """Return -B⁻¹ times a gradient, B restricted to the entries that `products` cover.

        By the formula of Sherman, Morrison and Woodbury, only a small matrix is inverted.
        """
        ordered = products[self._order][:, self._order]
        gram = ordered * self._factors[:, None] * self._factors  # WᵀW
        # B⁻¹ = I/θ + W (M − WᵀW/θ)⁻¹ Wᵀ/θ².
        inner = self._middle - gram / self.theta
        pull = self._combined(_solved(inner, self._along(gradient)))
        return -(gradient / self.theta + pull / self.theta**2)

    def _along(self, vector: Tensor) -> Tensor:
        """Return Wᵀ·vector, float64, on the processor."""
        # In the table's type: a copy in float64 would be twice as large as all pairs.
        products = (self.pairs.table @ vector).double().cpu()
        return products[self._order] * self._factors

    def _combined(self, coefficients: Tensor) -> Tensor:
        """Return W·coefficients, in the gradient's type."""
        in_table_order = torch.empty_like(coefficients)
        in_table_order[self._order] = coefficients * self._factors
        return in_table_order.to(self.pairs.table) @ self.pairs.table

    def _products_at(self, mask: Tensor) -> Tensor:
        """Return the part of the rows' products that comes from the masked entries."""
        total = torch.zeros_like(self.pairs.products, device=mask.device)
        for columns in torch.split(mask.nonzero()[:, 0], COLUMNS_AT_ONCE):
            block = self.pairs.table[:, columns].double()
            total += block @ block.T
        return total.cpu()


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve a linear system without an error where the matrix is singular."""
    solution: Tensor = torch.linalg.solve_ex(matrix, right).result
    return solution
