"""A picture optimised by itself: the baseline of style transfer, and inversions of the losses."""
