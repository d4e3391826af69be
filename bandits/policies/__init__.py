"""What a campaign believes and how it chooses: pure mathematics, with randomness handed in."""
