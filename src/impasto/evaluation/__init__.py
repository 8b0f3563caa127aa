"""How good the models are: test pictures in, rows with their protocol out; and the paper's claims.

The targets of `impasto reproduce` are in `reproduction`.
"""
