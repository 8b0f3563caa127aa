"""How good a super-resolution model is: test pictures in, rows with their protocol out."""
