"""How near a picture comes to the truth, in numbers; numpy only."""
