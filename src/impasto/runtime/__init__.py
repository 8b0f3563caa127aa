"""Model files applied to pictures; works without torch."""
