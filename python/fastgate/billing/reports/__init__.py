"""What was spent, on what, and whether it paid: reports over the ledger (docs/costs.md)."""
