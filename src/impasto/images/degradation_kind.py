"""The names of the ways in which a low resolution is made; `degradation` computes them.

Nothing here imports numpy, so that model cards can be read without it.
"""

from typing import Literal, get_args

Degradation = Literal["bicubic", "blur-bicubic"]
"""`bicubic`: MATLAB's `imresize`, as in every benchmark of super-resolution. `blur-bicubic`: a
Gaussian blur of σ = 1 pixel first, as in Johnson et al. 2016, section 4.2."""

DEGRADATIONS: tuple[Degradation, ...] = get_args(Degradation)
