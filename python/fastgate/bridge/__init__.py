"""From an event loop to the engine and back: one `Door` for each loop, one engine for all of them."""
