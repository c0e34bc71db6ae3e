"""What the world is told: events, metrics, recordings. It never judges and never holds a packet up."""
