"""What a target really holds, read without trusting it."""
