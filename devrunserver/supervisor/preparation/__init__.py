"""The supervisor's side of prepared checkpoints."""
