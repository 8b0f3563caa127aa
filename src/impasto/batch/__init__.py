"""Pictures by the million: a pool of workers through Ray, on one machine or a cluster."""
