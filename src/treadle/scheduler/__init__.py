"""The owner's side: what runs where, who is stopped, what the record says."""
